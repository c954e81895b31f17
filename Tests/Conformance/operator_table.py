"""What the series say about each operator: `operators.txt`, from which `docs/operators.md` is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

FILE = Path(__file__).resolve().parent / "operators.txt"
HEAD = """# Written by `.ci/conformance --update`; not edited by hand. By operator, of ONNX's cases with it: passed, all; gradients that
# agree with central differences, that could; where its own cases run by default; element types that it does not work in.
"""


def check_table(results: Dict[str, Any], update: bool) -> List[str]:
    """Failures where the file is not what the results say; rewrites it if that is asked for."""
    text = HEAD + "".join(f"{line}\n" for line in table(results))
    if update:
        FILE.write_text(text)
    found = FILE.read_text() if FILE.exists() else ""
    if found == text:
        return []
    differing = sorted(set(text.splitlines()) - set(found.splitlines()))
    return [f"FAILED operators.txt should say {differing[:3]}: run .ci/conformance --update"]


def table(results: Dict[str, Any]) -> List[str]:
    """One line per operator."""
    names = sorted({name for result in results.values() for name in result.operators})
    return [_line(name, [result for result in results.values() if name in result.operators]) for name in names]


def _line(name: str, results: List[Any]) -> str:
    own = [result for result in results if list(result.operators) == [name]]
    passed = sum(not result.problems for result in results)
    kinds = [result.gradient for result in own]
    agree = kinds.count("agrees")
    places = {result.place for result in own} - {""}
    place = "partly" if len(places) > 1 else "".join(places) or "-"
    types = {element for result in own for element, works, _ in result.types if works is False}
    differentiable = agree + kinds.count("differs") + kinds.count("refused")
    return f"{name} {passed} {len(results)} {agree} {differentiable} {place} {','.join(sorted(types)) or '-'}"
