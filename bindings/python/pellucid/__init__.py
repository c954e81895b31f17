"""Pellucid explains deployed neural networks: ONNX files, in the process that runs them.

>>> import pellucid
>>> model = pellucid.load("resnet50.onnx")
>>> x = pellucid.image.preprocess("photo.jpg", preset="imagenet")
>>> explanation = model.explain("grad-cam", x, target=243)
>>> explanation.overlay(pellucid.image.fit("photo.jpg")).save("why.png")
"""

from . import image
from ._control import Cancel
from ._library import library as _library
from .errors import (
    BackendError,
    CallbackError,
    CancelledError,
    FileError,
    InvalidError,
    NotFoundError,
    OutOfMemoryError,
    ParseError,
    PellucidError,
    ShapeError,
    UnsupportedError,
)
from .explain import Explanation, Method, Parameter, methods
from .image import Picture
from .model import Metadata, Model, Value, load
from .runtime import Backend, Runtime, backends
from .target import Target

__version__ = "0.1.0"


def version() -> str:
    """Version of the library, "major.minor.patch"."""
    return _library().pellucid_version().decode()


__all__ = [
    "Backend",
    "BackendError",
    "CallbackError",
    "Cancel",
    "CancelledError",
    "Explanation",
    "FileError",
    "InvalidError",
    "Metadata",
    "Method",
    "Model",
    "NotFoundError",
    "OutOfMemoryError",
    "Parameter",
    "ParseError",
    "PellucidError",
    "Picture",
    "Runtime",
    "ShapeError",
    "Target",
    "UnsupportedError",
    "Value",
    "backends",
    "image",
    "load",
    "methods",
    "version",
]
