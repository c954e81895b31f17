"""NumPy arrays in and out of the library without copies; lists, dicts and None as its sequences, maps and optionals."""

from __future__ import annotations

import ctypes
import importlib
import itertools
import weakref
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from . import _abi
from ._library import address, check, library
from .errors import InvalidError, UnsupportedError

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
    _abi.FLOAT6E2M3: "float6_e2m3fn",
    _abi.FLOAT6E3M2: "float6_e3m2fn",
    _abi.SEQUENCE: "sequence",
    _abi.OPTIONAL: "optional",
    _abi.MAP: "map",
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

#: Bits of the types that several elements of share a byte; the ml_dtypes package has them, one element a byte.
_PACKED = {
    _abi.UINT4: 4,
    _abi.INT4: 4,
    _abi.FLOAT4E2M1: 4,
    _abi.UINT2: 2,
    _abi.INT2: 2,
    _abi.FLOAT6E2M3: 6,
    _abi.FLOAT6E3M2: 6,
}
_NUMBERS = {name: number for number, name in DTYPE_NAMES.items()}
_CONTAINERS = (_abi.SEQUENCE, _abi.OPTIONAL, _abi.MAP)

#: What a value of a model is in Python: a container is a list, a dict, or None for an optional without element.
Array = Union[np.ndarray, List[Any], Dict[Any, Any], None]

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
    if number in _NUMPY_TYPES:
        return _NUMPY_TYPES[number]
    if number == _abi.BFLOAT16:
        return np.dtype(np.uint16)
    if number in _WRAPPABLE.values():
        return np.dtype(np.uint8)
    raise UnsupportedError(f"NumPy has no type for a tensor of {DTYPE_NAMES.get(number, number)}")


def _extension_type(number: int) -> Optional[np.dtype]:
    """The ml_dtypes package's type; None without that package, or where it has none."""
    try:
        found: np.dtype = np.dtype(getattr(importlib.import_module("ml_dtypes"), DTYPE_NAMES[number]))
        return found
    except (ImportError, AttributeError):
        return None


# Into the library


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
    library cannot read in place (foreign byte order, steps that are not whole elements, text, several elements in a
    byte) are copied. With ``dtype``, an array of another type of the same kind, as float64 where float32 is expected,
    is converted. Where a ``"sequence"``, ``"optional"`` or ``"map"`` is expected, a list, a value or None, and a dict
    become one; a dict is always a map.
    """
    if dtype == "sequence":
        if not isinstance(value, (list, tuple)):
            raise InvalidError(f"a sequence is expected: give a list of arrays, not {type(value).__name__}")
        return _container(_abi.SEQUENCE, [wrap(item) for item in value])
    if dtype == "optional":
        return _container(_abi.OPTIONAL, [] if value is None else [wrap(value, "sequence" if _is_sequence(value) else None)])
    if isinstance(value, Mapping):
        return _map(value)
    if dtype == "map" or value is None:
        raise InvalidError(f"{dtype or 'an array'} is expected, not {type(value).__name__}")
    try:
        array = as_array(value)
    except (TypeError, RuntimeError):
        if not hasattr(value, "__dlpack__"):
            raise
        from . import _dlpack

        return Tensor(_dlpack.take(value))
    if array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(text, (str, bytes)) for text in array.flat)):
        return _text(array)
    array = _readable(array, dtype)
    number = _NUMBERS.get(array.dtype.name)
    if number in _PACKED:
        return _packed(array, number)
    if array.dtype.name not in _WRAPPABLE:
        raise UnsupportedError(f"arrays of {array.dtype.name} are not supported")
    return _borrowing(array, _WRAPPABLE[array.dtype.name])


def _borrowing(array: np.ndarray, number: int) -> Tensor:
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
    wanted = _NUMPY_TYPES.get(_NUMBERS.get(dtype, 0))
    if wanted is None:
        return array  # strings, and types that only the library has
    if array.dtype.kind not in "biufc":
        return array
    if wanted.kind in "iu" and array.dtype.kind in "biu":
        converted = array.astype(wanted)
        return converted if np.array_equal(converted, array) else array
    return array.astype(wanted) if np.can_cast(array.dtype, wanted, "same_kind") else array


def _is_sequence(value: Any) -> bool:
    """True for a list of arrays; a list of numbers is one array."""
    return isinstance(value, (list, tuple)) and all(hasattr(item, "dtype") or isinstance(item, Mapping) for item in value)


def _container(number: int, items: Sequence[Tensor]) -> Tensor:
    handle = ctypes.c_void_p()
    handles = (ctypes.c_void_p * len(items))(*(item.handle for item in items))
    check(library().pellucid_tensor_create_container(ctypes.byref(handle), number, handles, len(items)))
    return Tensor(address(handle))


def _map(value: Mapping[Any, Any]) -> Tensor:
    keys, values = list(value.keys()), list(value.values())
    integral = all(isinstance(key, (int, np.integer)) for key in keys)
    if not integral and not all(isinstance(key, str) for key in keys):
        raise InvalidError("the keys of a map must be integers, or text")
    names = np.array(keys, np.int64 if integral else object)
    scalar = all(np.ndim(item) == 0 and not isinstance(item, Mapping) for item in values)
    return _container(_abi.MAP, [wrap(names), wrap(np.array(values)) if scalar else wrap(values, "sequence")])


def _text(array: np.ndarray) -> Tensor:
    texts = [text if isinstance(text, bytes) else text.encode() for text in array.flat]
    pointers = (ctypes.c_char_p * len(texts))(*texts)
    lengths = (ctypes.c_size_t * len(texts))(*map(len, texts))
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    handle = ctypes.c_void_p()
    check(library().pellucid_tensor_create_text(ctypes.byref(handle), array.ndim, shape, pointers, lengths))
    return Tensor(address(handle))


def _packed(array: np.ndarray, number: int) -> Tensor:
    """Several elements in each byte, the first in the lowest bits."""
    whole = array.astype(np.int8).view(np.uint8) if number in (_abi.INT4, _abi.INT2) else np.ascontiguousarray(array).view(np.uint8)
    bits = np.unpackbits(whole.reshape(-1, 1), axis=1, bitorder="little")[:, : _PACKED[number]]
    data = np.packbits(bits.ravel(), bitorder="little")
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    handle = ctypes.c_void_p()
    check(library().pellucid_tensor_create(ctypes.byref(handle), number, array.ndim, shape, data.ctypes.data))
    return Tensor(address(handle))


# Out of the library


def unwrap(tensor: Tensor, inputs: Iterable[Tensor] = ()) -> Any:
    """A read-only array over the memory of a tensor, which lives as long as the array.

    A sequence becomes a list, a map a dict, an optional its element or None; text becomes an array of ``str`` objects.
    Types that NumPy lacks become those of the ml_dtypes package; without it bfloat16 is widened to float32, and small
    integers to eight bits. An output that shares memory with one of the ``inputs`` is copied, so that it stays as it is
    when the caller changes the input afterwards.
    """
    view = tensor.view()
    shape = tuple(view.shape[: view.rank]) if view.rank else ()
    if view.dtype in _CONTAINERS:
        return _contents(tensor, view.dtype, inputs)
    if view.dtype == _abi.STRING:
        array = _texts(tensor, shape)
    elif view.dtype in _PACKED:
        array = _unpacked(view, shape)
    else:
        array = np.empty(shape, _interface_type(view.dtype)) if 0 in shape else np.asarray(tensor)
        if view.dtype not in _NUMPY_TYPES:
            array = _extended(array, view.dtype)
        if any(_overlap(array, each.source) for each in inputs):
            array = array.copy()
    array.flags.writeable = False
    return array


def _extended(bits: np.ndarray, number: int) -> np.ndarray:
    kind = _extension_type(number)
    if kind is not None:
        return bits.view(kind)
    if number == _abi.BFLOAT16:
        return (bits.astype(np.uint32) << 16).view(np.float32)
    raise UnsupportedError(f"NumPy has no type for a tensor of {DTYPE_NAMES[number]}; install ml_dtypes")


def _contents(tensor: Tensor, number: int, inputs: Iterable[Tensor]) -> Array:
    inputs = list(inputs)
    items = [unwrap(item, inputs) for item in _items(tensor)]
    if number == _abi.SEQUENCE:
        return items
    if number == _abi.OPTIONAL:
        return items[0] if items else None
    keys, values = items
    return dict(zip(keys.tolist(), values if isinstance(values, list) else values.tolist()))


def _items(tensor: Tensor) -> List[Tensor]:
    items = []
    for index in range(check(library().pellucid_tensor_item_count(tensor.handle))):
        handle = ctypes.c_void_p()
        check(library().pellucid_tensor_item_at(tensor.handle, index, ctypes.byref(handle)))
        items.append(Tensor(address(handle)))
    return items


def _texts(tensor: Tensor, shape: Tuple[int, ...]) -> np.ndarray:
    array = np.empty(shape, object)
    flat = array.reshape(-1)
    text, length = ctypes.c_char_p(), ctypes.c_size_t()
    for index in range(flat.size):
        check(library().pellucid_tensor_text_at(tensor.handle, index, ctypes.byref(text), ctypes.byref(length)))
        flat[index] = ctypes.string_at(text, length.value).decode("utf-8", "replace")
    return array


def _unpacked(view: _abi.View, shape: Tuple[int, ...]) -> np.ndarray:
    count, width = int(np.prod(shape, dtype=np.int64)), _PACKED[view.dtype]
    data = np.frombuffer(ctypes.string_at(view.data or 0, (count * width + 7) // 8), np.uint8)
    bits = np.unpackbits(data, bitorder="little")[: count * width].reshape(count, width)
    whole = np.packbits(bits, axis=1, bitorder="little").reshape(shape)
    kind = _extension_type(view.dtype)
    if view.dtype in (_abi.INT4, _abi.INT2):
        signed = (whole << (8 - width)).view(np.int8) >> (8 - width)
        return signed if kind is None else signed.astype(kind)
    if view.dtype in (_abi.UINT4, _abi.UINT2):
        return whole if kind is None else whole.astype(kind)
    return _extended(whole, view.dtype)


def _overlap(array: np.ndarray, source: Optional[np.ndarray]) -> bool:
    return source is not None and np.may_share_memory(array, source)
