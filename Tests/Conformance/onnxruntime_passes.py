#!/usr/bin/env python3
"""Prints the cases that onnxruntime's CPU provider passes through Python, as `onnxruntime_passes.txt` holds them.

    pip install onnx==1.23.2 onnxruntime==1.31.1 && python onnxruntime_passes.py > onnxruntime_passes.txt
"""

from __future__ import annotations

import os
import sys
from typing import Any, List

from cases import Case, feeds, load_cases
from comparison import difference
from workers import spread


def passes(case: Case) -> bool:
    """Whether onnxruntime answers as ONNX expects."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    try:
        model, data = case.load()
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for inputs, expected in data:
            found: List[Any] = session.run(None, feeds(model, inputs))
            if len(found) != len(expected) or any(difference(*pair, case.rtol, case.atol) for pair in zip(found, expected)):
                return False
        return True
    except Exception:  # whatever it refuses it does not pass
        return False


def main() -> int:
    import onnxruntime
    import onnx

    cases = load_cases()
    answers = dict(spread(lambda index: passes(cases[index]), list(range(len(cases))), os.cpu_count() or 1, 300))
    print(f"# Cases that onnxruntime {onnxruntime.__version__} (CPU provider) passes, of onnx {onnx.__version__}.")
    print("# Written by onnxruntime_passes.py; not edited by hand.")
    print(*(case.name for index, case in enumerate(cases) if answers[index] is True), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
