"""Models made ready for differences: in double precision, with known sizes."""

from __future__ import annotations

from typing import Any, Dict, Iterable

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

SMALL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
#: Attributes that name an element type.
TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision")


def for_gradients(model: onnx.ModelProto, fixed: Dict[str, np.ndarray]) -> onnx.ModelProto:
    """The model with some inputs as weights, and scalar outputs as vectors of one element: targets have a batch axis."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    kept = [value for value in graph.input if value.name not in fixed]
    del graph.input[:]
    graph.input.extend(kept)
    weights = [weight for weight in graph.initializer if weight.name not in fixed]
    del graph.initializer[:]
    graph.initializer.extend([*weights, *(numpy_helper.from_array(np.asarray(value), name) for name, value in fixed.items())])
    for output in graph.output:
        if output.type.HasField("tensor_type") and output.type.tensor_type.HasField("shape") and not output.type.tensor_type.shape.dim:
            _make_vector(graph, output)
    return result


def _make_vector(graph: onnx.GraphProto, output: onnx.ValueInfoProto) -> None:
    vector = f"{output.name} as a vector"
    graph.initializer.append(numpy_helper.from_array(np.ones(1, np.int64), f"{output.name} shape"))
    graph.node.append(onnx.helper.make_node("Reshape", [output.name, f"{output.name} shape"], [vector]))
    output.name = vector
    output.type.tensor_type.shape.dim.add().dim_value = 1


def doubled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in double precision."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    _graph(result.graph)
    for function in result.functions:
        _nodes(function.node)
    return result


def doubled_value(value: Any) -> Any:
    """A value that such a model is fed; only real numbers change."""
    if isinstance(value, (list, tuple)):
        return [doubled_value(item) for item in value]
    return value.astype(np.float64) if is_real(value) else value


def is_real(value: Any) -> bool:
    """True for arrays of float32, float64, float16 and bfloat16."""
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.name in ("float32", "float64", "float16", "bfloat16")


def _graph(graph: onnx.GraphProto) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        _type(value.type)
    for weight in graph.initializer:
        _tensor(weight)
    for sparse in graph.sparse_initializer:
        _tensor(sparse.values)
    _nodes(graph.node)


def _type(kind: onnx.TypeProto) -> None:
    which = kind.WhichOneof("value")
    if which in ("tensor_type", "sparse_tensor_type"):
        tensor = getattr(kind, which)
        tensor.elem_type = TensorProto.DOUBLE if tensor.elem_type in SMALL else tensor.elem_type
    elif which in ("sequence_type", "optional_type"):
        _type(getattr(kind, which).elem_type)


def _tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in SMALL:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.name in TYPE_ATTRIBUTES and attribute.i in SMALL:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("t"):
                _tensor(attribute.t)
            if attribute.HasField("g"):
                _graph(attribute.g)
            for graph in attribute.graphs:
                _graph(graph)
        _constants(node)


def _constants(node: onnx.NodeProto) -> None:
    """Numbers given as attributes are of float32: they become tensors."""
    if node.op_type != "Constant":
        if node.op_type == "ConstantOfShape" and not node.attribute:
            node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(np.zeros(1))))
        return
    for attribute in node.attribute:
        if attribute.name in ("value_float", "value_floats"):
            numbers = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            tensor = numpy_helper.from_array(np.array(numbers, np.float64))
            attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))
