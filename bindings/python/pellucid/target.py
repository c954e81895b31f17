"""The number that is explained or differentiated."""

from __future__ import annotations

import ctypes
import operator
from dataclasses import dataclass, replace
from typing import Any, Optional, Sequence, Tuple, Union

import numpy as np

from . import _abi
from ._options import encode, integer
from ._tensor import Tensor, as_array, wrap

SCORES = {
    "auto": _abi.SCORE_AUTO,
    "logit": _abi.SCORE_LOGIT,
    "probability": _abi.SCORE_PROBABILITY,
    "output": _abi.SCORE_OUTPUT,
}


@dataclass(frozen=True, eq=False)
class Target:
    """A scalar of the model's output, one per image.

    ``score`` says what of the output is meant: ``"logit"`` looks behind a final Softmax, LogSoftmax or Sigmoid,
    ``"probability"`` adds a Softmax where there is none, ``"output"`` takes the output as it is, and ``"auto"`` (the
    default) is what the method's paper has: the probability where inputs are masked, the logit elsewhere. ``output``
    names an output or any other value; by default the first output is meant.

    Wherever a target is expected, an integer stands for ``Target.single``, several integers for ``Target.each``, and
    ``None`` for ``Target.best``.
    """

    kind: int = _abi.TARGET_ARGMAX
    index: int = 0
    indices: Tuple[int, ...] = ()
    tensor: Any = None
    score: str = "auto"
    output: Optional[str] = None

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(map(repr, SCORES))}, not {self.score!r}")

    @classmethod
    def best(cls, *, score: str = "auto", output: Optional[str] = None) -> Target:
        """Each image's own best class."""
        return cls(_abi.TARGET_ARGMAX, score=score, output=output)

    @classmethod
    def single(cls, index: int, *, score: str = "auto", output: Optional[str] = None) -> Target:
        """One class for every image."""
        return cls(_abi.TARGET_CLASS, index=_index(index), score=score, output=output)

    @classmethod
    def each(cls, indices: Sequence[int], *, score: str = "auto", output: Optional[str] = None) -> Target:
        """One class per image, in the order of the batch."""
        return cls(_abi.TARGET_EACH, indices=tuple(map(_index, indices)), score=score, output=output)

    @classmethod
    def sum(cls, indices: Sequence[int], *, score: str = "auto", output: Optional[str] = None) -> Target:
        """The sum of several classes."""
        return cls(_abi.TARGET_SUM, indices=tuple(map(_index, indices)), score=score, output=output)

    @classmethod
    def mask(cls, mask: Any, index: int, *, score: str = "auto", output: Optional[str] = None) -> Target:
        """One class summed over a mask, which is shaped as the output's axes after the class axis."""
        return cls(_abi.TARGET_MASK, index=_index(index), tensor=mask, score=score, output=output)

    @classmethod
    def weights(cls, weights: Any, *, score: str = "auto", output: Optional[str] = None) -> Target:
        """The sum of weights times output; the weights are shaped as the output, or as one image of it."""
        return cls(_abi.TARGET_WEIGHTS, tensor=weights, score=score, output=output)


class NativeTarget:
    """A ``pellucid_target`` and the memory it points to."""

    def __init__(self, target: Target):
        count = len(target.indices)
        self._indices = (ctypes.c_int64 * count)(*target.indices)
        self._weights: Optional[Tensor] = None if target.tensor is None else _weights(target.tensor)
        self.struct = _abi.Target(
            struct_size=ctypes.sizeof(_abi.Target),
            kind=target.kind,
            score=SCORES[target.score],
            output=None if target.output is None else encode(target.output),
            index=target.index,
            indices=self._indices,
            index_count=count,
            weights=self._weights.handle if self._weights else None,
        )


def as_target(value: Union[Target, int, Sequence[int], None], score: Optional[str], output: Optional[str]) -> Target:
    """The target that a caller meant; ``score`` and ``output`` override the target's own."""
    if isinstance(value, Target):
        target = value
    elif value is None:
        target = Target.best()
    elif np.ndim(value) == 0:
        target = Target.single(value)  # type: ignore[arg-type]
    elif np.ndim(value) == 1:
        target = Target.each(value)  # type: ignore[arg-type]
    else:
        raise TypeError("target must be a Target, a class index, one class index per image, or None")
    if score is not None:
        target = replace(target, score=score)
    return target if output is None else replace(target, output=output)


def _index(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError("a class index must be an integer, not a boolean")
    return integer(operator.index(value), "class index")


def _weights(value: Any) -> Tensor:
    array = as_array(value)
    return wrap(array, "float32" if array.dtype.kind in "biu" else None)
