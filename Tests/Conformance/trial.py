"""One case on every backend, with and without passes, through the Python package."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence

import onnx
import pellucid
from pellucid import _abi
from pellucid._library import library
from cases import Case, DataSet, feeds, run_model
from comparison import difference
from double import is_real
from element_types import Verdict, check_types
from gradients import Gradient, check_gradient

#: What a model is loaded with. The first is the oracle: plain loops, the graph as the file has it.
CONFIGURATIONS: List[Dict[str, Any]] = [
    {"backend": "reference", "passes": "none"},
    {"backend": "reference", "passes": "all"},
    {"passes": "none"},
    {"passes": "all"},
]


class Outcome(NamedTuple):
    """What became of a case."""

    problems: List[str]  #: empty: the case passes
    gradient: Gradient
    operators: List[str]  #: those of the file's graph, with their domains
    place: str  #: what computes the case's only node by default: "cpu", "reference", or nothing where there are several nodes
    types: List[Verdict]  #: where they are asked for


def run_case(case: Case, rtol: float, atol: float, with_types: bool) -> Outcome:
    """Runs the case in all configurations, and differentiates it where it passes."""
    model, data = case.load()
    operators = sorted({f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in model.graph.node})
    problems = find_problems(model, data, rtol, atol)
    # The light models are too large to differ element by element; the golden tests differentiate such models.
    is_differentiated = not problems and case.series != "light"
    gradient = check_gradient(case) if is_differentiated else Gradient("none")
    types = check_types(case) if with_types and not problems else []
    return Outcome(problems, gradient, operators, "" if problems else find_place(model, data), types)


def find_place(model: onnx.ModelProto, data: List[DataSet]) -> str:
    """Where the only node runs by default, as the library logs it: `plan for …: cpu: Conv 1; reference: Less 2`."""
    if len(model.graph.node) != 1 or not all(is_single(value) for value in data[0][0]):
        return ""
    runtime = pellucid.Runtime(threads=1, plugins=False)
    lines: List[str] = []
    log = _abi.LogFn(lambda level, text, payload: lines.append(text.decode()))
    library().pellucid_runtime_set_logger(runtime.handle, log, None)
    run_model(pellucid.load(model.SerializeToString(), runtime=runtime, passes="none"), feeds(model, data[0][0]))
    library().pellucid_runtime_set_logger(runtime.handle, _abi.LogFn(), None)
    text = " ".join(line for line in lines if line.startswith("plan for"))
    return "reference" if "reference: " in text or "interpreter: " in text else "cpu"


def is_single(value: Any) -> bool:
    """False for real numbers that are not of float32, which the default backend computes in."""
    return not is_real(value) or value.dtype.name == "float32"


def find_problems(model: onnx.ModelProto, data: List[DataSet], rtol: float, atol: float) -> List[str]:
    """What the case answers must be what ONNX expects, and the same in all configurations."""
    content = model.SerializeToString()
    problems: List[str] = []
    oracle: List[List[Any]] = []
    for configuration in CONFIGURATIONS:
        place = f"{configuration.get('backend', 'default')}, passes {configuration['passes']}"
        try:
            loaded = pellucid.load(content, threads=1, **configuration)
            answers = [list(run_model(loaded, feeds(model, inputs)).values()) for inputs, _ in data]
            for answer, (_, expected) in zip(answers, data):
                problems += compare(loaded, answer, expected, rtol, atol, place)
            if oracle:
                for answer, other in zip(answers, oracle):
                    problems += compare(loaded, answer, other, rtol, atol, f"{place}, beside the oracle")
            oracle = oracle or answers
        except Exception as problem:  # whatever it is, the case has failed
            problems.append(f"{place}: {type(problem).__name__}: {problem}")
    return problems


def compare(
    loaded: pellucid.Model, found: Sequence[Any], expected: Sequence[Any], rtol: float, atol: float, place: str
) -> List[str]:
    """What is wrong with a run's answers."""
    if len(found) != len(expected):
        return [f"{place}: {len(found)} outputs instead of {len(expected)}"]
    texts = (difference(one, other, rtol, atol) for one, other in zip(found, expected))
    return [f"{place}: '{output.name}' {text}" for output, text in zip(loaded.outputs, texts) if text]
