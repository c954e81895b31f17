"""Images in and out: decoding, preparing network inputs, drawing heat maps.

An image is a path, the bytes of a PNG, JPEG or WebP file, a Pillow image, or a uint8 array of height x width x 3 (RGB) or
height x width (grey).
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Dict, Mapping, Optional, Tuple, Union

import numpy as np

from . import _abi
from ._files import replaced
from ._library import address, check, library
from ._options import option_text, options
from ._tensor import Tensor, as_array, unwrap, wrap
from .errors import InvalidError

#: Names of the conventions that networks are trained with; the library says what each means.
PRESETS = ("imagenet", "lite", "inception", "clip", "caffe", "unit", "raw")

#: Settings of :func:`fit`, and what :func:`preprocess` takes besides.
FIT_SETTINGS = ("preset", "size", "framing", "resize", "filter", "fill")
NORMALIZE_SETTINGS = ("scale", "mean", "std", "order", "layout", "channels")

#: Formats of pictures by the ending of the file.
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}

#: Options that the library reads as text, whatever is written in Python.
_TEXTS = ("size", "fill", "mean", "std", "signed", "contours", "legend", "caption")

ImageLike = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, np.ndarray, Any]


class Picture:
    """An image that can be saved and shown; notebooks show it by themselves."""

    def __init__(self, array: np.ndarray):
        self.array = array  #: uint8, height x width x 3

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)

    def __repr__(self) -> str:
        height, width = self.array.shape[:2]
        return f"<Picture {width} x {height}>"

    def _repr_png_(self) -> bytes:
        return encode(self.array)

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a file named .png, or .jpg or .jpeg; the old file stays whole until the new one is."""
        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending not in FORMATS:
            raise InvalidError(f"{os.fspath(path)!r}: pictures are saved as {', '.join(FORMATS)}")
        content = encode(self.array, FORMATS[ending])
        with replaced(path) as file:
            file.write(content)

    def show(self, title: str = "") -> None:
        """Shows the picture by matplotlib; where that cannot open a window, says how to save it."""
        show([(self, title)])


def show(pictures: "list[Tuple[Picture, str]]") -> None:
    """Shows titled pictures side by side by matplotlib; where that cannot open a window, says how to save them."""
    try:
        import matplotlib
        from matplotlib import pyplot
    except ImportError:
        print("pellucid: showing needs matplotlib; .save('why.png') writes the picture", file=sys.stderr)
        return
    if matplotlib.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        print("pellucid: matplotlib has no screen here; .save('why.png') writes the picture", file=sys.stderr)
        return
    _figure, places = pyplot.subplots(1, len(pictures), squeeze=False)
    for place, (picture, title) in zip(places[0], pictures):
        place.imshow(picture.array)
        place.set_title(title)
        place.axis("off")
    pyplot.show()


def read(image: ImageLike, *, max_pixels: Optional[int] = None) -> np.ndarray:
    """The pixels of an image: uint8, height x width x 3 (RGB). Arrays pass through.

    Of files, transparency is blended over white and the EXIF orientation applied; a Pillow image is taken as it is,
    also blended over white.

    Args:
        image: The image.
        max_pixels: What a file may claim to hold. Default: 100,000,000.

    Raises:
        ParseError: The bytes are no image, or a damaged one.
        OSError: The file cannot be read.
    """
    if isinstance(image, (str, os.PathLike)):
        with open(image, "rb") as file:
            image = file.read()
    elif is_pillow(image):
        return _from_pillow(image)
    if not isinstance(image, (bytes, bytearray, memoryview)):
        return as_array(image)
    content = np.frombuffer(image, np.uint8)
    return _call("pellucid_image_decode", (content.ctypes.data, content.size), {"max_pixels": max_pixels})


def fit(image: ImageLike, **settings: Any) -> np.ndarray:
    """What the network sees of an image: resized and cropped, still uint8, height x width x 3.

    Args:
        image: The image.
        settings: ``preset`` ("imagenet", "lite", "inception", "clip", "caffe", "unit", "raw"; default "imagenet"), ``size``
            (pixels, or height and width; default 224), ``framing`` ("crop": the centre; "stretch": all of it, out of
            shape; "pad": all of it, with borders; default: as the preset says), ``resize`` (pixels of the shorter side
            before the centre crop; default: as the preset says), ``filter`` ("bilinear", "bicubic", "lanczos", "hamming",
            "box", "nearest"; default: as the preset says), ``fill`` (colour of the borders, one number or three from 0 to
            255; default 0).
    """
    check_settings(settings, FIT_SETTINGS)
    source = wrap(read(image))
    return _call("pellucid_image_fit", (source.handle,), settings)


def preprocess(image: ImageLike, **settings: Any) -> np.ndarray:
    """A network input: float32, 1 x 3 x height x width, of (pixel / scale - mean) / std.

    Args:
        image: The image.
        settings: Those of :func:`fit`, and ``scale`` (a number), ``mean``, ``std`` (one number or three; default: those
            of the preset), ``order`` ("rgb" or "bgr"), ``layout`` ("nchw" or "nhwc"; default "nchw"), ``channels`` (3, or 1:
            brightness; default 3).
    """
    check_settings(settings, FIT_SETTINGS + NORMALIZE_SETTINGS)
    source = wrap(read(image))
    return _call("pellucid_image_preprocess", (source.handle,), settings)


def overlay(image: Optional[ImageLike], heat: Any, **settings: Any) -> Picture:
    """A heat map drawn over an image, at the image's size.

    Args:
        image: The image; None: the colours alone, at the map's size.
        heat: The map: height x width, or with leading axes of 1; three channels are summed as absolute values.
        settings: ``colormap`` ("turbo", "viridis", "inferno", "rdbu", "gray"; default "turbo", and "rdbu" for signed
            maps), ``alpha`` (0 to 1, default 0.5), ``blend`` ("fade", "uniform", "multiply", "spotlight"; default "fade"),
            ``signed`` (default: when the map has negative values), ``percentile`` (of absolute values, drawn as strongest;
            default 99.5), ``limit`` (that value itself, so that pictures share a scale), ``interp`` ("bilinear", "corners",
            "nearest", "bicubic"), ``contours`` (shares of the strongest value at which lines are drawn), ``legend`` (a
            colour bar with this label below the image), ``caption`` (words above it).
    """
    source = None if image is None else wrap(read(image))
    map_tensor = wrap(heat)
    handles = (source.handle if source else None, map_tensor.handle)
    return Picture(_call("pellucid_image_overlay", handles, settings))


def encode(image: ImageLike, format: str = "png") -> bytes:
    """The bytes of an image file of the format "png" or "jpeg"."""
    source = wrap(read(image))
    parts = []

    def write(data: int, size: int, _payload: Any) -> int:
        parts.append(ctypes.string_at(data, size))
        return 0

    check(library().pellucid_image_encode(source.handle, format.encode(), _abi.WriteFn(write), None))
    return b"".join(parts)


def check_settings(settings: Mapping[str, Any], known: Tuple[str, ...]) -> None:
    """Throws at the first unknown name, with the nearest known one."""
    for name in settings:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise InvalidError(f"unknown setting {name!r}; {hint}")


def is_pillow(value: Any) -> bool:
    """Whether a value is a Pillow image, found out without importing Pillow."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__)


def _from_pillow(image: Any) -> np.ndarray:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layers = np.asarray(image.convert("RGBA"), np.uint16)
        color, alpha = layers[..., :3], layers[..., 3:]
        return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _as_text(value: Any) -> Optional[str]:
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    return None if value is None else option_text(value if isinstance(value, (str, list, tuple)) else [value])


def _call(name: str, arguments: Tuple[Any, ...], settings: Dict[str, Any]) -> np.ndarray:
    """Calls a function of image.h that makes one tensor."""
    bag = options({key: _as_text(value) if key in _TEXTS else value for key, value in settings.items()})
    handle = ctypes.c_void_p()
    check(getattr(library(), name)(ctypes.byref(handle), *arguments, bag.handle if bag else None))
    array: np.ndarray = unwrap(Tensor(address(handle)))
    return array
