"""Every operator in every element type that ONNX allows it, against ONNX's own reference implementation."""

from __future__ import annotations

import warnings
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import numpy as np
import onnx
import onnx.defs
import pellucid
from cases import Case, feeds, run_model
from comparison import difference
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

#: Element types by the names that ONNX's schemas have for them.
TYPES = {f"tensor({name.lower()})": number for name, number in TensorProto.DataType.items() if number}
#: Tolerance, of the largest number, in the types that keep few bits: ONNX's reference rounds to them after each step.
TOLERANCES = {"bfloat16": 2.0**-6, "float16": 2.0**-8}


class Variant(NamedTuple):
    """A case with other element types for one of its operator's type parameters."""

    element: str  #: ONNX's name
    model: onnx.ModelProto
    inputs: List[Any]


class Verdict(NamedTuple):
    """Whether an operator works in a type: yes, no with what is wrong, or not known because ONNX's reference has no answer."""

    element: str
    works: Optional[bool]
    text: str


def check_types(case: Case) -> List[Verdict]:
    """Verdicts on the case's only operator, for the first of its type parameters."""
    model, data = case.load()
    if len(model.graph.node) != 1 or model.graph.initializer or any(isinstance(value, (list, dict)) for value in data[0][1]):
        return []
    return [_verdict(case, variant) for variant in _variants(model, list(data[0][0]))]


def _verdict(case: Case, variant: Variant) -> Verdict:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            values = feeds(variant.model, variant.inputs)
            expected = ReferenceEvaluator(variant.model).run(None, values)
    except Exception as problem:  # ONNX's reference does not implement every type
        return Verdict(variant.element, None, f"{type(problem).__name__}: {problem}")
    try:
        found = list(run_model(pellucid.load(variant.model.SerializeToString(), threads=1), values).values())
    except pellucid.PellucidError as problem:
        return Verdict(variant.element, False, str(problem))
    wrong = [text for text in (_difference(case, variant.element, *pair) for pair in zip(found, expected)) if text]
    # What ONNX's reference returns in another type than the schema says is no oracle.
    if any("is of" in text for text in wrong) and not _has_declared_types(variant.model, expected):
        return Verdict(variant.element, None, "ONNX's reference returns another type")
    return Verdict(variant.element, not wrong, "; ".join(wrong))


def _difference(case: Case, element: str, found: Any, expected: Any) -> Optional[str]:
    expected = np.asarray(expected) if isinstance(expected, np.generic) else expected
    atol = 1e-5
    if element in TOLERANCES and isinstance(expected, np.ndarray) and expected.size:
        numbers = expected.astype(np.float64)
        atol = TOLERANCES[element] * float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0))
    return difference(found, expected, case.rtol, atol)


def _has_declared_types(model: onnx.ModelProto, values: List[Any]) -> bool:
    declared = [output.type.tensor_type.elem_type for output in model.graph.output]
    return all(helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype) == number for value, number in zip(values, declared))


def _variants(model: onnx.ModelProto, inputs: List[Any]) -> Iterator[Variant]:
    node = model.graph.node[0]
    versions = {entry.domain: entry.version for entry in model.opset_import}
    schema = onnx.defs.get_schema(node.op_type, versions[node.domain], node.domain)
    parameters = _parameters(schema, node)
    if not parameters or not inputs:
        return
    variable = next(iter(parameters.values()))
    constraint = next((each for each in schema.type_constraints if each.type_param_str == variable), None)
    if constraint is None:
        return
    own = model.graph.input[0].type.tensor_type.elem_type
    for name in sorted(constraint.allowed_type_strs):
        number = TYPES.get(name)
        if number and number != own and number != TensorProto.STRING and (node.op_type != "BitCast" or _bits(number) == _bits(own)):
            variant = _retyped(model, inputs, parameters, variable, number)
            if variant:
                yield variant


def _bits(number: int) -> int:
    packed = {TensorProto.UINT4: 4, TensorProto.INT4: 4, TensorProto.FLOAT4E2M1: 4, TensorProto.UINT2: 2, TensorProto.INT2: 2}
    return packed.get(number) or 8 * helper.tensor_dtype_to_np_dtype(number).itemsize


def _parameters(schema: Any, node: onnx.NodeProto) -> Dict[str, str]:
    """Type parameters of the node's inputs and outputs, by value name, inputs first."""
    result: Dict[str, str] = {}
    for names, formals in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for index, name in enumerate(names):
            if name and formals:
                result[name] = formals[min(index, len(formals) - 1)].type_str
    return result


def _retyped(
    model: onnx.ModelProto, inputs: List[Any], parameters: Dict[str, str], variable: str, number: int
) -> Optional[Variant]:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.ir_version = max(result.ir_version, 10)
    dtype = helper.tensor_dtype_to_np_dtype(number)
    for value in (*result.graph.input, *result.graph.output):
        if parameters.get(value.name) == variable:
            if not value.type.HasField("tensor_type"):
                return None
            value.type.tensor_type.elem_type = number
    values = []
    for declared, value in zip(result.graph.input, inputs):
        if parameters.get(declared.name) == variable:
            if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind in "OUS":
                return None
            value = _converted(np.asarray(value), dtype)
        values.append(value)
    return Variant(TensorProto.DataType.Name(number).lower(), result, values)


def _converted(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers that the type can hold: unsigned ones lose their sign, small ones wrap around early."""
    is_unsigned = dtype.name.startswith("uint") or dtype.name == "float8_e8m0fnu"
    with np.errstate(all="ignore"):
        wide = np.nan_to_num(value.astype(np.complex128 if dtype.kind == "c" else np.float64), posinf=100, neginf=-100)
        if dtype.kind == "b":
            return wide != 0
        if is_unsigned:
            wide = np.abs(wide)
        if dtype.name in ("int4", "int2", "uint4", "uint2"):
            wide = np.trunc(wide) % (2 if dtype.name == "int2" else 4)
        return np.asarray(wide).astype(dtype)
