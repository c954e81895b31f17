"""Progress on standard error."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Optional, Protocol


class Bar(Protocol):
    """A progress callback that is closed in the end."""

    def __call__(self, fraction: float, stage: str) -> None: ...

    def close(self) -> None:
        """Ends the line."""


def bar() -> Optional[Bar]:
    """tqdm's bar when it is installed, else a line on a terminal; None where standard error is neither."""
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return _Line() if sys.stderr is not None and sys.stderr.isatty() else None
    return _Tqdm(tqdm)


class _Tqdm:
    """tqdm's bar in percent."""

    def __init__(self, tqdm: Any):
        self._bar = tqdm(total=100, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}")

    def __call__(self, fraction: float, stage: str) -> None:
        more = int(100 * fraction) - self._bar.n
        if more > 0:
            self._bar.set_description(stage, refresh=False)
            self._bar.update(more)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()


class _Line:
    """A line that is rewritten."""

    WIDTH = 30

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = -1

    def __call__(self, fraction: float, stage: str) -> None:
        percent = int(100 * fraction)
        if percent <= self._shown:
            return
        self._shown = percent
        done = int(self.WIDTH * fraction)
        left = (time.monotonic() - self._start) * (1 - fraction) / fraction if fraction > 0 else 0.0
        line = f"{stage}: {percent:3d}% [{'#' * done:{self.WIDTH}}] {left:.0f} s left"
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self._shown >= 0:
            print(file=sys.stderr, flush=True)
