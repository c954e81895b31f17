#!/usr/bin/env python3
"""Runs ONNX's backend series through the Python package; ends with the line "N passed, N failed, N skipped", where those
listed in `manifest.txt` are skipped.

    conformance.py                    every case, on {reference, default backend} x {passes on, off}
    conformance.py node/conv.* ...    the cases whose names match
    conformance.py --list FILE ...    also writes what failed, with reasons, to a file

A listed case that passes is an error, so that the list says what is so.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from typing import Any, Dict, List, Set

from cases import LOADED, Case, load_cases
from manifest import Manifest, onnxruntime_passes
from workers import Lost, spread

#: Seconds that a case may take.
LIMIT = 300.0


def select(cases: List[Case], patterns: List[str]) -> List[Case]:
    """The cases that match one of the patterns; all when there is none."""
    expressions = [re.compile(pattern) for pattern in patterns]
    return [case for case in cases if not expressions or any(each.fullmatch(case.name) for each in expressions)]


def run_all(cases: List[Case], manifest: Manifest) -> Dict[str, List[str]]:
    """What is wrong with each case, by name; nothing where it passes."""

    def work(index: int) -> Any:
        import trial  # the library is loaded in the worker alone

        case = cases[index]
        try:
            return trial.run_case(case, manifest.tolerance.get(case.name, case.rtol)).problems
        except Exception as problem:
            return [f"{type(problem).__name__}: {problem}"]

    # Large models first, so that none is left for the end.
    order = sorted(range(len(cases)), key=lambda index: cases[index].series != "light")
    problems: Dict[str, List[str]] = {}
    for index, answer in spread(work, order, os.cpu_count() or 1, LIMIT):
        problems[cases[index].name] = [answer.reason] if isinstance(answer, Lost) else answer
    return problems


def summary(problems: Dict[str, List[str]], others: Set[str]) -> List[str]:
    """Per series: how many cases pass of all, and of those that onnxruntime's CPU provider passes."""
    total = Counter(name.split("/")[0] for name in problems)
    passed = Counter(name.split("/")[0] for name, texts in problems.items() if not texts)
    lines = []
    for series in LOADED:
        theirs = [name for name in others if name in problems and name.startswith(f"{series}/")]
        ours = sum(not problems[name] for name in theirs)
        if total[series]:
            lines.append(f"{series} {passed[series]} of {total[series]}; of onnxruntime's {len(theirs)}: {ours}")
    return lines


def errors(problems: Dict[str, List[str]], manifest: Manifest, is_whole: bool) -> List[str]:
    """Cases that fail without being listed, and lists that say what is not so."""
    texts = []
    for name, found in sorted(problems.items()):
        if found and name not in manifest.skip:
            texts.append(f"FAILED {name}: " + "\n    ".join(found))
        elif not found and name in manifest.skip:
            texts.append(f"FAILED {name} passes: take it off manifest.txt ({manifest.skip[name]})")
    unknown = sorted(manifest.names - set(problems)) if is_whole else []
    return texts + [f"FAILED {name}: manifest.txt names a case that there is not" for name in unknown]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", help="regular expressions for series/name")
    parser.add_argument("--list", metavar="FILE", help="write the cases that do not pass, with what is wrong with them")
    options = parser.parse_args()
    manifest = Manifest.read()
    cases = select(load_cases(), options.patterns)
    problems = run_all(cases, manifest)
    if options.list:
        with open(options.list, "w") as file:
            file.writelines(f"{name}\t{' | '.join(texts)}\n" for name, texts in sorted(problems.items()) if texts)
    failures = errors(problems, manifest, is_whole=not options.patterns)
    print(*failures, *summary(problems, onnxruntime_passes()), sep="\n")
    passed = sum(not texts for texts in problems.values())
    listed = sum(bool(texts) and name in manifest.skip for name, texts in problems.items())
    print(f"{passed} passed, {len(failures)} failed, {listed} skipped, for the reasons in manifest.txt")
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
