"""What a metric says of an explanation."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from .methods import Method, metrics


class Evaluation:
    """What a metric found. Made by :meth:`pellucid.Model.evaluate` or :meth:`pellucid.Explanation.evaluate`.

    Attributes:
        tensors: Read-only arrays by name: ``"values"``, and as the metric has them ``"curve"``, ``"fractions"``, …
        numbers: Floats by name: ``"value"``, ``"reference_constant"``, ``"reference_random"``, …
        data: The manifest, see ``docs/manifest.md``.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], numbers: Mapping[str, float], data: Mapping[str, Any]):
        self.tensors: Dict[str, np.ndarray] = dict(tensors)
        self.numbers: Dict[str, float] = dict(numbers)
        self.data: Dict[str, Any] = dict(data)

    @property
    def metric(self) -> str:
        """The metric's name."""
        return str(self.data.get("method", ""))

    @property
    def info(self) -> Method:
        """What the registry says of the metric."""
        return metrics()[self.metric]

    @property
    def value(self) -> float:
        """The mean over the images that have a value."""
        return self.numbers.get("value", float("nan"))

    @property
    def values(self) -> List[float]:
        """One number per image; NaN where it is undefined."""
        return [float(each) for each in self.tensors["values"]]

    @property
    def direction(self) -> str:
        """Which values are better: "higher" or "lower"."""
        return str(self.data.get("data", {}).get("direction", ""))

    @property
    def reference_constant(self) -> Optional[float]:
        """What a map that is the same everywhere gets; None where that makes no sense or was not asked for."""
        return self.numbers.get("reference_constant")

    @property
    def reference_random(self) -> Optional[float]:
        """What a map of random numbers gets; None where that makes no sense or was not asked for."""
        return self.numbers.get("reference_random")

    @property
    def curve(self) -> Optional[np.ndarray]:
        """Scores along the way, images x points, for metrics that replace the image step by step; see ``tensors["fractions"]``."""
        return self.tensors.get("curve")

    @property
    def warnings(self) -> List[str]:
        """What is odd about the result, in words."""
        return list(self.data.get("warnings", []))

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        known = {"constant": self.reference_constant, "random": self.reference_random}
        references = [f"{name} {value:.4g}" for name, value in known.items() if value is not None]
        more = f" ({', '.join(references)})" if references else ""
        return f"<Evaluation {self.metric or '?'}: {self.value:.4g}{more}, {self.direction} is better>"
