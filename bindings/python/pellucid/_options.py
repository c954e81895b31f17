"""Python values as the library's options."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Mapping, Optional

import numpy as np

from ._library import address, check, library
from ._tensor import wrap
from .errors import InvalidError


class Options:
    """A filled ``pellucid_options``. Values of ``None`` are left out, so that the library's default applies."""

    def __init__(self, values: Mapping[str, Any]):
        handle = ctypes.c_void_p()
        check(library().pellucid_options_create(ctypes.byref(handle)))
        self.handle = address(handle)
        self._release = weakref.finalize(self, library().pellucid_options_release, self.handle)
        self._release.atexit = False
        for name, value in values.items():
            if value is not None:
                self._set(name, value)

    def _set(self, name: str, value: Any) -> None:
        key = encode(name)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, int):
            check(library().pellucid_options_set_int(self.handle, key, integer(value, name)))
        elif isinstance(value, float):
            check(library().pellucid_options_set_real(self.handle, key, value))
        else:
            text = option_text(value)
            if text is not None:
                check(library().pellucid_options_set_text(self.handle, key, encode(text)))
            else:
                tensor = wrap(value)
                check(library().pellucid_options_set_tensor(self.handle, key, tensor.handle))


def options(values: Mapping[str, Any]) -> Optional[Options]:
    """Options for a call, or None when nothing is set."""
    return Options(values) if any(value is not None for value in values.values()) else None


def option_text(value: Any) -> Optional[str]:
    """The text form of text, paths and flat lists; None for what must travel as a tensor."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, (list, tuple, range)):
        items = [_item_text(item) for item in value]
        texts = [item for item in items if item is not None]
        return ",".join(texts) if len(texts) == len(items) else None
    return None


def _item_text(item: Any) -> Optional[str]:
    if isinstance(item, np.generic):
        item = item.item()
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, str)):
        return str(item)
    if isinstance(item, float):
        return repr(item)
    return None


def encode(text: str) -> bytes:
    """Text for the library."""
    if not isinstance(text, str):
        raise TypeError(f"expected text, got {type(text).__name__}")
    if "\0" in text:
        raise InvalidError(f"{text!r} holds a NUL character")
    return text.encode("utf-8", "surrogateescape")


def integer(value: int, name: str) -> int:
    """The value, if 64 bits hold it."""
    if not -(2**63) <= value < 2**63:
        raise InvalidError(f"{name}: {value} does not fit into 64 bits")
    return int(value)
