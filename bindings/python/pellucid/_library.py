"""Finds and opens ``libpellucid.so``."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Optional

from . import _abi
from .errors import error_for

#: Name of the shared object that this package was written for.
SONAME = "libpellucid.so.0"

_lock = threading.Lock()
_library: Optional[ctypes.CDLL] = None


def locate() -> str:
    """Where the library is: beside this package, else in ``PELLUCID_LIBRARY``, else left to the system's loader."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), SONAME)
    if os.path.exists(beside):
        return beside
    return os.environ.get("PELLUCID_LIBRARY") or SONAME


def library() -> ctypes.CDLL:
    """The opened library with every function typed. Opened on the first call, once per process."""
    global _library
    if _library is None:
        with _lock:
            if _library is None:
                _library = _open(locate())
    return _library


def _open(path: str) -> ctypes.CDLL:
    try:
        opened = ctypes.CDLL(path)
    except OSError as problem:
        raise ImportError(
            f"cannot open the Pellucid library {path!r} ({problem}); install a wheel that contains it, "
            "or set PELLUCID_LIBRARY to the path of libpellucid.so"
        ) from None
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        try:
            function = getattr(opened, name)
        except AttributeError:
            raise ImportError(f"the library {path!r} has no {name}: it is older than this package") from None
        function.restype = result
        function.argtypes = arguments
    return opened


def address(handle: ctypes.c_void_p) -> int:
    """The handle that a successful call has filled in."""
    assert handle.value is not None
    return handle.value


def check(status: int) -> int:
    """Returns a status or count that is not negative; raises the matching exception otherwise."""
    if status < 0:
        message = library().pellucid_error_message()
        raise error_for(status, message.decode("utf-8", "replace"))
    return status
