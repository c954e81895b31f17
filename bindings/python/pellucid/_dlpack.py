"""DLPack objects that NumPy cannot take, as arrays of bfloat16 from PyTorch: the library takes them itself, without a copy."""

from __future__ import annotations

import ctypes
from typing import Any

from ._library import check, library

_get = ctypes.pythonapi.PyCapsule_GetPointer
_get.restype, _get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.restype, _rename.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]

#: Name of a capsule, its name once taken (a capsule keeps a pointer to it, so it lives as long as the module), and who takes it.
_KINDS = (
    (b"dltensor_versioned", ctypes.c_char_p(b"used_dltensor_versioned"), "pellucid_tensor_from_dlpack"),
    (b"dltensor", ctypes.c_char_p(b"used_dltensor"), "pellucid_tensor_from_dlpack_legacy"),
)


def take(value: Any) -> int:
    """The handle of a tensor over the memory of an object that has ``__dlpack__``."""
    try:
        capsule = value.__dlpack__(max_version=(1, 0))
    except TypeError:
        capsule = value.__dlpack__()
    for name, used, function in _KINDS:
        if _is_valid(capsule, name):
            handle = ctypes.c_void_p()
            check(getattr(library(), function)(ctypes.byref(handle), _get(capsule, name)))
            _rename(capsule, used)
            assert handle.value is not None
            return handle.value
    raise TypeError(f"the __dlpack__ of {type(value).__name__} gave no DLPack capsule")
