"""Input gradients of a case against central differences, in double precision."""

from __future__ import annotations

import zlib
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np
import onnx
import pellucid
from cases import Case, feeds, run_model
from double import doubled, doubled_value, for_gradients, is_real

#: Largest difference, relative to the largest derivative of the same input.
TOLERANCE = 1e-5
#: The default backend computes in the model's own precision, of which casts to small types leave two steps.
SINGLE_TOLERANCE = {"bfloat16": 2.0**-6, "float16": 2.0**-9}
CANCELLED = 1e-3
#: Directions that each input is varied in: all elements at once, and single elements.
DENSE, SINGLE = 4, 8
#: Steps, of which one must agree: where a curve bends much, a shorter one; where numbers are large, a longer one.
STEPS = (1e-6, 1e-5, 1e-7)
#: Moves the data off ties and kinks, on which examples with round numbers like to lie.
JITTER = 1e-3

#: What the library says where sizes follow from data.
UNKNOWN_SHAPES = ("follows only from data", "known before the run")

Values = Dict[str, Any]


class Gradient(NamedTuple):
    """What became of the gradient of a case."""

    kind: str  #: "none": nothing to differentiate; "agrees", "refused" in words, or "differs"
    text: str = ""


def check_gradient(case: Case) -> Gradient:
    """Compares the gradient of a random sum of all real outputs with differences, on the first data set."""
    model, data = case.load()
    values = feeds(model, data[0][0])
    reals = [name for name, value in values.items() if is_real(value) and value.size]
    if not reals or not any(is_real(output) for output in data[0][1]):
        return Gradient("none")
    found = _attempt(case.name, model, values, reals)
    if found.kind != "refused" or not any(text in found.text for text in UNKNOWN_SHAPES):
        return found
    # Sizes may follow from real inputs too (scales of Resize, depth of OneHot): one input after the other, all others fixed.
    each = [_attempt(case.name, model, values, [name]) for name in reals]
    ranks = ["differs", "agrees", "none", "refused"]
    return min(each, key=lambda gradient: ranks.index(gradient.kind))


def _attempt(name: str, model: onnx.ModelProto, values: Values, reals: List[str]) -> Gradient:
    try:
        return _Check(name, model, values, reals).run()
    except pellucid.UnsupportedError as problem:
        return Gradient("refused", str(problem))
    except pellucid.PellucidError as problem:
        return Gradient("differs", f"{type(problem).__name__}: {problem}")


class _Outside(Exception):
    """The data lie where the model has no finite value."""


class _Check:
    def __init__(self, name: str, model: onnx.ModelProto, values: Values, reals: List[str]):
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.reals = reals
        # What is not differentiated becomes part of the model, so that sizes are known.
        fixed = {key: value for key, value in values.items() if key not in reals and isinstance(value, (np.ndarray, np.generic))}
        self.values = {key: value for key, value in values.items() if key not in fixed}
        self.single = for_gradients(model, fixed)
        self.model = pellucid.load(doubled(self.single).SerializeToString(), threads=1, backend="reference", passes="none")
        self.weights: Dict[str, np.ndarray] = {}

    def run(self) -> Gradient:
        """Off the case's own data where that works, else on them."""
        moved = {name: self.moved(value) if name in self.reals else value for name, value in self.values.items()}
        try:
            return self.at(moved)
        except (_Outside, pellucid.InvalidError, pellucid.ShapeError):
            pass
        try:
            return self.at(self.values)
        except _Outside:
            return Gradient("none")

    def moved(self, value: np.ndarray) -> np.ndarray:
        """Numbers of the same type nearby."""
        wide = value.astype(np.float64)
        noise = self.random.uniform(-JITTER, JITTER, wide.shape)
        with np.errstate(all="ignore"):
            return np.asarray(wide + noise * np.maximum(1, np.abs(wide))).astype(value.dtype)

    def at(self, own: Values) -> Gradient:
        """The comparison at one point."""
        values = {name: doubled_value(value) for name, value in own.items()}
        base = self.outputs(self.model, values)
        if not all(np.isfinite(output).all() for output in base.values()):
            raise _Outside
        self.weights = {name: self.random.uniform(0.5, 1.5, output.shape) for name, output in base.items() if output.size}
        if not self.weights:
            return Gradient("none")
        found = self.gradient(self.model, values)
        scale = max(1.0, abs(self.score(values)))
        for name in self.reals:
            text = self.compare(name, values, found[name], scale)
            if text:
                return Gradient("differs", f"by '{name}': {text}")
        return self.compare_backends(own, found)

    def outputs(self, model: pellucid.Model, values: Values) -> Dict[str, np.ndarray]:
        """The real outputs."""
        named = run_model(model, values)
        return {name: np.asarray(output) for name, output in named.items() if is_real(output)}

    def score(self, values: Values) -> float:
        """What is differentiated."""
        outputs = self.outputs(self.model, values)
        return float(sum((self.weights[name] * outputs[name]).sum() for name in self.weights))

    def gradient(self, model: pellucid.Model, values: Values) -> Dict[str, np.ndarray]:
        """Gradients of the score by all real inputs."""
        total = {name: np.zeros(values[name].shape) for name in self.reals}
        for output, weights in self.weights.items():
            target = pellucid.Target.weights(weights, score="output", output=output)
            for name, gradient in model.gradient(values, target, wrt=self.reals).items():
                total[name] = total[name] + gradient.astype(np.float64)
        return total

    def compare(self, name: str, values: Values, gradient: np.ndarray, scale: float) -> Optional[str]:
        """What is wrong with the derivatives by one input."""
        if gradient.shape != values[name].shape:
            return f"the gradient has shape {list(gradient.shape)}, the input {list(values[name].shape)}"
        if not np.isfinite(gradient).all():
            return "the gradient is not finite"
        directions = self.directions(values[name].shape)
        found = [float(np.sum(gradient * direction)) for direction in directions]
        texts = []
        for step in STEPS:
            step *= max(1.0, float(np.abs(values[name]).mean()))
            expected = [self.difference(name, values, direction, step) for direction in directions]
            if not np.isfinite(expected).all():
                raise _Outside
            size = max(map(abs, [*expected, *found]))
            worst = int(np.argmax(np.abs(np.subtract(found, expected))))
            # Differences of equal numbers leave their rounding.
            if abs(found[worst] - expected[worst]) <= TOLERANCE * size + 1e-14 / step * scale:
                return None
            texts.append(f"{found[worst]:.9g}, differences say {expected[worst]:.9g} (of {size:.3g})")
        return texts[0]

    def directions(self, shape: Any) -> List[np.ndarray]:
        """Dense directions, then single elements."""
        dense = [self.random.choice([-1.0, 1.0], shape) for _ in range(DENSE)]
        count = int(np.prod(shape))
        places = self.random.permutation(count)[:SINGLE]
        return dense + [(np.arange(count) == place).astype(np.float64).reshape(shape) for place in places]

    def difference(self, name: str, values: Values, direction: np.ndarray, step: float) -> float:
        """Central difference of the score along a direction."""
        with np.errstate(all="ignore"):
            ahead = self.score({**values, name: values[name] + step * direction})
            behind = self.score({**values, name: values[name] - step * direction})
            return (ahead - behind) / (2 * step)

    def compare_backends(self, values: Values, expected: Dict[str, np.ndarray]) -> Gradient:
        """The default backend's gradient, in the model's own precision."""
        found = self.gradient(pellucid.load(self.single.SerializeToString(), threads=1), values)
        largest = max(float(np.abs(gradient).max()) for gradient in expected.values())
        for name in self.reals:
            # What cancels to nearly nothing is compared with what it cancelled from.
            size = max(float(np.abs(expected[name]).max()), CANCELLED * max(1.0, largest))
            error = float(np.abs(found[name] - expected[name]).max()) / size
            if not error <= SINGLE_TOLERANCE.get(values[name].dtype.name, 1e-3):
                return Gradient("differs", f"by '{name}': the default backend differs by {error:.2g} of {size:.3g}")
        return Gradient("agrees")
