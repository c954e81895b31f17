"""One exception for each way in which the library can fail."""

from __future__ import annotations

import errno

from . import _abi


class PellucidError(Exception):
    """A call into the library failed.

    ``str(error)`` is the library's message; ``error.status`` its code, as ``pellucid_status`` in the C headers.
    """

    status: int = _abi.E_FAILED

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InvalidError(PellucidError, ValueError):
    """An argument or option is not acceptable."""

    status = _abi.E_INVALID


class NotFoundError(PellucidError, KeyError):
    """There is no value, method, option or file of that name."""

    status = _abi.E_NOTFOUND


class UnsupportedError(PellucidError, NotImplementedError):
    """Valid, but this library or model cannot do it."""

    status = _abi.E_UNSUPPORTED


class ParseError(PellucidError, ValueError):
    """A file is damaged or not of the expected format."""

    status = _abi.E_PARSE


class ShapeError(PellucidError, ValueError):
    """Tensor shapes or element types do not fit together."""

    status = _abi.E_SHAPE


class OutOfMemoryError(PellucidError, MemoryError):
    """Out of memory, or over the memory limit that was set."""

    status = _abi.E_MEMORY


class BackendError(PellucidError):
    """A backend plugin failed or was refused."""

    status = _abi.E_BACKEND


class CancelledError(PellucidError):
    """The progress callback, the cancel flag or the deadline ended the call."""

    status = _abi.E_CANCELLED


class FileError(PellucidError, OSError):
    """A file could not be read or written."""

    status = _abi.E_IO


class MissingFileError(NotFoundError, FileError, FileNotFoundError):
    """There is no such model file."""

    status = _abi.E_NOTFOUND

    def __init__(self, message: str = "", path: str = ""):
        super().__init__(message)
        self.errno, self.filename = errno.ENOENT, path


class CallbackError(PellucidError):
    """A callback reported failure without raising an exception."""

    status = _abi.E_CALLBACK


_BY_STATUS = {
    kind.status: kind
    for kind in (
        InvalidError,
        NotFoundError,
        UnsupportedError,
        ParseError,
        ShapeError,
        OutOfMemoryError,
        BackendError,
        CancelledError,
        FileError,
        CallbackError,
    )
}


def error_for(status: int, message: str) -> PellucidError:
    """The exception for a status code."""
    error = _BY_STATUS.get(status, PellucidError)(message or f"status {status}")
    error.status = status
    return error
