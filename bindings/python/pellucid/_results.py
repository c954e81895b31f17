"""What a ``pellucid_result`` holds, as Python values."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Dict, List, Sequence

import numpy as np

from ._library import address, check, library
from ._options import encode
from ._tensor import Tensor, unwrap
from .runtime import text


class Result:
    """Owns a ``pellucid_result``."""

    def __init__(self, handle: int):
        self.handle = handle
        self._release = weakref.finalize(self, library().pellucid_result_release, handle)
        self._release.atexit = False

    def tensors(self, inputs: Sequence[Tensor]) -> Dict[str, np.ndarray]:
        """Arrays by name; ``inputs``: tensors whose arrays may come back."""
        return {name: self._tensor(name, inputs) for name in self._listed("tensor")}

    def numbers(self) -> Dict[str, float]:
        """Numbers by name."""
        return {name: self._number(name) for name in self._listed("number")}

    def data(self) -> Dict[str, Any]:
        """The manifest."""
        import json  # Of no use until something was explained.

        found: Dict[str, Any] = json.loads(text(library().pellucid_result_json(self.handle)) or "{}")
        return found

    def _listed(self, kind: str) -> List[str]:
        """Names of the tensors or numbers."""
        name_at = getattr(library(), f"pellucid_result_{kind}_name")
        names: List[str] = []
        while (name := name_at(self.handle, len(names))) is not None:
            names.append(text(name))
        return names

    def _tensor(self, name: str, inputs: Sequence[Tensor]) -> np.ndarray:
        tensor = ctypes.c_void_p()
        check(library().pellucid_result_tensor(self.handle, encode(name), ctypes.byref(tensor)))
        array: np.ndarray = unwrap(Tensor(address(tensor)), inputs)
        return array

    def _number(self, name: str) -> float:
        number = ctypes.c_double()
        check(library().pellucid_result_number(self.handle, encode(name), ctypes.byref(number)))
        return number.value
