"""Explanations on disk: a folder of plain files, or one .npz.

Both hold the same manifest, one JSON object::

    {"format": "pellucid-explanation", "schema": 1,
     "result": {…},               what the library said, see docs/manifest.md
     "numbers": {"score": 9.2},
     "tensors": {"map": {"file": "map.npy", "dtype": "float32", "shape": [1, 1, 7, 7]}},
     "preprocess": {…} or null,   settings of the images
     "images": ["image-0.png"],   what the network saw
     "overlays": ["overlay-0.png"],
     "names": […]}                of the classes

In an .npz "file" names a member; "manifest" is a member of text, and "images" are members of uint8.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

import numpy as np

from . import image
from ._files import replaced, replaced_folder
from .errors import ParseError, PellucidError

if TYPE_CHECKING:
    from .explanation import Explanation

FORMAT = "pellucid-explanation"
SCHEMA = 1
MANIFEST = "manifest.json"


class Saved(NamedTuple):
    """The parts of an explanation as read back."""

    tensors: Dict[str, np.ndarray]
    numbers: Dict[str, float]
    data: Dict[str, Any]
    images: List[np.ndarray]
    preprocess: Optional[Dict[str, Any]]
    names: List[str]


def save_folder(path: Any, explanation: Explanation, options: Mapping[str, Any]) -> None:
    """One .npy per array, one .png per image and overlay, and the manifest."""
    with replaced_folder(path, _is_saved) as folder:
        manifest = manifest_of(explanation, ".npy")
        for name, entry in manifest["tensors"].items():
            np.save(os.path.join(folder, entry["file"]), explanation.tensors[name], allow_pickle=False)
        manifest["images"] = [f"image-{index}.png" for index in range(len(explanation.images))]
        for file, pixels in zip(manifest["images"], explanation.images):
            image.Picture(pixels).save(os.path.join(folder, file))
        if explanation.images and explanation._is_drawable():
            manifest["overlays"] = [f"overlay-{index}.png" for index in range(len(explanation.maps))]
            for index, file in enumerate(manifest["overlays"]):
                explanation.overlay(index=index, **options).save(os.path.join(folder, file))
        with open(os.path.join(folder, MANIFEST), "w", encoding="utf-8") as file:
            file.write(_json(manifest))


def save_npz(path: Any, explanation: Explanation) -> None:
    """One compressed file."""
    manifest = manifest_of(explanation, "")
    members: Dict[str, Any] = {entry["file"]: explanation.tensors[name] for name, entry in manifest["tensors"].items()}
    manifest["images"] = [f"image-{index}" for index in range(len(explanation.images))]
    members.update(zip(manifest["images"], explanation.images))
    with replaced(path) as file:
        np.savez_compressed(file, manifest=np.array(_json(manifest)), **members)


def save_json(path: Any, explanation: Explanation) -> None:
    """The manifest alone."""
    with replaced(path) as file:
        file.write(_json(manifest_of(explanation, None)).encode())


def manifest_of(explanation: Explanation, ending: Optional[str]) -> Dict[str, Any]:
    """The manifest; ``ending`` of the arrays' files, None: they are not written."""
    tensors = {}
    for name, array in explanation.tensors.items():
        tensors[name] = {"dtype": array.dtype.name, "shape": list(array.shape)}
        if ending is not None:
            tensors[name]["file"] = _file_name(name, len(tensors)) + ending
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "result": explanation.data,
        "numbers": explanation.numbers,
        "tensors": tensors,
        "preprocess": explanation.preprocess,
        "images": [],
        "overlays": [],
        "names": explanation.names,
    }


def load(path: Any) -> Saved:
    """Reads a folder or an .npz. Nothing outside it is opened, and nothing in it is executed."""
    path = os.fspath(path)
    try:
        with _opened(path) as (manifest_text, array, pixels):
            manifest = _checked(json.loads(manifest_text))
            return Saved(
                {str(name): array(_plain(entry["file"])) for name, entry in manifest["tensors"].items()},
                {str(name): float("nan" if number is None else number) for name, number in manifest["numbers"].items()},
                dict(manifest["result"]),
                [pixels(_plain(file)) for file in manifest["images"]],
                manifest["preprocess"],
                [str(name) for name in manifest["names"]],
            )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError, zipfile.BadZipFile) as problem:
        if isinstance(problem, PellucidError):
            raise
        raise ParseError(f"{path} holds no explanation: {problem or type(problem).__name__}") from None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """The manifest's text, how to read an array, and how to read an image."""
    if os.path.isdir(path):
        with open(os.path.join(path, MANIFEST), encoding="utf-8") as manifest:
            content = manifest.read()
        yield (
            content,
            lambda name: _frozen(np.load(os.path.join(path, name), allow_pickle=False)),
            lambda name: image.read(os.path.join(path, name)),
        )
    else:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as members:
            yield str(members["manifest"]), lambda name: _frozen(members[name]), lambda name: members[name]


def _checked(manifest: Any) -> Dict[str, Any]:
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f'its manifest has no "format": "{FORMAT}"')
    if manifest.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {manifest.get('schema')!r}, and this version of Pellucid reads {SCHEMA}")
    return manifest


def _is_saved(folder: str) -> bool:
    try:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
            return bool(json.load(file).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _json(manifest: Mapping[str, Any]) -> str:
    """Valid JSON: what is not finite becomes null, and NumPy's numbers become plain ones."""
    return json.dumps(_finite(manifest), ensure_ascii=False, indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_finite(each) for each in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _finite(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _file_name(name: str, number: int) -> str:
    """A name for the file of an array: its own where that is plain, and not taken by another member."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}", name) and not re.match(r"image-|tensor-|manifest$", name)
    return name if plain else f"tensor-{number}"


def _plain(name: Any) -> str:
    if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no name of a file beside the manifest")
    return name


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
