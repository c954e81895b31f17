"""Images in and out: decoding, preparing network inputs, drawing heat maps.

An image is a path, encoded PNG or JPEG bytes, or a uint8 array of height x width x 3 (RGB).
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, Optional, Union

import numpy as np

from . import _abi
from ._library import address, check, library
from ._options import option_text, options
from ._tensor import Tensor, as_array, unwrap, wrap

#: Options that the library reads as text, whatever is written in Python.
_TEXTS = ("size", "mean", "std", "signed")

ImageLike = Union[str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Any]


class Picture:
    """An image that can be saved and that notebooks show."""

    def __init__(self, array: np.ndarray):
        self.array = array  #: uint8, height x width x 3

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)

    def __repr__(self) -> str:
        height, width = self.array.shape[:2]
        return f"<Picture {width} x {height}>"

    def _repr_png_(self) -> bytes:
        return encode(self.array)

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes a PNG file."""
        content = encode(self.array)
        with open(path, "wb") as file:
            file.write(content)


def read(image: ImageLike, **settings: Any) -> np.ndarray:
    """Decodes a PNG or JPEG file (or its bytes) to uint8, height x width x 3 (RGB); arrays pass through.

    Args:
        image: The image.
        settings: ``max_pixels`` (default 100,000,000) bounds what a file may claim.
    """
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            image = file.read()
    if not isinstance(image, (bytes, bytearray, memoryview)):
        return as_array(image)
    content = np.frombuffer(image, np.uint8)
    return _call("pellucid_image_decode", (content.ctypes.data, content.size), settings)


def fit(image: ImageLike, **settings: Any) -> np.ndarray:
    """What the network sees of an image: resized and cropped, still uint8, height x width x 3.

    Args:
        image: The image.
        settings: ``preset`` ("imagenet", "lite", "inception", "caffe", "unit", "raw"; default "imagenet"), ``size``
            (pixels, or height and width; default 224), ``resize`` (pixels of the shorter side before the centre crop),
            ``filter`` ("bilinear", "bicubic", "lanczos", "nearest", "box").
    """
    source = wrap(read(image))
    return _call("pellucid_image_fit", (source.handle,), settings)


def preprocess(image: ImageLike, **settings: Any) -> np.ndarray:
    """A network input: float32, 1 x 3 x height x width, of (pixel / scale - mean) / std.

    Args:
        image: The image.
        settings: Those of :func:`fit`, and ``scale``, ``mean``, ``std`` (default: those of the preset), ``order``
            ("rgb" or "bgr"), ``layout`` ("nchw" or "nhwc").
    """
    source = wrap(read(image))
    return _call("pellucid_image_preprocess", (source.handle,), settings)


def overlay(image: Optional[ImageLike], heat: Any, **settings: Any) -> Picture:
    """A heat map drawn over an image, at the image's size.

    Args:
        image: The image; None: the colours alone, at the map's size.
        heat: The map: height x width, or with leading axes of 1; three channels are summed as absolute values.
        settings: ``colormap`` ("turbo", "viridis", "inferno", "rdbu", "gray"; default "turbo"), ``alpha`` (0 to 1,
            default 0.5), ``signed`` (default: when the map has negative values), ``percentile`` (default 99.5),
            ``interp`` ("bilinear", "nearest", "bicubic").
    """
    source = None if image is None else wrap(read(image))
    map_tensor = wrap(heat)
    handles = (source.handle if source else None, map_tensor.handle)
    return Picture(_call("pellucid_image_overlay", handles, settings))


def encode(image: ImageLike, format: str = "png") -> bytes:
    """The bytes of an image file."""
    source = wrap(read(image))
    parts = []

    @_abi.WriteFn
    def write(data: int, size: int, _payload: Any) -> int:
        parts.append(ctypes.string_at(data, size))
        return 0

    check(library().pellucid_image_encode(source.handle, format.encode(), write, None))
    return b"".join(parts)


def _as_text(value: Any) -> Optional[str]:
    return None if value is None else option_text(value if isinstance(value, (str, list, tuple)) else [value])


def _call(name: str, arguments: tuple, settings: dict) -> np.ndarray:
    """Calls a function of image.h that makes one tensor."""
    bag = options({key: _as_text(value) if key in _TEXTS else value for key, value in settings.items()})
    handle = ctypes.c_void_p()
    check(getattr(library(), name)(ctypes.byref(handle), *arguments, bag.handle if bag else None))
    return unwrap(Tensor(address(handle)))
