"""Pellucid explains deployed neural networks: ONNX files, in the process that runs them.

>>> import pellucid
>>> model = pellucid.load("resnet50.onnx")
>>> explanation = model.explain("grad-cam", "photo.jpg", preprocess="imagenet")
>>> explanation.overlay().save("why.png")
"""

from . import image, labels
from ._control import Cancel
from ._library import library as _opened
from .errors import (
    BackendError,
    CallbackError,
    CancelledError,
    FileError,
    InvalidError,
    MissingFileError,
    NotFoundError,
    OutOfMemoryError,
    ParseError,
    PellucidError,
    ShapeError,
    UnsupportedError,
)
from .evaluation import Evaluation
from .explanation import Explanation
from .image import Picture
from .methods import Method, Methods, Parameter, methods, metrics
from .model import Model, load
from .runtime import Backend, Runtime, backends
from .structure import Cost, Metadata, Module, Value
from .target import Target

__version__ = "0.1.0"


def version() -> str:
    """Version of the library, "major.minor.patch"."""
    return str(_opened().pellucid_version(), "ascii")


__all__ = [
    "Backend",
    "BackendError",
    "CallbackError",
    "Cancel",
    "CancelledError",
    "Cost",
    "Evaluation",
    "Explanation",
    "FileError",
    "InvalidError",
    "Metadata",
    "Method",
    "Methods",
    "MissingFileError",
    "Model",
    "Module",
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
    "labels",
    "load",
    "methods",
    "metrics",
    "version",
]
