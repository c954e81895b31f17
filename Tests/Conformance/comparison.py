"""Whether an answer is the expected one, as ONNX's own runner compares (onnx.backend.test.runner)."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

#: ONNX's runner allows bfloat16 two steps.
BFLOAT16_RTOL = 2.0**-6


def difference(found: Any, expected: Any, rtol: float, atol: float) -> Optional[str]:
    """What is wrong with an answer; None when nothing is."""
    if expected is None or found is None:
        return None if expected is found else f"is {_kind(found)} instead of {_kind(expected)}"
    if isinstance(expected, (list, tuple)):
        return _sequence_difference(found, expected, rtol, atol)
    if isinstance(expected, dict):
        return _map_difference(found, expected, rtol, atol)
    if not isinstance(found, (np.ndarray, np.generic)):
        return f"is {_kind(found)} instead of {_kind(expected)}"
    return _array_difference(np.asarray(found), np.asarray(expected), rtol, atol)


def _kind(value: Any) -> str:
    return "nothing" if value is None else "a tensor" if isinstance(value, (np.ndarray, np.generic)) else f"a {type(value).__name__}"


def _sequence_difference(found: Any, expected: Any, rtol: float, atol: float) -> Optional[str]:
    if not isinstance(found, (list, tuple)):
        return f"is {_kind(found)} instead of a sequence"
    if len(found) != len(expected):
        return f"has {len(found)} elements instead of {len(expected)}"
    for index, (one, other) in enumerate(zip(found, expected)):
        text = difference(one, other, rtol, atol)
        if text:
            return f"[{index}] {text}"
    return None


def _map_difference(found: Any, expected: Any, rtol: float, atol: float) -> Optional[str]:
    if not isinstance(found, dict):
        return f"is {_kind(found)} instead of a map"
    if set(found) != set(expected):
        return f"has keys {sorted(found)} instead of {sorted(expected)}"
    texts = ((key, difference(np.asarray(found[key]), np.asarray(expected[key]), rtol, atol)) for key in expected)
    return next((f"[{key!r}] {text}" for key, text in texts if text), None)


def _array_difference(found: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> Optional[str]:
    if found.shape != expected.shape:
        return f"has shape {list(found.shape)} instead of {list(expected.shape)}"
    is_text = expected.dtype.kind in "OUST"
    if is_text != (found.dtype.kind in "OUST") or (not is_text and found.dtype != expected.dtype):
        return f"is of {found.dtype} instead of {expected.dtype}"
    if is_text:
        return _first(_texts(found), _texts(expected), _texts(found) != _texts(expected))
    if expected.dtype.kind in "biu" or expected.dtype.name.startswith(("int", "uint")):
        return _first(found, expected, found.astype(np.int64) != expected.astype(np.int64))
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RTOL)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        close = np.isclose(found.astype(wide), expected.astype(wide), rtol=rtol, atol=atol, equal_nan=True)
    return _first(found, expected, ~close)


def _texts(array: np.ndarray) -> np.ndarray:
    decoded = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
    return np.array(decoded, dtype=object).reshape(array.shape)


def _first(found: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> Optional[str]:
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    index = tuple(int(axis) for axis in np.argwhere(wrong)[0]) if wrong.ndim else ()
    return f"{list(index)} is {found[index]!r} instead of {expected[index]!r}; {count} of {expected.size} differ"
