"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import IO, Any, Callable, Iterator


@contextlib.contextmanager
def replaced(path: Any) -> Iterator[IO[bytes]]:
    """A new file beside ``path`` that takes its name when the block ends well, and is removed otherwise."""
    scratch = _scratch(path)
    try:
        with open(scratch, "xb") as file:
            yield file
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)
        raise


@contextlib.contextmanager
def replaced_folder(path: Any, ours: Callable[[str], bool]) -> Iterator[str]:
    """A new folder beside ``path`` that takes its name when the block ends well, and is removed otherwise.

    An existing folder is replaced only when it is empty or ``ours`` says so.
    """
    import shutil

    path = os.path.abspath(os.fspath(path))
    if os.path.lexists(path) and not (os.path.isdir(path) and (not os.listdir(path) or ours(path))):
        raise FileExistsError(f"{path} exists and does not hold a saved explanation")
    scratch, former = _scratch(path), _scratch(path)
    try:
        os.mkdir(scratch)
        yield scratch
        if os.path.isdir(path):
            os.rename(path, former)
        try:
            os.rename(scratch, path)
        except OSError:
            if os.path.isdir(former):
                os.rename(former, path)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def _scratch(path: Any) -> str:
    """A name that nobody else uses, in the folder of ``path``."""
    return os.path.join(os.path.dirname(os.fspath(path)), f".pellucid-{os.urandom(8).hex()}")
