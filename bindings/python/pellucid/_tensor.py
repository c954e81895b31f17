"""NumPy arrays in and out of the library without copies."""

from __future__ import annotations

import ctypes
import itertools
import weakref
from typing import Any, Dict, Iterable, Optional

import numpy as np

from . import _abi
from ._library import address, check, library
from .errors import UnsupportedError

#: Names of the element types, by number. A name is NumPy's where NumPy has the type.
DTYPE_NAMES = {
    _abi.FLOAT32: "float32",
    _abi.UINT8: "uint8",
    _abi.INT8: "int8",
    _abi.UINT16: "uint16",
    _abi.INT16: "int16",
    _abi.INT32: "int32",
    _abi.INT64: "int64",
    _abi.STRING: "string",
    _abi.BOOL: "bool",
    _abi.FLOAT16: "float16",
    _abi.FLOAT64: "float64",
    _abi.UINT32: "uint32",
    _abi.UINT64: "uint64",
    _abi.COMPLEX64: "complex64",
    _abi.COMPLEX128: "complex128",
    _abi.BFLOAT16: "bfloat16",
    _abi.FLOAT8E4M3FN: "float8_e4m3fn",
    _abi.FLOAT8E4M3FNUZ: "float8_e4m3fnuz",
    _abi.FLOAT8E5M2: "float8_e5m2",
    _abi.FLOAT8E5M2FNUZ: "float8_e5m2fnuz",
    _abi.UINT4: "uint4",
    _abi.INT4: "int4",
    _abi.FLOAT4E2M1: "float4_e2m1fn",
    _abi.FLOAT8E8M0: "float8_e8m0fnu",
    _abi.UINT2: "uint2",
    _abi.INT2: "int2",
}

#: NumPy's own types.
_NUMPY_TYPES = {
    number: np.dtype(DTYPE_NAMES[number])
    for number in (*range(_abi.FLOAT32, _abi.STRING), *range(_abi.BOOL, _abi.BFLOAT16))
}

#: What an array may hold to be wrapped: NumPy's types, and those of the ml_dtypes package that fill whole bytes.
_WRAPPABLE = {
    name: number
    for number, name in DTYPE_NAMES.items()
    if number in _NUMPY_TYPES or _abi.BFLOAT16 <= number <= _abi.FLOAT8E5M2FNUZ or number == _abi.FLOAT8E8M0
}

#: Arrays whose memory the library borrows, by the payload of their release callback.
_borrowed: Dict[int, np.ndarray] = {}
_payloads = itertools.count(1)


def _drop(payload: int) -> None:
    _borrowed.pop(payload, None)


_forget = _abi.ReleaseFn(_drop)


class Tensor:
    """One owner of a ``pellucid_tensor``; released when the object goes."""

    __slots__ = ("handle", "source", "_release", "__weakref__")

    def __init__(self, handle: int, source: Optional[np.ndarray] = None):
        self.handle = handle
        self.source = source  # the array whose memory it borrows
        self._release = weakref.finalize(self, library().pellucid_tensor_release, handle)
        self._release.atexit = False

    @classmethod
    def borrowed(cls, handle: int) -> Tensor:
        """A further owner of a tensor that belongs to someone else."""
        library().pellucid_tensor_retain(handle)
        return cls(handle)

    def detach(self) -> int:
        """The handle, whose ownership passes to the caller."""
        self._release.detach()
        return self.handle

    def view(self) -> _abi.View:
        """Memory, type and shape; valid while this object lives."""
        view = _abi.View()
        check(library().pellucid_tensor_view(self.handle, ctypes.byref(view)))
        return view

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """NumPy's array protocol: the arrays made from it keep this object as their base."""
        view = self.view()
        dtype = _interface_type(view.dtype)
        strides = None
        if view.rank and view.strides:
            strides = tuple(step * dtype.itemsize for step in view.strides[: view.rank])
        return {
            "version": 3,
            "typestr": dtype.str,
            "shape": tuple(view.shape[: view.rank]) if view.rank else (),
            "strides": strides,
            "data": (view.data or 0, True),
        }


def _interface_type(number: int) -> np.dtype:
    if number == _abi.BFLOAT16:
        return np.dtype(np.uint16)
    if number not in _NUMPY_TYPES:
        raise UnsupportedError(f"NumPy has no type for a tensor of {DTYPE_NAMES.get(number, number)}")
    return _NUMPY_TYPES[number]


def as_array(value: Any) -> np.ndarray:
    """Any array-like object as a NumPy array, without a copy where the object allows it."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            pass  # A type or device that NumPy's DLPack refuses may still convert by the array protocols.
    return np.asarray(value)


def wrap(value: Any, dtype: Optional[str] = None) -> Tensor:
    """A tensor over the memory of an array.

    The array is kept alive until the library lets go of the memory, and must not be changed before. Arrays that the
    library cannot read in place (foreign byte order, steps that are not whole elements) are copied. With ``dtype``,
    an array of another type of the same kind, as float64 where float32 is expected, is converted.
    """
    array = _readable(as_array(value), dtype)
    number = _WRAPPABLE.get(array.dtype.name)
    if number is None:
        raise UnsupportedError(f"arrays of {array.dtype.name} are not supported")
    integers = ctypes.c_int64 * array.ndim
    view = _abi.View(
        data=array.ctypes.data,
        dtype=number,
        rank=array.ndim,
        shape=integers(*array.shape),
        strides=integers(*(step // array.itemsize for step in array.strides)),
    )
    payload = next(_payloads)
    _borrowed[payload] = array
    handle = ctypes.c_void_p()
    try:
        check(library().pellucid_tensor_wrap(ctypes.byref(handle), ctypes.byref(view), _forget, payload))
    except BaseException:
        _borrowed.pop(payload, None)
        raise
    return Tensor(address(handle), array)


def _readable(array: np.ndarray, dtype: Optional[str]) -> np.ndarray:
    """The array itself if the library can read it in place, else a copy."""
    if dtype is not None and array.dtype.name != dtype:
        array = _converted(array, dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned or any(step % array.itemsize for step in array.strides):
        array = array.copy()
    return array


def _converted(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in the wanted type, if only precision is lost by it; else as it was, for the library to judge."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        return array  # strings, and types that only the library has
    if array.dtype.kind not in "biufc":
        return array
    if wanted.kind in "iu" and array.dtype.kind in "biu":
        converted = array.astype(wanted)
        return converted if np.array_equal(converted, array) else array
    return array.astype(wanted) if np.can_cast(array.dtype, wanted, "same_kind") else array


def unwrap(tensor: Tensor, inputs: Iterable[Tensor] = ()) -> np.ndarray:
    """A read-only array over the memory of a tensor, which lives as long as the array.

    bfloat16 is widened to float32. An output that shares memory with one of the ``inputs`` is copied, so that it stays
    as it is when the caller changes the input afterwards.
    """
    view = tensor.view()
    shape = tuple(view.shape[: view.rank]) if view.rank else ()
    array = np.empty(shape, _interface_type(view.dtype)) if 0 in shape else np.asarray(tensor)
    if view.dtype == _abi.BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    elif any(_overlap(array, each.source) for each in inputs):
        array = array.copy()
    array.flags.writeable = False
    return array


def _overlap(array: np.ndarray, source: Optional[np.ndarray]) -> bool:
    return source is not None and np.may_share_memory(array, source)
