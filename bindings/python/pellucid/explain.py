"""Explanations, and the registry of methods."""

from __future__ import annotations

import ctypes
import json
import weakref
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import _abi
from ._library import address, check, library
from ._options import encode
from ._tensor import Tensor, unwrap
from .errors import UnsupportedError
from .image import Picture, overlay
from .runtime import text, until_not_found


@dataclass(frozen=True)
class Parameter:
    """An option of a method."""

    name: str
    type: str  #: "integer", "real", "boolean", "choice", "text", "value" (a layer) or "tensor"
    default: str  #: as text; empty: chosen at run time
    range: str  #: "1...10000", or the choices separated by "|"; empty: any
    help: str

    def __str__(self) -> str:
        facts = ", ".join(filter(None, (self.type, self.range, self.default and f"default {self.default}")))
        return f"{self.name} ({facts})\n    {self.help}"


@dataclass(frozen=True, repr=False)
class Method:
    """An explanation method or a metric; ``help(method)`` lists its options."""

    name: str  #: as in the literature: "grad-cam"
    family: str  #: "cam", "gradient", …
    kind: str  #: "explainer" or "metric"
    summary: str
    needs: Tuple[str, ...]  #: "gradient", "layer", "global-pooling", …
    reference: str  #: the paper
    parameters: Tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", str(self))

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {self.summary}>"

    def __str__(self) -> str:
        head = [f"{self.name} ({self.family}): {self.summary}"]
        if self.reference:
            head.append(self.reference)
        if self.needs:
            head.append(f"Needs: {', '.join(self.needs)}")
        return "\n".join([*head, "", "Options:", *map(str, self.parameters)])


def methods() -> Dict[str, Method]:
    """Every method of the library, by name."""
    count = check(library().pellucid_method_count())
    return {method.name: method for method in map(_method_at, range(count))}


def _method_at(index: int) -> Method:
    info = _abi.MethodInfo(struct_size=ctypes.sizeof(_abi.MethodInfo))
    check(library().pellucid_method_at(index, ctypes.byref(info)))
    needs = tuple(filter(None, (need.strip() for need in text(info.needs).split(","))))
    parameters = tuple(until_not_found(_parameter_at, info.name))
    return Method(
        text(info.name), text(info.family), text(info.kind), text(info.summary), needs, text(info.reference), parameters
    )


def _parameter_at(method: bytes, index: int) -> Parameter:
    info = _abi.ParameterInfo(struct_size=ctypes.sizeof(_abi.ParameterInfo))
    check(library().pellucid_method_parameter_at(method, index, ctypes.byref(info)))
    return Parameter(text(info.name), text(info.type), text(info.default_value), text(info.range), text(info.help))


class Explanation:
    """What a method found. Made by :meth:`pellucid.Model.explain`.

    Attributes:
        tensors: Read-only arrays by name; ``"map"`` is there for every picture-making method.
        numbers: Floats by name, as ``"score"`` or ``"completeness_gap"``.
        data: The manifest: method, resolved options, layer, target, seed, model hash, versions, backend, forwards,
            backwards, peak bytes, seconds, warnings.
    """

    tensors: Dict[str, np.ndarray]
    numbers: Dict[str, float]
    data: Dict[str, Any]

    def __init__(self, handle: int, inputs: Sequence[Tensor] = ()):
        owner = weakref.finalize(self, library().pellucid_result_release, handle)
        owner.atexit = False
        self.tensors = {name: _tensor(handle, name, inputs) for name in _listed("tensor", handle)}
        self.numbers = {name: _number(handle, name) for name in _listed("number", handle)}
        self.data = json.loads(text(library().pellucid_result_json(handle)) or "{}")
        owner()

    @property
    def map(self) -> np.ndarray:
        """The heat map as the options say: one per image, in the input's layout or reduced to (N, 1, H, W)."""
        if "map" not in self.tensors:
            raise UnsupportedError(f"{self.data.get('method', 'this method')} makes no map; see .tensors and .numbers")
        return self.tensors["map"]

    @property
    def options(self) -> Dict[str, Any]:
        """The options as resolved, defaults included."""
        return self.data.get("options", {})

    @property
    def layer(self) -> Optional[str]:
        """The layer that was explained, where the method uses one."""
        return self.data.get("layer")

    @property
    def seed(self) -> Optional[int]:
        """The seed of the random numbers, where the method uses any."""
        return self.data.get("seed")

    @property
    def time(self) -> float:
        """Wall time of the call in seconds."""
        return float(self.data.get("seconds", 0.0))

    def overlay(self, image: Any = None, index: int = 0, **options: Any) -> Picture:
        """The map drawn over an image.

        Args:
            image: A path, encoded bytes, or an array of height x width x 3 (uint8) that shows what the network saw. None:
                the colours alone, at the map's size.
            index: Which image of the batch.
            options: As in :func:`pellucid.image.overlay`.
        """
        heat = self.map
        return overlay(image, heat[index] if heat.ndim > 2 else heat, **options)

    def __repr__(self) -> str:
        parts = [f"{name}: {list(array.shape)}" for name, array in self.tensors.items()]
        parts += [f"{name}={value:.6g}" for name, value in self.numbers.items()]
        return f"<Explanation {self.data.get('method', '?')} {' '.join(parts)}>"


def _listed(kind: str, handle: int) -> List[str]:
    """Names of the tensors or numbers of a result."""
    name_at = getattr(library(), f"pellucid_result_{kind}_name")
    names: List[str] = []
    while (name := name_at(handle, len(names))) is not None:
        names.append(text(name))
    return names


def _tensor(handle: int, name: str, inputs: Sequence[Tensor]) -> np.ndarray:
    tensor = ctypes.c_void_p()
    check(library().pellucid_result_tensor(handle, encode(name), ctypes.byref(tensor)))
    return unwrap(Tensor(address(tensor)), inputs)


def _number(handle: int, name: str) -> float:
    number = ctypes.c_double()
    check(library().pellucid_result_number(handle, encode(name), ctypes.byref(number)))
    return number.value
