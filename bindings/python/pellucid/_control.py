"""What accompanies a long call: progress, cancelling, a deadline, hooks, and Ctrl-C."""

from __future__ import annotations

import contextvars
import ctypes
import signal
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._library import check
from ._options import encode
from ._progress import bar
from ._tensor import DTYPE_NAMES, Tensor, unwrap, wrap

#: Called with the fraction done (0 to 1) and the name of the stage; a true result cancels the call.
ProgressCallback = Callable[[float, str], Any]
#: Called with a value's name and array; returns None, or an array that replaces the value.
HookCallback = Callable[[str, np.ndarray], Any]

PHASES = {"forward": _abi.FORWARD, "backward": _abi.BACKWARD}


class Cancel:
    """A flag that ends the calls it was given to. May be set from any thread.

    >>> stop = pellucid.Cancel()
    >>> threading.Timer(5.0, stop.set).start()
    >>> model.explain("smoothgrad", x, cancel=stop)
    """

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)

    def set(self) -> None:
        """Cancels the calls under way and those to come."""
        self._flag.value = 1

    def clear(self) -> None:
        """Lets later calls run again."""
        self._flag.value = 0

    def is_set(self) -> bool:
        """Whether :meth:`set` was called."""
        return self._flag.value != 0


class HookEntry(NamedTuple):
    """A hook that is active in the current thread or task."""

    owner: object
    value: str
    phase: int
    fn: HookCallback


_active: contextvars.ContextVar[Tuple[HookEntry, ...]] = contextvars.ContextVar("pellucid_hooks", default=())


@contextmanager
def active_hook(owner: object, value: str, fn: HookCallback, phase: str) -> Iterator[None]:
    """Hooks a value of all calls on ``owner`` made inside the block by this thread or task."""
    if phase not in PHASES:
        raise ValueError(f"phase must be 'forward' or 'backward', not {phase!r}")
    token = _active.set((*_active.get(), HookEntry(owner, value, PHASES[phase], fn)))
    try:
        yield
    finally:
        _active.reset(token)


class Call:
    """One call into the library: its ``pellucid_control`` and what must stay alive while it runs.

    A Python error inside a callback ends the call and is raised by :meth:`finish` as itself. While a call runs in the
    main thread, Ctrl-C ends it at the next progress tick.
    """

    def __init__(
        self,
        owner: object,
        progress: Union[ProgressCallback, bool, None] = None,
        deadline: Optional[float] = None,
        cancel: Optional[Cancel] = None,
    ):
        self._hooks = [entry for entry in _active.get() if entry.owner is owner]
        self._bar = bar() if progress is True else None
        self._progress: Optional[ProgressCallback] = self._bar or (progress if callable(progress) else None)
        self._deadline = float(deadline or 0.0)
        self._cancel = cancel
        self._previous: Any = None
        self._pending: Optional[Tuple[int, Any]] = None
        self._inside = False
        self._error: Optional[BaseException] = None
        self._kept: List[Any] = []

    def __enter__(self) -> Call:
        if threading.current_thread() is threading.main_thread():
            self._defer_interrupt()
        self.control = self._make_control()
        return self

    def __exit__(self, *_: Any) -> None:
        self._restore_interrupt()
        if self._bar:
            self._bar.close()
        self._kept.clear()
        self._error = None
        self._deliver_interrupt()

    @property
    def pointer(self) -> Any:
        """The control argument of the call; None when there is nothing to control."""
        return ctypes.byref(self.control) if self.control else None

    def finish(self, status: int) -> None:
        """Raises what went wrong: a callback's own error, an interrupt, or the library's."""
        if self._error is not None:
            raise self._error
        self._deliver_interrupt()
        check(status)

    def _make_control(self) -> Optional[_abi.Control]:
        ticks = self._progress or self._previous is not None
        if not (ticks or self._hooks or self._deadline or self._cancel):
            return None
        control = _abi.Control(struct_size=ctypes.sizeof(_abi.Control), deadline=self._deadline)
        if ticks:
            control.progress = self._keep(_abi.ProgressFn(self._tick))
        if self._cancel:
            control.cancel = ctypes.pointer(self._cancel._flag)
        if self._hooks:
            table = (_abi.Hook * len(self._hooks))(*map(self._hook, self._hooks))
            control.hooks = self._keep(table)
            control.hook_count = len(table)
        return control

    def _keep(self, thing: Any) -> Any:
        self._kept.append(thing)
        return thing

    def _tick(self, fraction: float, stage: Optional[bytes], _payload: Any) -> int:
        if self._error is not None or self._pending is not None:
            return 1
        if self._progress is None:
            return 0
        cancelled = self._guarded(self._progress, fraction, (stage or b"").decode("utf-8", "replace"))
        return 1 if cancelled or self._error is not None else 0

    def _hook(self, entry: HookEntry) -> _abi.Hook:
        def observe(name: bytes, value: int, replacement: Any, _payload: Any) -> int:
            self._guarded(self._observe, entry.fn, name, value, replacement)
            return 0 if self._error is None else 1

        return _abi.Hook(value=encode(entry.value), phase=entry.phase, fn=self._keep(_abi.HookFn(observe)))

    @staticmethod
    def _observe(fn: HookCallback, name: bytes, value: int, replacement: Any) -> None:
        tensor = Tensor.borrowed(value)
        result = fn(name.decode("utf-8", "replace"), unwrap(tensor))
        if result is not None:
            replacement[0] = wrap(result, DTYPE_NAMES.get(tensor.view().dtype)).detach()

    def _guarded(self, fn: Callable[..., Any], *arguments: Any) -> Any:
        """Calls fn; an error it raises is kept for :meth:`finish`, since C frames lie in between."""
        try:
            self._inside = True
            return fn(*arguments)
        except BaseException as error:
            self._error = error
            return None
        finally:
            self._inside = False

    # Python runs signal handlers at the first instruction of a callback, where no `try` can catch what they raise and
    # ctypes would drop it. So the handler of SIGINT is exchanged for one that only takes note.

    def _defer_interrupt(self) -> None:
        previous = signal.getsignal(signal.SIGINT)
        if callable(previous):
            try:
                signal.signal(signal.SIGINT, self._interrupt)
            except ValueError:
                return  # not the main interpreter
            self._previous = previous

    def _restore_interrupt(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _deliver_interrupt(self) -> None:
        """Runs the deferred handler, which as a rule raises KeyboardInterrupt."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._previous(*pending)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._inside:
            self._previous(number, frame)
        else:
            self._pending = (number, frame)
