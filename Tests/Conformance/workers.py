"""Work spread over processes: an item whose process dies or hangs is lost, the others go on."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import time
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple

_context = multiprocessing.get_context("fork")


class Lost(NamedTuple):
    """What became of an item whose process ended, or had to be ended."""

    reason: str


class _Worker:
    """A process that answers one item after the other."""

    def __init__(self, work: Callable[[int], Any]):
        self.pipe, theirs = _context.Pipe()
        self.process = _context.Process(target=_serve, args=(work, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.item = -1
        self.since = 0.0

    def start(self, item: int) -> None:
        """Gives the process something to do."""
        self.item, self.since = item, time.monotonic()
        self.pipe.send(item)

    def answer(self, limit: float) -> Optional[Any]:
        """What the process answered, `Lost` if it never will, None while it works."""
        if self.pipe.poll():
            try:
                return self.pipe.recv()
            except (EOFError, ConnectionError):
                self.process.join()
                return Lost(f"the process ended with code {self.process.exitcode}")
        if time.monotonic() - self.since > limit:
            return Lost(f"took more than {limit:.0f} s")
        return None

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(work: Callable[[int], Any], pipe: Any) -> None:
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            os._exit(0)
        pipe.send(work(item))


def spread(work: Callable[[int], Any], items: List[int], processes: int, limit: float) -> Iterator[Tuple[int, Any]]:
    """Yields each item with work(item), or with `Lost` where that took the process down or more than `limit` seconds."""
    todo = items[::-1]
    workers = [_Worker(work) for _ in range(min(processes, len(items)))]
    for worker in workers:
        worker.start(todo.pop())
    while workers:
        multiprocessing.connection.wait([worker.pipe for worker in workers], timeout=1)
        for place, worker in reversed(list(enumerate(workers))):
            answer = worker.answer(limit)
            if answer is None:
                continue
            yield worker.item, answer
            if isinstance(answer, Lost) or not todo:
                worker.end()
                del workers[place]
            if todo:
                if isinstance(answer, Lost):
                    worker = _Worker(work)
                    workers.append(worker)
                worker.start(todo.pop())
