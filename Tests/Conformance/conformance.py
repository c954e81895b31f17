#!/usr/bin/env python3
"""Runs ONNX's backend series through the Python package; ends with the line "N passed, N failed, N skipped", where those
listed in `manifest.txt` are skipped.

    conformance.py                    every case, on {reference, default backend} x {passes on, off}, and its gradient
    conformance.py node/conv.* ...    the cases whose names match
    conformance.py --prune ...        also takes off the manifest what is not so any more
    conformance.py --list FILE ...    also writes what is wrong with each case to a file
    conformance.py --update           also writes operators.txt, from which docs/operators.md is made

A listed case that passes is an error, so that the list says what is so.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Sequence, Set

from cases import LOADED, Case, load_cases
from manifest import Manifest, onnxruntime_passes, prune
from operator_table import check_table
from workers import Lost, spread

#: Seconds that a case may take.
LIMIT = 300.0


class Result(NamedTuple):
    """What became of a case, as `trial.Outcome`, without the library that the workers alone load."""

    problems: List[str]
    gradient: str = "none"
    gradient_text: str = ""
    operators: Sequence[str] = ()
    place: str = ""
    types: Sequence[Any] = ()


def select(cases: List[Case], patterns: List[str]) -> List[Case]:
    """The cases that match one of the patterns; all when there is none."""
    expressions = [re.compile(pattern) for pattern in patterns]
    return [case for case in cases if not expressions or any(each.fullmatch(case.name) for each in expressions)]


def run_all(cases: List[Case], manifest: Manifest) -> Dict[str, Result]:
    """The results by name."""

    def work(index: int) -> Result:
        import trial

        case = cases[index]
        try:
            tolerance = manifest.tolerance.get(case.name, (case.rtol, case.atol))
            outcome = trial.run_case(case, *tolerance, with_types=case.name in typed)
            return Result(
                outcome.problems, *outcome.gradient, outcome.operators, outcome.place, [tuple(verdict) for verdict in outcome.types]
            )
        except Exception as problem:
            return Result([f"{type(problem).__name__}: {problem}"])

    typed = examples(cases)
    # Large models first, so that none is left for the end.
    order = sorted(range(len(cases)), key=lambda index: cases[index].series != "light")
    results: Dict[str, Result] = {}
    for index, answer in spread(work, order, os.cpu_count() or 1, LIMIT):
        results[cases[index].name] = Result([answer.reason]) if isinstance(answer, Lost) else answer
    return results


def examples(cases: List[Case]) -> Set[str]:
    """Two cases of each operator, which are run in all element types."""
    names: Dict[str, List[str]] = {}
    for case in cases:
        nodes = case.source.model.graph.node if case.source.model is not None else []
        if len(nodes) == 1:
            names.setdefault(nodes[0].op_type, []).append(case.name)
    return {name for each in names.values() for name in each[:2]}


def summary(results: Dict[str, Result], others: Set[str]) -> List[str]:
    """Per series: how many cases pass of all, and of those that onnxruntime's CPU provider passes."""
    lines = []
    for series in LOADED:
        own = {name: result for name, result in results.items() if name.startswith(f"{series}/")}
        passed = {name for name, result in own.items() if not result.problems}
        theirs = others & set(own)
        if own:
            lines.append(f"{series} {len(passed)} of {len(own)}; of onnxruntime's {len(theirs)}: {len(theirs & passed)}")
    kinds = Counter(result.gradient for result in results.values())
    agree, differ, refused = kinds["agrees"], kinds["differs"], kinds["refused"]
    verdicts = [verdict for result in results.values() for verdict in result.types]
    known = [works for _, works, _ in verdicts if works is not None]
    lines.append(f"element types {sum(known)} of {len(known)} variants of cases")
    lines.append(f"gradients {agree} of {agree + differ + refused} agree with central differences; {refused} refused in words")
    return lines


def find_errors(results: Dict[str, Result], manifest: Manifest, is_whole: bool) -> List[str]:
    """Cases that fail without being listed, and lists that say what is not so."""
    texts = []
    excused: Set[str] = set()
    for name, result in sorted(results.items()):
        if result.problems and name not in manifest.skip:
            texts.append(f"FAILED {name}: " + "\n    ".join(result.problems))
        if result.gradient in ("differs", "refused"):
            names = {name, *(result.operators if result.gradient == "refused" else [])} & set(manifest.gradient)
            excused |= names
            if not names:
                texts.append(f"FAILED {name}: gradient: {result.gradient_text}")
        for element, works, text in result.types:
            entry = f"{result.operators[0]},{element}"
            if works is False and entry not in manifest.types:
                texts.append(f"FAILED {name}: in {element}: {text}")
            excused |= {entry} if works is False else set()
    for name, reason in stale(results, manifest, excused, is_whole):
        texts.append(f"FAILED {name}: take it off manifest.txt, it is not so that {reason}")
    return texts


def stale(results: Dict[str, Result], manifest: Manifest, excused: Set[str], is_whole: bool) -> List[Any]:
    """Entries of the manifest that are not so any more."""
    entries = [(name, reason) for name, reason in manifest.skip.items() if name in results and not results[name].problems]
    for name, reason in manifest.gradient.items():
        if name not in excused and (name in results or is_whole):
            entries.append((name, reason))
    if is_whole:
        entries += [(name, reason) for name, reason in manifest.types.items() if name not in excused]
        entries += [(name, "there is such a case") for name in manifest.names - set(results)]
    return entries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", help="regular expressions for series/name")
    parser.add_argument("--list", metavar="FILE", help="write what is wrong with each case")
    parser.add_argument("--prune", action="store_true", help="take off the manifest what is not so any more")
    parser.add_argument("--update", action="store_true", help="write operators.txt")
    options = parser.parse_args()
    manifest = Manifest.read()
    cases = select(load_cases(), options.patterns)
    results = run_all(cases, manifest)
    if options.list:
        write_list(options.list, results)
    failures = find_errors(results, manifest, is_whole=not options.patterns)
    if not options.patterns:
        failures += check_table(results, options.update)
    if options.prune:
        names = {failure.split()[1].rstrip(":") for failure in failures if "take it off" in failure}
        prune(names)
        failures = [failure for failure in failures if "take it off" not in failure]
    print(*failures, *summary(results, onnxruntime_passes()), sep="\n")
    passed = sum(not result.problems for result in results.values())
    listed = sum(bool(result.problems) and name in manifest.skip for name, result in results.items())
    print(f"{passed} passed, {len(failures)} failed, {listed} skipped, for the reasons in manifest.txt")
    return 1 if failures or not cases else 0


def write_list(path: str, results: Dict[str, Result]) -> None:
    """One line per case that does not pass or has no gradient that agrees: name, kind, what is wrong."""
    with open(path, "w") as file:
        for name, result in sorted(results.items()):
            if result.problems:
                print(name, "skip", " | ".join(result.problems), sep="\t", file=file)
            elif result.gradient in ("differs", "refused"):
                print(name, f"gradient {result.gradient}", result.gradient_text, ",".join(result.operators), sep="\t", file=file)


if __name__ == "__main__":
    sys.exit(main())
