"""Runtimes: worker threads and backends."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Union

from . import _abi
from ._library import address, check, library
from ._options import options
from .errors import NotFoundError


class Backend(NamedTuple):
    """What computes: a built-in backend or a plugin."""

    name: str  #: as accepted by ``load(backend=…)``
    version: str
    description: str
    path: str  #: of the plugin; empty for built-in backends
    score: int  #: higher is preferred; 0: cannot run on this machine


class Runtime:
    """Worker threads and loaded backends, shared by the models that are loaded into it.

    :func:`pellucid.load` makes and shares runtimes by itself; one's own is needed only to load a backend plugin from
    an explicit path or to forbid the automatic search.

    Args:
        threads: Workers, the calling thread included. Default: the processors available.
        plugins: Whether to look for backend plugins beside the library. Default: True.
        environment: Whether to read the path list in ``PELLUCID_BACKENDS`` as well. Default: True.
    """

    def __init__(
        self, threads: Optional[int] = None, plugins: Optional[bool] = None, environment: Optional[bool] = None
    ):
        settings = options({"threads": threads, "plugins": plugins, "environment": environment})
        handle = ctypes.c_void_p()
        check(library().pellucid_runtime_create(ctypes.byref(handle), settings.handle if settings else None))
        self.handle = address(handle)
        self._release = weakref.finalize(self, library().pellucid_runtime_release, self.handle)
        self._release.atexit = False

    def load_backend(self, path: Union[str, os.PathLike[str]]) -> None:
        """Loads a backend plugin. It is offered to models loaded afterwards."""
        check(library().pellucid_runtime_load_backend(self.handle, os.fsencode(path)))

    @property
    def backends(self) -> List[Backend]:
        """The backends of this runtime, best score first."""
        count = check(library().pellucid_runtime_backend_count(self.handle))
        return [self._backend(index) for index in range(count)]

    def _backend(self, index: int) -> Backend:
        info = _abi.BackendInfo(struct_size=ctypes.sizeof(_abi.BackendInfo))
        check(library().pellucid_runtime_backend_at(self.handle, index, ctypes.byref(info)))
        return Backend(text(info.name), text(info.version), text(info.description), text(info.path), info.score)


_lock = threading.Lock()
_shared: "weakref.WeakValueDictionary[Optional[int], Runtime]" = weakref.WeakValueDictionary()


def shared_runtime(threads: Optional[int]) -> Runtime:
    """The runtime that models with this number of threads share while one of them lives."""
    with _lock:
        runtime = _shared.get(threads)
        if runtime is None:
            runtime = _shared[threads] = Runtime(threads)
        return runtime


def _after_fork() -> None:
    """Worker threads do not survive a fork, so models loaded in the child get a runtime of their own."""
    global _lock, _shared
    _lock, _shared = threading.Lock(), weakref.WeakValueDictionary()


os.register_at_fork(after_in_child=_after_fork)


def backends() -> Dict[str, Backend]:
    """The backends that :func:`pellucid.load` chooses from, by name, best score first."""
    return {backend.name: backend for backend in shared_runtime(None).backends}


def text(value: Optional[bytes]) -> str:
    """Text of the library; empty where it gave none."""
    return (value or b"").decode("utf-8", "replace")


def until_not_found(item: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    """Yields item(*arguments, 0), item(*arguments, 1), … until the library says that there are no more."""
    index = 0
    while True:
        try:
            yield item(*arguments, index)
        except NotFoundError:
            return
        index += 1
