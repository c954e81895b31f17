"""The lists in this folder: cases that do not pass, with reasons, and cases that onnxruntime passes."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, NamedTuple, Set, Tuple

FOLDER = Path(__file__).resolve().parent
#: What a line of the manifest may excuse.
KINDS = ("skip", "gradient", "tolerance", "types")


class Manifest(NamedTuple):
    """What `manifest.txt` excuses: reasons by case, and limits of its own that a case is compared with."""

    skip: Dict[str, str]  #: does not pass
    gradient: Dict[str, str]  #: has no gradient, or one that differs from differences; by case, or by operator where refused
    types: Dict[str, str]  #: by operator, with a comma and an element type: does not work in it
    tolerance: Dict[str, Tuple[float, float]]  #: passes with these relative and absolute tolerances only

    @classmethod
    def read(cls, path: Path = FOLDER / "manifest.txt") -> Manifest:
        """Lines are `case  skip: reason`, `case|operator  gradient: reason` or `case  tolerance 1e-2 1e-6: reason`; `#` begins a comment."""
        result = cls({}, {}, {}, {})
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                result._add(line, f"{path.name}, line {number}")
        return result

    def _add(self, line: str, place: str) -> None:
        head, mark, reason = line.partition(": ")
        words = head.split()
        count = 4 if "tolerance" in words[1:2] else 2
        if not mark or not reason.strip() or len(words) != count or words[1] not in KINDS:
            raise ValueError(f"{place}: expected 'case  skip: reason', found '{line}'")
        entries = getattr(self, words[1])
        if words[0] in entries:
            raise ValueError(f"{place}: {words[0]} is listed twice")
        entries[words[0]] = (float(words[2]), float(words[3])) if count == 4 else reason.strip()

    @property
    def names(self) -> Set[str]:
        """Every case that is mentioned."""
        return {name for name in (*self.skip, *self.gradient, *self.tolerance) if "/" in name}


def onnxruntime_passes() -> Set[str]:
    """Cases that onnxruntime's CPU provider passes, see `onnxruntime_passes.py`."""
    lines = (FOLDER / "onnxruntime_passes.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def prune(names: Set[str], path: Path = FOLDER / "manifest.txt") -> None:
    """Takes the entries of these names off the manifest."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.split()[:1] == [] or line.split()[0] not in names))
