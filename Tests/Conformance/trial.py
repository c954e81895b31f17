"""One case on every backend, with and without passes, through the Python package."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence

import onnx
import pellucid
from cases import Case, DataSet, feeds, run_model
from comparison import difference
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


def run_case(case: Case, rtol: float, atol: float) -> Outcome:
    """Runs the case in all configurations, and differentiates it where it passes."""
    model, data = case.load()
    operators = sorted({f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in model.graph.node})
    problems = find_problems(model, data, rtol, atol)
    # The light models are too large to differ element by element; the golden tests differentiate such models.
    is_differentiated = not problems and case.series != "light"
    return Outcome(problems, check_gradient(case) if is_differentiated else Gradient("none"), operators)


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
