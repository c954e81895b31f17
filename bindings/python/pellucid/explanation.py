"""What a method found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

from . import image as _image
from ._feeds import Feeds, Photos, Preprocess, only, settings_of
from ._results import Result
from .errors import InvalidError, UnsupportedError
from .evaluation import Evaluation
from .image import ImageLike, Picture

if TYPE_CHECKING:
    from .model import Model

#: Pictures of a batch that a notebook shows.
SHOWN = 8


class Source(NamedTuple):
    """What an explanation was made from, and the library's form of it."""

    model: Model
    feeds: Feeds
    result: Result


class Explanation:
    """What a method found. Made by :meth:`pellucid.Model.explain`, or read by :meth:`load`.

    Attributes:
        tensors: Read-only arrays by name; ``"map"`` is there for every picture-making method.
        numbers: Floats by name, as ``"score"`` or ``"completeness_gap"``.
        data: The manifest: method, resolved options, layer, target, seed, model hash, versions, backend, forwards,
            backwards, peak bytes, seconds, warnings. ``docs/manifest.md`` lists its members.
        images: What the network saw of each image, uint8, height x width x 3; empty when the input was an array.
        names: Names of the classes, when they are known.
    """

    def __init__(
        self,
        tensors: Mapping[str, np.ndarray],
        numbers: Mapping[str, float],
        data: Mapping[str, Any],
        photos: Optional[Photos] = None,
        names: Sequence[str] = (),
        size: Optional[Sequence[int]] = None,
    ):
        self.tensors: Dict[str, np.ndarray] = dict(tensors)
        self.numbers: Dict[str, float] = dict(numbers)
        self.data: Dict[str, Any] = dict(data)
        self.images: List[np.ndarray] = photos.seen if photos else []
        self.preprocess: Optional[Dict[str, Any]] = photos.settings if photos else None
        self.names: List[str] = list(names)
        self._size = size
        self._source: Optional[Source] = None

    @classmethod
    def _from_result(cls, handle: int, model: Model, feeds: Feeds, names: Sequence[str]) -> Explanation:
        """Takes over a ``pellucid_result``."""
        result = Result(handle)
        made = cls(result.tensors(feeds.tensors), result.numbers(), result.data(), feeds.photos, names, feeds.size)
        made._source = Source(model, feeds, result)
        return made

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Explanation:
        """Reads what :meth:`save` wrote: a folder, or a file named .npz.

        Raises:
            ParseError: It holds no explanation, a damaged one, or one of a newer format.
            OSError: It cannot be read.
        """
        from . import _saving

        saved = _saving.load(path)
        photos = Photos(saved.preprocess, saved.images) if saved.preprocess is not None else None
        return cls(saved.tensors, saved.numbers, saved.data, photos, saved.names)

    def evaluate(self, metric: str, **options: Any) -> Evaluation:
        """Judges the explanation by a metric.

        Args:
            metric: A name of :func:`pellucid.metrics`, as ``"deletion"``.
            options: As in :meth:`pellucid.Model.evaluate`, which judges explanations that were read from a file, too.
        """
        if self._source is None:
            raise InvalidError("the model and the input of this explanation are not known here: use model.evaluate(metric, x, explanation)")
        return self._source.model.evaluate(metric, self._source.feeds, self, **options)

    def __getstate__(self) -> Dict[str, Any]:
        """Without the model, which has no place in a file."""
        return {**self.__dict__, "_source": None}

    @property
    def method(self) -> str:
        """The method's name."""
        return str(self.data.get("method", ""))

    @property
    def map(self) -> np.ndarray:
        """The heat maps of the batch: N x 1 x height x width, or, as the options say, in the input's own layout."""
        if "map" not in self.tensors:
            raise UnsupportedError(f"{self.method or 'this method'} makes no map; see .tensors and .numbers")
        return self.tensors["map"]

    @property
    def maps(self) -> List[np.ndarray]:
        """One map per image, without the batch axis, channels first, and without a channel axis of 1: height x width."""
        return [each[0] if each.ndim == 3 and each.shape[0] == 1 else each for each in map(_channels_first, self.map)]

    @property
    def options(self) -> Dict[str, Any]:
        """The options as resolved, defaults included."""
        return dict(self.data.get("options", {}))

    @property
    def layer(self) -> Optional[str]:
        """The layer that was explained, where the method uses one."""
        return self.data.get("layer")

    @property
    def target(self) -> Dict[str, Any]:
        """What was explained: ``kind``, ``index`` or ``indices``, ``score``, ``output``."""
        return dict(self.data.get("target", {}))

    @property
    def classes(self) -> List[int]:
        """The explained class of each image; empty where the target is not one class."""
        target = self.target
        if target.get("kind") == "each":
            return list(target["indices"])
        if target.get("kind") in ("class", "mask"):
            return [target["index"]] * max(len(self.scores), 1)
        return list(self.data.get("classes", []))

    def _aim(self) -> Any:
        """The explained class of each image as a target; None where it was another kind."""
        return self.classes or None

    @property
    def labels(self) -> List[str]:
        """Name of each image's explained class; its number where the name is not known."""
        return [self.names[index] if 0 <= index < len(self.names) else str(index) for index in self.classes]

    @property
    def label(self) -> Optional[str]:
        """The first image's entry of :attr:`labels`; None where the target is not one class."""
        return next(iter(self.labels), None)

    @property
    def scores(self) -> List[float]:
        """The explained number of each image."""
        return list(self.data.get("scores", []))

    @property
    def score(self) -> float:
        """The explained number of the first image."""
        return self.scores[0] if self.scores else self.numbers.get("score", float("nan"))

    @property
    def seed(self) -> Optional[int]:
        """The seed of the random numbers."""
        return self.data.get("seed")

    @property
    def time(self) -> float:
        """Wall time of the call in seconds."""
        return float(self.data.get("seconds", 0.0))

    @property
    def stopped(self) -> Optional[str]:
        """"deadline" where a method that samples had to end early and gives what it had; else None."""
        return self.data.get("stopped")

    @property
    def warnings(self) -> List[str]:
        """What is odd about the result, in words: a map that is zero everywhere, and the like."""
        return list(self.data.get("warnings", []))

    def overlay(
        self, image: Optional[ImageLike] = None, index: int = 0, *, preprocess: Union[Preprocess, bool] = None, **options: Any
    ) -> Picture:
        """The map drawn over an image.

        Args:
            image: A path, bytes of a file, Pillow image, or uint8 array of height x width x 3. Default: what the network
                saw, where that is known; else the colours alone, at the map's size.
            index: Which image of the batch.
            preprocess: How ``image`` is cut to what the network saw, as in :meth:`pellucid.Model.explain`. Default: as the
                explained image was; where the input was an array, or with False, the map covers the image as it is.
            options: As in :func:`pellucid.image.overlay`: ``colormap``, ``alpha``, ``blend``, ``contours``, ``legend``, …
        """
        heats = self.maps
        if not -len(heats) <= index < len(heats):
            raise IndexError(f"index {index} of {len(heats)} images")
        return _image.overlay(self._background(image, index, preprocess), heats[index], **options)

    def _background(self, image: Optional[ImageLike], index: int, preprocess: Union[Preprocess, bool]) -> Optional[np.ndarray]:
        if image is None:
            return self.images[index] if self.images else None
        if preprocess is False or (preprocess is None and self.preprocess is None):
            return _image.read(image)
        if preprocess is True:
            raise InvalidError("preprocess is a preset, settings, or False")
        settings = dict(self.preprocess or {}) if preprocess is None else settings_of(preprocess)
        if "size" not in settings and self._size is not None:
            settings["size"] = list(self._size)
        return _image.fit(image, **only(settings, _image.FIT_SETTINGS))

    def save(self, path: Union[str, os.PathLike[str]], **options: Any) -> None:
        """Writes the explanation. It appears whole or not at all, and an earlier one of that name is replaced.

        Args:
            path: By its ending: ``.npz`` holds everything; ``.png`` or ``.jpg`` the overlay of the first image; ``.json`` the
                manifest alone; without ending, a folder with the manifest, one .npy per array, and where the images are known, the
                images and overlays as .png.
            options: Of :meth:`overlay`, for the pictures.

        Raises:
            InvalidError: The ending is another one.
            FileExistsError: The folder exists and holds something else.
            OSError: It cannot be written.
        """
        from . import _saving

        ending = os.path.splitext(os.fspath(path))[1].lower()
        if ending in _image.FORMATS:
            self.overlay(**options).save(path)
        elif ending == "":
            _saving.save_folder(path, self, options)
        elif options:
            raise InvalidError(f"{ending} files hold no picture: {', '.join(options)} have no effect")
        elif ending == ".npz":
            _saving.save_npz(path, self)
        elif ending == ".json":
            _saving.save_json(path, self)
        else:
            raise InvalidError(f"{os.fspath(path)!r}: explanations are saved as .npz, .png, .jpg, .json, or a folder without ending")

    def show(self, **options: Any) -> None:
        """Shows the overlay of each image by matplotlib; where that cannot open a window, says how to save them.

        Args:
            options: Of :meth:`overlay`.
        """
        _image.show([(self.overlay(index=index, **options), self._title(index)) for index in range(len(self.maps))])

    def _title(self, index: int) -> str:
        labels = self.labels
        return f"{self.method}: {labels[index]}" if index < len(labels) else self.method

    def _repr_png_(self) -> Optional[bytes]:
        return self.overlay()._repr_png_() if self._is_drawable() else None

    def _repr_html_(self) -> str:
        import base64
        import html

        pictures = []
        for index in range(min(len(self.maps), SHOWN) if self._is_drawable() else 0):
            code = base64.b64encode(self.overlay(index=index)._repr_png_()).decode()
            title = html.escape(self._title(index))
            pictures.append(f'<img src="data:image/png;base64,{code}" alt="{title}" title="{title}">')
        facts = {
            "method": self.method,
            "explained": ", ".join(self.labels[:SHOWN]) or self.target.get("kind"),
            "score": ", ".join(f"{score:.4g}" for score in self.scores[:SHOWN]),
            "layer": self.layer,
            "time": f"{self.time:.3g} s",
            **{name: f"{value:.4g}" for name, value in self.numbers.items() if name != "score"},
            "warnings": "; ".join(self.warnings),
        }
        rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(fact))}</td></tr>" for name, fact in facts.items() if fact)
        return f"<div>{' '.join(pictures)}<table>{''.join(rows)}</table></div>"

    def _is_drawable(self) -> bool:
        """Whether the maps are planes, or three that are drawn as one."""
        heats = self.maps if "map" in self.tensors else []
        return bool(heats) and heats[0].size > 0 and (heats[0].ndim == 2 or (heats[0].ndim == 3 and len(heats[0]) == 3))

    def __repr__(self) -> str:
        parts = [f"{name}: {list(array.shape)}" for name, array in self.tensors.items()]
        parts += [f"{name}={value:.6g}" for name, value in self.numbers.items()]
        parts += [f"label={self.label!r}"] if self.names and self.label else []
        return f"<Explanation {self.method or '?'} {' '.join(parts)}>"



def _channels_first(heat: np.ndarray) -> np.ndarray:
    """The map of an image of height x width x channels turned around; any other as it is."""
    last = heat.ndim == 3 and heat.shape[2] in (1, 3) and heat.shape[0] not in (1, 3)
    return np.moveaxis(heat, 2, 0) if last else heat
