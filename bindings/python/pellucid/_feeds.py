"""What a caller gives as input, as the library's feeds: arrays as they are, images prepared as the model expects them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import _abi, image
from ._options import encode
from ._tensor import Tensor, as_array, wrap
from .errors import InvalidError

if TYPE_CHECKING:
    from .structure import Value

#: Types of inputs that may hold text, which is then no path.
TEXTUAL = ("string", "sequence", "optional", "map")

#: A preset by name, or settings by name; None: inputs are arrays.
Preprocess = Union[str, Mapping[str, Any], None]


class Photos(NamedTuple):
    """The images that an input was made from."""

    settings: Dict[str, Any]  #: of :func:`pellucid.image.preprocess`, the size included
    seen: List[np.ndarray]  #: what the network saw of each: uint8, height x width x 3


class Feeds:
    """The feeds of a call and the tensors behind them."""

    def __init__(self, inputs: Sequence[Value], x: Any, preprocess: Preprocess = None):
        by_name = {value.name: value for value in inputs}
        if not isinstance(x, Mapping):
            if len(inputs) != 1:
                raise InvalidError(f"the model has {len(inputs)} inputs ({', '.join(by_name)}): give a dict name → array")
            x = {inputs[0].name: x}
        self.photos: Optional[Photos] = None
        self.size: Optional[Tuple[int, int]] = None  # height and width of the first input of images
        self.tensors: List[Tensor] = []
        self.table = (_abi.Feed * len(x))()
        if preprocess is not None and len(x) > 1 and not any(images_in(each, True) for each in x.values()):
            raise InvalidError("preprocess is for images, and none of the inputs is one")
        for entry, (name, each) in zip(self.table, x.items()):
            value = by_name.get(name)
            # Beside an image input, others stay arrays.
            applies = preprocess is not None and (len(x) == 1 or images_in(each, True) is not None)
            array, photos = prepare(each, value, preprocess if applies else None)
            self.photos = self.photos or photos
            tensor = wrap(array, value.dtype if value else None)
            self.tensors.append(tensor)
            self.size = self.size or _size(tensor)
            entry.name = encode(name)
            entry.tensor = tensor.handle


def prepare(x: Any, value: Optional[Value], preprocess: Preprocess) -> Tuple[Any, Optional[Photos]]:
    """The array for an input, and the images that it was made from."""
    if preprocess is None:
        takes_text = value is not None and value.dtype in TEXTUAL
        if not takes_text and (images_in(x, False) or _looks_like_pixels(x, value)):
            raise InvalidError(_advice(value))
        return x, None
    images = images_in(x, True)
    if images is None:
        raise InvalidError(
            "preprocess is for images: a path, the bytes of a file, a Pillow image, a uint8 array of height x width x 3, "
            f"or a list of these; found {_described(x)}"
        )
    settings = completed(settings_of(preprocess), value)
    photos = Photos(settings, [image.fit(each, **only(settings, image.FIT_SETTINGS)) for each in images])
    numbers = only(settings, ("preset", *image.NORMALIZE_SETTINGS))
    height, width = photos.seen[0].shape[:2]
    arrays = [image.preprocess(seen, size=(height, width), resize=0, **numbers) for seen in photos.seen]
    batch = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if value is not None:
        if value.shape is not None and len(value.shape) == 3 and len(batch) == 1:
            batch = batch[0]
        if value.dtype == "uint8" and np.array_equal(batch, batch.astype(np.uint8)):
            batch = batch.astype(np.uint8)
    return batch, photos


def images_in(x: Any, arrays: bool) -> Optional[List[Any]]:
    """The images that x is, lists or stacks; None when it is something else. ``arrays``: whether uint8 arrays count."""
    if _is_image(x, arrays):
        return [x]
    if isinstance(x, (list, tuple)):
        return list(x) if x and all(_is_image(each, arrays) for each in x) else None
    if arrays and (pixels := _pixels(x)) is not None and pixels.ndim == 4 and pixels.shape[3] in (1, 3):
        return list(pixels)
    return None


def _is_image(x: Any, arrays: bool) -> bool:
    if isinstance(x, (str, os.PathLike, bytes, bytearray)) or image.is_pillow(x):
        return True
    if not arrays:
        return False
    pixels = None if isinstance(x, memoryview) else _pixels(x)
    return isinstance(x, memoryview) or (
        pixels is not None and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3)))
    )


def _pixels(x: Any) -> Optional[np.ndarray]:
    """The array, if it is one of bytes."""
    if not isinstance(x, np.ndarray) and not hasattr(x, "__dlpack__"):
        return None
    array = as_array(x)
    return array if array.dtype == np.uint8 and array.size else None


def settings_of(preprocess: Union[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """A preset's name or a mapping as settings of :func:`pellucid.image.preprocess`."""
    if isinstance(preprocess, str):
        settings: Dict[str, Any] = {"preset": preprocess}
    elif isinstance(preprocess, Mapping):
        settings = {name: setting for name, setting in preprocess.items() if setting is not None}
    else:
        raise TypeError(f"preprocess must be {_presets()} or a mapping of settings, not {type(preprocess).__name__}")
    image.check_settings(settings, image.FIT_SETTINGS + image.NORMALIZE_SETTINGS)
    return settings


def completed(settings: Dict[str, Any], value: Optional[Value]) -> Dict[str, Any]:
    """The settings with the layout and size of the model's input where they say nothing themselves."""
    shape = value.shape[-3:] if value is not None and value.shape is not None and len(value.shape) in (3, 4) else None
    if shape is not None:
        last = shape[2] in (1, 3) and shape[0] not in (1, 3)
        channels = shape[2] if last else shape[0]
        if "layout" not in settings and isinstance(channels, int):
            if channels not in (1, 3):
                raise InvalidError(
                    f"input '{value.name if value else ''}' has {channels} channels, and images are prepared with 3 or 1: give an array"
                )
            settings.setdefault("channels", channels)
        layout = settings.setdefault("layout", "nhwc" if last else "nchw")
        size = shape[:2] if layout == "nhwc" else shape[1:]
        if "size" not in settings and all(isinstance(side, int) for side in size):
            settings["size"] = list(size)
    return settings


def only(settings: Mapping[str, Any], names: Sequence[str]) -> Dict[str, Any]:
    """The settings of these names."""
    return {name: setting for name, setting in settings.items() if name in names}


def _size(tensor: Tensor) -> Optional[Tuple[int, int]]:
    """Height and width of a batch of images, whose channels are its shortest axis."""
    shape = tensor.source.shape if tensor.source is not None else ()
    if len(shape) != 4:
        return None
    return shape[1:3] if shape[3] < shape[1] else shape[2:]


def _looks_like_pixels(x: Any, value: Optional[Value]) -> bool:
    """Whether x is an image, which an input of batches cannot be."""
    pixels = _pixels(x)
    if pixels is None or value is None or value.shape is None:
        return False
    return pixels.ndim == 3 and pixels.shape[2] == 3 and len(value.shape) == 4


def _advice(value: Optional[Value]) -> str:
    name = f"input '{value.name}'" if value is not None else "the input"
    return (
        f"{name} got an image: say how the model wants it prepared, preprocess={_presets()}, "
        f"or a mapping with {', '.join(image.FIT_SETTINGS + image.NORMALIZE_SETTINGS)}"
    )


def _presets() -> str:
    *others, final = map(repr, image.PRESETS)
    return f"{', '.join(others)} or {final}"


def _described(x: Any) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"an array of {x.dtype} {list(x.shape)}"
    return type(x).__name__
