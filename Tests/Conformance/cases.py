"""ONNX's backend series, from the pip package: what to run, on what, and what must come out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
import onnx
from onnx import numpy_helper

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx.backend.test.loader import load_model_tests

#: The series by the names that ONNX's loader has for them; "real" holds the models of the series "light".
LOADED = {"node": "node", "simple": "simple", "light": "real", "pytorch-operator": "pytorch-operator", "pytorch-converted": "pytorch-converted"}

#: What a model is fed, and what it must answer, in the order of its inputs and outputs.
DataSet = Tuple[Sequence[Any], Sequence[Any]]


class Case(NamedTuple):
    """One test of a series, not read yet."""

    name: str  #: series/name without "test_"
    source: Any  #: ONNX's description
    rtol: float
    atol: float

    @property
    def series(self) -> str:
        return self.name.split("/")[0]

    def load(self) -> Tuple[onnx.ModelProto, List[DataSet]]:
        """The model and its data."""
        if self.source.model is not None:
            return self.source.model, [tuple(map(_values, data)) for data in self.source.data_sets]
        if self.source.model_dir is not None:
            return _read_folder(Path(self.source.model_dir))
        return _read_light(_package_file(self.source.url))


def load_cases() -> List[Case]:
    """Every case of every series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX's own computation of expected values overflows on purpose
        return [
            Case(f"{series}/{source.name[len('test_'):]}", source, source.rtol, source.atol)
            for series, kind in LOADED.items()
            for source in sorted(load_model_tests(kind=kind), key=lambda source: source.name)
        ]


def input_names(model: onnx.ModelProto, count: int) -> List[str]:
    """Names of the inputs that `count` values are for: files that list weights among the inputs come with or without them."""
    names = [value.name for value in model.graph.input]
    if len(names) == count:
        return names
    weights = {weight.name for weight in model.graph.initializer}
    return [name for name in names if name not in weights][:count]


def feeds(model: onnx.ModelProto, values: Sequence[Any]) -> Dict[str, Any]:
    """What the model is fed, by name."""
    return dict(zip(input_names(model, len(values)), values))


def run_model(loaded: Any, values: Dict[str, Any]) -> Dict[str, Any]:
    """All outputs by name, in the model's order."""
    answer = loaded.run(values)
    return {loaded.outputs[0].name: answer} if len(loaded.outputs) == 1 else answer


def _values(items: Sequence[Any]) -> List[Any]:
    return [numpy_helper.to_array(item) if isinstance(item, onnx.TensorProto) else item for item in items]


def _read_folder(folder: Path) -> Tuple[onnx.ModelProto, List[DataSet]]:
    model = onnx.load(folder / "model.onnx")
    data = [
        (_read_values(each, "input", model.graph.input), _read_values(each, "output", model.graph.output))
        for each in sorted(folder.glob("test_data_set_*"))
    ]
    return model, data


def _read_values(folder: Path, kind: str, declared: Sequence[onnx.ValueInfoProto]) -> List[Any]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return [_read_value(folder / f"{kind}_{index}.pb", declared[index].type) for index in range(count)]


def _read_value(path: Path, declared: onnx.TypeProto) -> Any:
    readers = {
        "tensor_type": (onnx.TensorProto, numpy_helper.to_array),
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
        "map_type": (onnx.MapProto, numpy_helper.to_dict),
    }
    message_type, convert = readers[declared.WhichOneof("value")]
    message = message_type()
    message.ParseFromString(path.read_bytes())
    return convert(message)


def _package_file(url: str) -> Path:
    """The file of the installed package behind an address of ONNX's repository."""
    return Path(onnx.__file__).parent.parent / url


def _read_light(path: Path) -> Tuple[onnx.ModelProto, List[DataSet]]:
    """Real architectures without their weights: ONNX's runner feeds them a ramp from 0 to 1."""
    model = onnx.load(path)
    weights = {weight.name for weight in model.graph.initializer}
    ramps = [_ramp(value) for value in model.graph.input if value.name not in weights]
    outputs = [
        _read_value(path.with_name(f"{path.stem}_output_{index}.pb"), output.type) for index, output in enumerate(model.graph.output)
    ]
    return model, [(ramps, outputs)]


def _ramp(value: onnx.ValueInfoProto) -> np.ndarray:
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else 1 for dim in value.type.tensor_type.shape.dim)
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) / count).astype(np.float32)
