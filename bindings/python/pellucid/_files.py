"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import IO, Any, Callable, Iterator


@contextlib.contextmanager
def replaced(path: Any) -> Iterator[IO[bytes]]:
    """A new file beside ``path`` that takes its name when the block ends well, and is removed otherwise."""
    path = os.fspath(path)
    handle, scratch = tempfile.mkstemp(prefix=".pellucid-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(scratch, 0o666 & ~_umask())
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


@contextlib.contextmanager
def replaced_folder(path: Any, ours: Callable[[str], bool]) -> Iterator[str]:
    """A new folder beside ``path`` that takes its name when the block ends well, and is removed otherwise.

    An existing folder is replaced only when it is empty or ``ours`` says so.
    """
    path = os.path.abspath(os.fspath(path))
    if os.path.lexists(path) and not (os.path.isdir(path) and (not os.listdir(path) or ours(path))):
        raise FileExistsError(f"{path} exists and does not hold a saved explanation")
    scratch = tempfile.mkdtemp(prefix=".pellucid-", dir=os.path.dirname(path))
    content, former = os.path.join(scratch, "new"), os.path.join(scratch, "old")
    try:
        os.mkdir(content)
        yield content
        if os.path.isdir(path):
            os.rename(path, former)
        try:
            os.rename(content, path)
        except OSError:
            if os.path.isdir(former):
                os.rename(former, path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _umask() -> int:
    """The permissions that new files lack. Only setting it reads it, so it is read once, from /proc where that is."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        return 0o077
