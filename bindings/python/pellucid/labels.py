"""Names of classes."""

from __future__ import annotations

import os
from typing import List, Sequence, Union

from .errors import ParseError

Labels = Union[str, "os.PathLike[str]", Sequence[str]]


#: Classes that a file may name.
LIMIT = 1 << 20


def read(labels: Labels) -> List[str]:
    """Class names in index order.

    Args:
        labels: The names themselves, or the path of a file: one name a line; or, named .json, a list, an object of
            index → name, or one of index → [identifier, name] as Keras has it.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return [str(name) for name in labels]
    with open(labels, encoding="utf-8-sig") as file:
        content = file.read()
    if os.fspath(labels).lower().endswith(".json"):
        return _from_json(content, os.fspath(labels))
    return content.rstrip("\n").split("\n")


def _from_json(content: str, path: str) -> List[str]:
    import json

    try:
        found = json.loads(content)
        if isinstance(found, dict):
            names = {int(index): name for index, name in found.items()}
            if not all(0 <= index < LIMIT for index in names):
                raise ValueError(f"class indices must lie in 0...{LIMIT - 1}")
            found = [names.get(index, "") for index in range(max(names, default=-1) + 1)]
        if not isinstance(found, list):
            raise ValueError("expected a list of names, or an object of index → name")
        return [str(name[-1]) if isinstance(name, list) else str(name) for name in found]
    except (ValueError, IndexError, RecursionError) as problem:
        raise ParseError(f"{path}: {problem}") from None
