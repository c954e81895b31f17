#!/usr/bin/env python3
"""Write small ONNX files, sound and broken, that a model reader must take or refuse with a good message.

    python make_importer_models.py [FOLDER]          default: Tests/Fixtures/importer

`FOLDER/expected.json` has one entry per file:

    file      path relative to the folder
    expect    "ok": must load.  "error": must be refused, at load or at the first run, without a crash.
              "any": both are sound answers (the standard leaves it open); must not crash, hang or take much memory.
    about     what the file tests
    values    for "ok": facts about weights: name, dtype (ONNX number), shape, and `first`, up to eight leading elements
              as numbers (complex: real and imaginary parts in turn; not-a-number and infinities as text) or texts
    runs      for "ok": feeds and the outputs that they must give, each {shape, data}
    metadata  for "ok": model metadata that must be found
    words     for "error": groups of words, a message must contain (any case) one word of each group, parted by "|"
"""

import argparse
import json
import math
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

F = TensorProto.FLOAT
NEWEST_OPSET = onnx.defs.onnx_opset_version()


# Building blocks


def value(name, shape=(1, 4), dtype=F):
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(nodes, inputs=None, outputs=None, weights=(), opset=17, ir=8, functions=(), domains=(), **options):
    graph = helper.make_graph(nodes, "graph", inputs if inputs is not None else [value("x")],
                              outputs if outputs is not None else [value("y")], list(weights), **options)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir, functions=list(functions), producer_name="pellucid-tests")


def relu(opset=17, ir=8):
    return model([helper.make_node("Relu", ["x"], ["y"], "relu")], opset=opset, ir=ir)


X = np.array([[-1.5, 0.0, 2.0, 3.5]], np.float32)


class Writer:
    """Writes files and collects their entries of expected.json."""

    def __init__(self, folder):
        self.folder, self.entries = folder, []

    def put(self, file, content):
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString(deterministic=True))

    def entry(self, file, content, expect, about, **facts):
        self.put(file, content)
        self.entries.append(dict(file=file, expect=expect, about=about, **facts))

    def ok(self, file, content, about, **facts):
        self.entry(file, content, "ok", about, **facts)

    def error(self, file, content, about, *words):
        self.entry(file, content, "error", about, words=list(words))

    def any(self, file, content, about):
        self.entry(file, content, "any", about)

    def runs(self, file, content, about, *feeds, **facts):
        """An ok file with outputs by onnxruntime, or onnx's reference evaluator for what onnxruntime does not take yet."""
        self.put(file, content)
        run = evaluator(self.folder / file)
        runs = []
        for feed in feeds or ({"x": X},):
            outputs = run(feed)
            runs.append(dict(feeds={k: plain(v) for k, v in feed.items()}, outputs={o.name: plain(v) for o, v in zip(content.graph.output, outputs)}))
        self.entries.append(dict(file=file, expect="ok", about=about, runs=runs, **facts))


def evaluator(path):
    """A function from feeds to the list of outputs."""
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        needed = {i.name for i in session.get_inputs()}
        return lambda feed: session.run(None, {k: v for k, v in feed.items() if k in needed})
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
        print(f"{path.name}: onnx's evaluator, because {str(error)[:150]}")
        return lambda feed: ReferenceEvaluator(str(path)).run(None, feed)


def plain(array):
    array = np.asarray(array)
    return dict(dtype=helper.np_dtype_to_tensor_dtype(array.dtype), shape=list(array.shape), data=numbers(array, None))


def numbers(array, count=8):
    """Leading elements as JSON can hold them."""
    flat = np.asarray(array).reshape(-1)[:count]
    if flat.dtype.kind in "OSU":
        return [v.decode() if isinstance(v, bytes) else str(v) for v in flat]
    if flat.dtype.kind == "c":
        flat = np.stack([flat.real, flat.imag], -1).reshape(-1)[:count]
    if flat.dtype.kind in "iub":
        return [int(v) for v in flat]
    return [v if math.isfinite(v) else str(v) for v in map(float, flat)]


def fact(name, tensor):
    """What a reader must find: `tensor` is a TensorProto or an array."""
    array = numpy_helper.to_array(tensor) if isinstance(tensor, TensorProto) else np.asarray(tensor)
    number = tensor.data_type if isinstance(tensor, TensorProto) else helper.np_dtype_to_tensor_dtype(array.dtype)
    return dict(name=name, dtype=number, shape=list(array.shape), first=numbers(array))


# Element types

# name: (values, first opset and IR version whose Identity takes the type). Sub-byte types have an odd count on purpose.
TYPES = {
    "FLOAT": ([0.0, -1.5, 3.25, 1e-40, math.inf, -math.inf, math.nan, 3.4028234e38, 0.1], 17, 8),
    "UINT8": ([0, 1, 127, 128, 255], 17, 8),
    "INT8": ([0, 1, 127, -128, -1], 17, 8),
    "UINT16": ([0, 1, 32768, 65535, 7], 17, 8),
    "INT16": ([0, 1, 32767, -32768, -1], 17, 8),
    "INT32": ([0, 1, 2147483647, -2147483648, -1], 17, 8),
    "INT64": ([0, 1, 2**63 - 1, -(2**63), -1], 17, 8),
    "STRING": (["", "a", "naïve", "a longer text", "x" * 300], 17, 8),
    "BOOL": ([True, False, False, True, True], 17, 8),
    "FLOAT16": ([0.0, -1.5, 65504.0, 6e-8, math.inf, math.nan, 0.1], 17, 8),
    "DOUBLE": ([0.0, -1.5, 1e300, 5e-324, 0.1], 17, 8),
    "UINT32": ([0, 1, 2**32 - 1, 2**31, 7], 17, 8),
    "UINT64": ([0, 1, 2**64 - 1, 2**63, 7], 17, 8),
    "COMPLEX64": ([1 + 2j, -0.5j, 3.0, 0.1 - 0.2j, 0], 17, 8),
    "COMPLEX128": ([1 + 2j, -0.5j, 3.0, 0.1 - 0.2j, 0], 17, 8),
    "BFLOAT16": ([0.0, -1.5, 3.0e38, 0.1, math.inf, math.nan, 1e-39], 17, 8),
    "FLOAT8E4M3FN": ([0.0, -1.5, 448.0, 0.1, 0.001953125], 19, 9),
    "FLOAT8E4M3FNUZ": ([0.0, -1.5, 240.0, 0.1, 0.0009765625], 19, 9),
    "FLOAT8E5M2": ([0.0, -1.5, 57344.0, 0.1, 1.52587890625e-05], 19, 9),
    "FLOAT8E5M2FNUZ": ([0.0, -1.5, 57344.0, 0.1, 7.62939453125e-06], 19, 9),
    "UINT4": ([0, 1, 7, 8, 15], 21, 10),
    "INT4": ([0, 1, 7, -8, -1], 21, 10),
    "FLOAT4E2M1": ([0.0, 0.5, -1.5, 6.0, -6.0], 23, 11),
    "FLOAT8E8M0": ([1.0, 2.0, 0.5, 1024.0, 2.0**-127], 24, 12),
    "UINT2": ([0, 1, 2, 3, 3], 25, 13),
    "INT2": ([0, 1, -2, -1, 1], 25, 13),
}
PACKED = {"UINT4": 2, "INT4": 2, "FLOAT4E2M1": 2, "UINT2": 4, "INT2": 4}


def element_types(write):
    for name, (values, opset, ir) in TYPES.items():
        dtype = TensorProto.DataType.Value(name)
        for form in ("raw", "typed"):
            if name == "STRING" and form == "raw":
                continue
            tensor = typed_tensor(name, dtype, values) if form == "typed" else raw_tensor(name, dtype, values)
            node = helper.make_node("Identity", ["w"], ["y"])
            content = model([node], [], [value("y", [len(values)], dtype)], [tensor], opset, ir)
            write.ok(f"types/{dtype:02}-{name.lower()}-{form}.onnx", content, f"{name} weight as {form} data", values=[fact("w", tensor)])
    for number, count in ((27, 3), (28, 3)):
        content = model([helper.make_node("Identity", ["w"], ["y"])], [], [value("y", [4], number)], [TensorProto(name="w", data_type=number, dims=[4], raw_data=bytes(count))], 28, 14)
        write.any(f"types/{number}-float6-raw.onnx", content, "six-bit floats of IR version 14")
    for number, about in ((0, "undefined"), (99, "unknown")):
        broken = relu()
        broken.graph.initializer.append(TensorProto(name="w", data_type=number, dims=[1], raw_data=b"\0\0\0\0"))
        write.error(f"types/{number:02}-{about}.onnx", broken, f"weight of element type {number}", "w", "type|dtype")


def array_of(name, dtype, values):
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        wide = {"STRING": object, "UINT64": np.uint64}.get(name)
        return np.array(values, dtype=wide).astype(wide or numpy_type)


def raw_tensor(name, dtype, values):
    return numpy_helper.from_array(array_of(name, dtype, values), "w")


def typed_tensor(name, dtype, values):
    """float_data, int32_data and so on: types of 16 bits and fewer as bit patterns, sub-byte types packed."""
    if name == "STRING":
        return TensorProto(name="w", data_type=dtype, dims=[len(values)], string_data=[v.encode() for v in values])
    array = array_of(name, dtype, values)
    tensor = TensorProto(name="w", data_type=dtype, dims=[len(values)])
    if name in ("FLOAT", "COMPLEX64"):
        tensor.float_data.extend(array.view(np.float32))
    elif name in ("DOUBLE", "COMPLEX128"):
        tensor.double_data.extend(array.view(np.float64))
    elif name == "INT64":
        tensor.int64_data.extend(array)
    elif name in ("UINT32", "UINT64"):
        tensor.uint64_data.extend(int(v) for v in array)
    elif name in PACKED or name.startswith("FLOAT8"):
        tensor.int32_data.extend(raw_tensor(name, dtype, values).raw_data)
    elif name in ("FLOAT16", "BFLOAT16"):
        tensor.int32_data.extend(int(v) for v in array.view(np.uint16))
    else:
        tensor.int32_data.extend(int(v) for v in array)
    return tensor


# Tensors: sizes, constants, sparse


def tensors(write):
    def with_weight(tensor, name="w"):
        return model([helper.make_node("Add", ["x", name], ["y"], "add")], weights=[tensor])

    def damaged(dims, floats=None, raw=None):
        tensor = TensorProto(name="w", data_type=F, dims=dims)
        tensor.float_data.extend(floats or [])
        if raw is not None:
            tensor.raw_data = raw
        return with_weight(tensor)

    write.error("tensors/short-typed.onnx", damaged([4], [1.0, 2.0]), "float_data shorter than dims", "w", "4", "2")
    write.error("tensors/long-typed.onnx", damaged([2], [1.0, 2.0, 3.0]), "float_data longer than dims", "w", "2", "3")
    write.error("tensors/short-raw.onnx", damaged([4], raw=bytes(12)), "raw_data shorter than dims", "w", "16|4", "12|3")
    write.error("tensors/long-raw.onnx", damaged([2], raw=bytes(12)), "raw_data longer than dims", "w", "8|2", "12|3")
    write.error("tensors/odd-raw.onnx", damaged([2], raw=bytes(7)), "raw_data of no whole number of elements", "w", "8|2", "7")
    write.error("tensors/no-data.onnx", damaged([4]), "no data at all", "w")
    write.any("tensors/both-data.onnx", damaged([1], [1.0], bytes(4)), "raw and typed data")
    write.error("tensors/negative-dim.onnx", damaged([-1, 4], [1.0] * 4), "negative dimension", "w", "-1|negative")
    write.error("tensors/two-negative-dims.onnx", damaged([-2, -2], [1.0] * 4), "negative dimensions whose product is right", "w", "-2|negative")
    write.error("tensors/overflowing-dims.onnx", damaged([2**62, 2**62]), "element count overflows", "w", "overflow|large|big|size|elements|data|bytes")
    write.error("tensors/wrapping-dims.onnx", damaged([2**32, 2**32]), "element count wraps around to 0", "w", "overflow|large|big|size|elements|data|bytes")
    write.error("tensors/large-dims.onnx", damaged([2**40]), "a terabyte declared, nothing there", "w")
    write.any("tensors/zero-times-huge.onnx", damaged([0, 2**62, 4]), "no elements, but a product that overflows before the zero")
    empty = with_weight(weight("w", np.zeros((0, 4), np.float32)))
    write.ok("tensors/empty.onnx", empty, "no elements", values=[dict(name="w", dtype=1, shape=[0, 4], first=[])])
    scalar = with_weight(weight("w", np.float32(2.5)))
    write.runs("tensors/scalar.onnx", scalar, "rank 0", values=[fact("w", np.float32(2.5))])
    many = with_weight(weight("w", np.arange(4, dtype=np.float32).reshape([1] * 19 + [4])))
    write.any("tensors/rank-20.onnx", many, "more axes than a fixed-size shape may hold")
    segment = TensorProto(name="w", data_type=F, dims=[4], float_data=[1, 2, 3, 4])
    segment.segment.begin, segment.segment.end = 0, 4
    write.any("tensors/segment.onnx", with_weight(segment), "segmented storage, never used")
    nameless = with_weight(TensorProto(data_type=F, dims=[4], float_data=[1, 2, 3, 4]))
    write.error("tensors/nameless.onnx", nameless, "a weight without a name, and a node that names it", "w")
    constants(write)
    sparse(write)


def constants(write):
    """Every form of the Constant node."""
    forms = [
        helper.make_node("Constant", [], ["a"], value=weight("", np.arange(4, dtype=np.float32))),
        helper.make_node("Constant", [], ["b"], value_float=0.5),
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0, 4.0]),
        helper.make_node("Constant", [], ["d"], value_int=3),
        helper.make_node("Constant", [], ["e"], value_ints=[1, 4]),
        helper.make_node("Constant", [], ["unused_text"], value_string="text"),
        helper.make_node("Constant", [], ["unused_texts"], value_strings=["a", "b"]),
        helper.make_node("Cast", ["d"], ["d_float"], to=F),
        helper.make_node("Sum", ["x", "a", "b", "c", "d_float"], ["s"]),
        helper.make_node("Reshape", ["s", "e"], ["y"]),
    ]
    write.runs("tensors/constant-forms.onnx", model(forms), "Constant by tensor, number, list and text")
    write.error("tensors/constant-empty.onnx", model([helper.make_node("Constant", [], ["c"], "empty"), helper.make_node("Add", ["x", "c"], ["y"])]),
                "Constant without a value", "empty|Constant", "value|attribute")
    bomb = [helper.make_node("ConstantOfShape", ["size"], ["c"]), helper.make_node("ReduceSum", ["c"], ["s"], keepdims=0), helper.make_node("Add", ["x", "s"], ["y"])]
    write.any("tensors/folding-bomb.onnx", model(bomb, weights=[weight("size", np.array([2**40], np.int64))]), "constants that would fold to a terabyte")


def sparse(write):
    def with_sparse(values, indices, dims):
        content = model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [3, 4])], [value("y", [3, 4])], ir=8)
        content.graph.sparse_initializer.append(helper.make_sparse_tensor(weight("w", np.array(values, np.float32)), weight("", np.array(indices, np.int64)), dims))
        return content

    dense = np.zeros((3, 4), np.float32)
    dense.reshape(-1)[[1, 6, 11]] = [1.0, 2.0, 3.0]
    run = dict(feeds={"x": plain(np.ones((3, 4), np.float32))}, outputs={"y": plain(dense + 1)})
    facts = dict(values=[fact("w", dense)], runs=[run])
    write.ok("sparse/linear.onnx", with_sparse([1, 2, 3], [1, 6, 11], [3, 4]), "sparse weight, linear indices", **facts)
    write.ok("sparse/coordinates.onnx", with_sparse([1, 2, 3], [[0, 1], [1, 2], [2, 3]], [3, 4]), "sparse weight, one row of coordinates per value", **facts)
    none = dict(values=[fact("w", np.zeros((3, 4), np.float32))], runs=[dict(feeds=run["feeds"], outputs={"y": plain(np.ones((3, 4), np.float32))})])
    write.ok("sparse/none.onnx", with_sparse([], [], [3, 4]), "sparse weight without values", **none)
    write.error("sparse/out-of-range.onnx", with_sparse([1, 2, 3], [1, 6, 12], [3, 4]), "index past the end", "w", "12|index|range")
    write.error("sparse/negative.onnx", with_sparse([1, 2, 3], [-1, 6, 11], [3, 4]), "negative index", "w", "-1|index|range")
    write.error("sparse/coordinate-out-of-range.onnx", with_sparse([1], [[0, 4]], [3, 4]), "column past the end", "w", "4|index|range")
    write.error("sparse/count.onnx", with_sparse([1, 2, 3], [1, 6], [3, 4]), "fewer indices than values", "w", "indices|index|values")
    write.error("sparse/huge.onnx", with_sparse([1], [0], [2**31, 2**31]), "dense size of 2^62 elements", "w")


# External data


def external(write):
    data = np.arange(64, dtype=np.float32)
    write.put("external/weights.bin", data.tobytes())
    write.put("external/folder/weights.bin", (data + 100).tobytes())

    def content(count=4, dtype=F, **keys):
        tensor = TensorProto(name="w", data_type=dtype, dims=[count], data_location=TensorProto.EXTERNAL)
        for key, text in keys.items():
            tensor.external_data.add(key=key, value=str(text))
        return model([helper.make_node("Add", ["x", "w"], ["y"])], weights=[tensor])

    def good(file, about, expected, **keys):
        run = dict(feeds={"x": plain(X)}, outputs={"y": plain(X + expected)})
        write.ok(f"external/{file}.onnx", content(**keys), about, values=[fact("w", expected)], runs=[run])

    good("offset-and-length", "offset and length", data[16:20], location="weights.bin", offset=64, length=16)
    good("offset-only", "offset without length: as much as the dims need", data[16:20], location="weights.bin", offset=64)
    good("at-the-end", "the last bytes of the file", data[60:], location="weights.bin", offset=240, length=16)
    good("folder", "in a folder below the model", data[2:6] + 100, location="folder/weights.bin", offset=8, length=16)
    good("checksum", "with a checksum, which may be ignored", data[:4], location="weights.bin", offset=0, length=16, checksum="da39a3ee5e6b4b0d3255bfef95601890afd80709")
    unaligned = np.frombuffer(data.tobytes()[2:18], np.float32)
    assert np.isfinite(unaligned).all()
    good("unaligned", "offset that is no multiple of the element size", unaligned, location="weights.bin", offset=2, length=16)

    def evil(file, about, *words, **keys):
        write.error(f"external/{file}.onnx", content(**keys), about, "w", *words)

    inside = "location|path|folder|outside|external|relative|absolute"
    evil("parent", "a file outside the model's folder, by ..", inside, location="../truncated/relu.onnx", length=16)
    evil("parent-deep", "the same behind a folder that exists", inside, location="folder/../../truncated/relu.onnx", length=16)
    evil("absolute", "an absolute path", inside, location="/etc/passwd", length=16)
    evil("symlink", "a symbolic link to a file outside the folder", "link|outside|location|path|folder", location="link.bin", length=16)
    evil("symlink-folder", "a folder that is a symbolic link to one outside", "link|outside|location|path|folder", location="linked/relu.onnx", length=16)
    evil("device", "a device, endless to read", inside, location="/dev/zero", length=16)
    evil("missing", "no such file", "nowhere.bin", location="nowhere.bin", length=16)
    evil("directory", "a folder instead of a file", "folder", location="folder", length=16)
    evil("no-location", "no location", "location", offset=0, length=16)
    evil("empty-location", "an empty location", "location|path|file", location="", length=16)
    evil("offset-past-end", "offset past the end of the file", "weights.bin", "256|1000", location="weights.bin", offset=1000, length=16)
    evil("length-past-end", "length past the end of the file", "weights.bin", location="weights.bin", offset=248, length=16)
    evil("length-short", "length shorter than the dims need", "8", "16", location="weights.bin", offset=0, length=8)
    evil("length-long", "length longer than the dims need", "32", "16", location="weights.bin", offset=0, length=32)
    evil("offset-negative", "negative offset", "-4|offset", location="weights.bin", offset=-4, length=16)
    evil("offset-text", "an offset that is no number", "many|offset", location="weights.bin", offset="many", length=16)
    evil("offset-overflow", "offset plus length overflows 64 bits", "offset|length|range|end|size", location="weights.bin", offset=2**63 - 8, length=16)
    evil("offset-beyond-64-bits", "an offset that 64 bits do not hold", "offset", location="weights.bin", offset=2**70, length=16)
    evil("text-type", "external texts, which the standard excludes", "string|type|external", dtype=TensorProto.STRING, location="weights.bin", length=16)
    evil("nul-in-location", "a location with a NUL inside", "location|path|nul|zero|external", location="weights.bin\0.png", length=16)
    for name, target in (("link.bin", "../truncated/relu.onnx"), ("linked", "../truncated")):
        link = write.folder / "external" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)


# Local functions


def functions(write):
    domain = "local"
    standard = [helper.make_opsetid("", 17)]
    both = standard + [helper.make_opsetid(domain, 1)]

    def function(name, inputs, outputs, nodes, attributes=(), defaults=(), imports=standard):
        return helper.make_function(domain, name, inputs, outputs, nodes, imports, list(attributes), list(defaults))

    def reference(node, name, outer, kind):
        node.attribute.append(AttributeProto(name=name, ref_attr_name=outer, type=kind))
        return node

    def call(name, inputs, outputs, **attributes):
        return helper.make_node(name, inputs, outputs, f"{name}_{outputs[0]}", domain=domain, **attributes)

    def leaky(defaults=()):
        attributes = [] if defaults else ["slope"]
        node = reference(helper.make_node("LeakyRelu", ["a"], ["b"]), "alpha", "slope", AttributeProto.FLOAT)
        return function("Leaky", ["a"], ["b"], [node], attributes, defaults)

    def using(*nodes, functions, **options):
        return model(list(nodes), functions=functions, domains=[domain], **options)

    slope = helper.make_attribute("slope", 0.25)
    write.runs("functions/attribute.onnx", using(call("Leaky", ["x"], ["y"], slope=0.5), functions=[leaky()]), "attribute of the call used inside")
    write.runs("functions/default.onnx", using(call("Leaky", ["x"], ["y"]), functions=[leaky([slope])]), "default of an attribute")
    write.runs("functions/default-overridden.onnx", using(call("Leaky", ["x"], ["y"], slope=0.5), functions=[leaky([slope])]), "default that the call replaces")
    optional = using(call("Leaky", ["x"], ["y"]), functions=[leaky()])
    evaluator = X.copy()
    evaluator[X < 0] *= np.float32(0.01)
    write.ok("functions/attribute-absent.onnx", optional, "attribute that neither the call nor a default gives: the inner operator's own default",
             runs=[dict(feeds={"x": plain(X)}, outputs={"y": plain(evaluator)})])
    twice = using(call("Leaky", ["x"], ["h"], slope=0.5), call("Leaky", ["h"], ["y"], slope=0.25), functions=[leaky()])
    write.runs("functions/twice.onnx", twice, "two calls: inner names must not clash")
    shadow = function("Shadow", ["h"], ["y"], [helper.make_node("Neg", ["h"], ["x"]), helper.make_node("Relu", ["x"], ["y"])])
    names = using(helper.make_node("Neg", ["x"], ["h"]), call("Shadow", ["h"], ["s"]), helper.make_node("Add", ["s", "x"], ["y"]), functions=[shadow])
    write.runs("functions/names.onnx", names, "inner names equal to outer ones, with other meaning")
    inner = function("Inner", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])])
    outer = function("Outer", ["a"], ["b"], [call("Inner", ["a"], ["h"]), helper.make_node("Relu", ["h"], ["b"])], imports=both)
    write.runs("functions/nested.onnx", using(call("Outer", ["x"], ["y"]), functions=[inner, outer]), "a function that calls a function")
    write.runs("functions/nested-later.onnx", using(call("Outer", ["x"], ["y"]), functions=[outer, inner]), "the called function is listed after the caller")
    passing = function("Passing", ["a"], ["b"], [reference(call("Leaky", ["a"], ["b"]), "slope", "outer_slope", AttributeProto.FLOAT)], ["outer_slope"], imports=both)
    write.runs("functions/attribute-passed-on.onnx", using(call("Passing", ["x"], ["y"], outer_slope=0.125), functions=[passing, leaky()]), "attribute handed through two functions")
    two = function("Two", ["a", "b"], ["s", "d"], [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Sub", ["a", "b"], ["d"])])
    write.runs("functions/two-outputs.onnx", using(call("Two", ["x", "x"], ["u", "v"]), helper.make_node("Sub", ["u", "v"], ["y"]), functions=[two]), "two inputs and outputs")
    write.any("functions/output-left-out.onnx", using(call("Two", ["x", "x"], ["y"]), functions=[two]), "fewer outputs than the function has")
    limits = function("Limits", ["a", "low", "high"], ["b"], [helper.make_node("Clip", ["a", "low", "high"], ["b"])])
    left_out = using(call("Limits", ["x", "", "top"], ["y"]), functions=[limits], weights=[weight("top", np.float32(1.0))])
    write.ok("functions/input-left-out.onnx", left_out, "optional input left out inside the function",
             runs=[dict(feeds={"x": plain(X)}, outputs={"y": plain(np.minimum(X, 1))})])
    overloads(write, domain, call, function)
    branches(write, using, call, function)

    recursive = function("Again", ["a"], ["b"], [call("Again", ["a"], ["b"])], imports=both)
    write.error("functions/recursive.onnx", using(call("Again", ["x"], ["y"]), functions=[recursive]), "a function that calls itself", "Again", "recurs|cycl|itself|nest|depth|deep")
    ping = function("Ping", ["a"], ["b"], [call("Pong", ["a"], ["b"])], imports=both)
    pong = function("Pong", ["a"], ["b"], [call("Ping", ["a"], ["b"])], imports=both)
    write.error("functions/mutually-recursive.onnx", using(call("Ping", ["x"], ["y"]), functions=[ping, pong]), "two functions that call each other", "Ping|Pong", "recurs|cycl|itself|nest|depth|deep")
    write.error("functions/unknown.onnx", using(call("Nowhere", ["x"], ["y"]), functions=[]), "operator of a domain that no function defines", "Nowhere", "local")
    too_many = using(call("Leaky", ["x", "x"], ["y"]), functions=[leaky([slope])])
    write.error("functions/too-many-inputs.onnx", too_many, "more inputs than the function has", "Leaky", "input")
    twins = using(call("Leaky", ["x"], ["y"]), functions=[leaky([slope]), leaky([slope])])
    write.error("functions/duplicate.onnx", twins, "two functions of one name and overload", "Leaky", "twice|duplicate|two|more than once|already")
    unset = function("Unset", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["c"])])
    write.error("functions/output-unset.onnx", using(call("Unset", ["x"], ["y"]), functions=[unset]), "an output that no node computes", "b")
    write.error("functions/bomb.onnx", using(call("F40", ["x"], ["y"]), functions=doubling(function, call, both, 40)), "forty functions that each call the previous twice: 2^40 nodes",
                "large|big|nodes|limit|many|expan|nest|depth|deep")


def doubling(function, call, imports, depth):
    chain = [function("F0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])])]
    for level in range(1, depth + 1):
        nodes = [call(f"F{level - 1}", ["a"], ["h"]), call(f"F{level - 1}", ["h"], ["b"])]
        chain.append(function(f"F{level}", ["a"], ["b"], nodes, imports=imports))
    return chain


def overloads(write, domain, call, function):
    """IR version 10: functions of one name told apart by `overload`."""
    plus = function("Step", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])])
    minus = function("Step", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])])
    plus.overload, minus.overload = "plus", "minus"
    first, second = call("Step", ["x"], ["h"]), call("Step", ["h"], ["y"])
    first.overload, second.overload = "plus", "minus"
    content = model([first, second], functions=[plus, minus], domains=[domain], ir=10, opset=21)
    write.ok("functions/overloads.onnx", content, "two functions of one name with different overloads",
             runs=[dict(feeds={"x": plain(X)}, outputs={"y": plain(-np.maximum(X, 0))})])
    missing = call("Step", ["x"], ["y"])
    missing.overload = "sideways"
    write.error("functions/overload-unknown.onnx", model([missing], functions=[plus, minus], domains=[domain], ir=10, opset=21), "an overload that no function has", "Step")


def branches(write, using, call, function):
    """A function whose If reads the function's input from an outer scope."""
    body = [helper.make_node("If", ["condition"], ["b"], then_branch=branch("Relu", "a"), else_branch=branch("Neg", "a"))]
    choose = function("Choose", ["a", "condition"], ["b"], body)
    content = using(call("Choose", ["x", "c"], ["y"]), functions=[choose], inputs=[value("x"), value("c", [], TensorProto.BOOL)])
    write.runs("functions/if-inside.onnx", content, "If inside a function, its branches read the function's input",
               {"x": X, "c": np.array(True)}, {"x": X, "c": np.array(False)})


# Subgraphs


def branch(op, source, result="r"):
    return helper.make_graph([helper.make_node(op, [source], [result])], "branch", [], [value(result)])


def nested_if(depth):
    """If in the then branch of an If, `depth` levels; every branch reads x from the outermost scope."""
    then = branch("Relu", "x")
    for level in range(depth - 1):
        node = helper.make_node("If", ["c"], [f"r{level}"], then_branch=then, else_branch=branch("Neg", "x"))
        then = helper.make_graph([node], f"level{level}", [], [value(f"r{level}")])
    return helper.make_node("If", ["c"], ["y"], "outermost", then_branch=then, else_branch=branch("Abs", "x"))


def field(number, payload):
    """One length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(number):
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def deep_if(depth):
    """The same as bytes, for depths that a protobuf library does not build: then and else branch differ by one level."""
    inner = branch("Relu", "x").SerializeToString()
    other = field(5, AttributeProto(name="else_branch", type=AttributeProto.GRAPH, g=branch("Neg", "x")).SerializeToString())
    output = field(12, value("y").SerializeToString())
    for _ in range(depth):
        then = field(5, field(1, b"then_branch") + field(6, inner) + varint(20 << 3) + varint(AttributeProto.GRAPH))
        node = field(1, b"c") + field(2, b"y") + field(4, b"If") + then + other
        inner = field(1, node) + field(2, b"deep") + output
    inputs = b"".join(field(11, i.SerializeToString()) for i in (value("x"), value("c", [], TensorProto.BOOL)))
    opset = field(8, helper.make_opsetid("", 17).SerializeToString())
    return varint(1 << 3) + varint(8) + field(7, inner + inputs) + opset


def subgraphs(write):
    inputs = [value("x"), value("c", [], TensorProto.BOOL)]
    feeds = [{"x": X, "c": np.array(True)}, {"x": X, "c": np.array(False)}]
    write.runs("subgraphs/if.onnx", model([nested_if(1)], inputs), "If", *feeds)
    write.runs("subgraphs/if-5.onnx", model([nested_if(5)], inputs), "If in If, five deep", *feeds)
    assert onnx.load_from_string(deep_if(2)).graph.node[0].attribute[0].g.node[0].op_type == "If"
    write.any("subgraphs/if-30.onnx", deep_if(30), "thirty deep: within the nesting that protobuf reads by default")
    write.error("subgraphs/if-1000.onnx", deep_if(1000), "a thousand deep", "nest|deep|depth|recurs|parse|damaged")
    constant = model([helper.make_node("Constant", [], ["c"], value=weight("", np.array(True))), nested_if(1)])
    write.runs("subgraphs/if-constant.onnx", constant, "a condition known at load time")
    held = helper.make_graph([helper.make_node("Add", ["x", "k"], ["r"])], "held", [], [value("r")], [weight("k", np.float32(10))])
    node = helper.make_node("If", ["c"], ["y"], then_branch=held, else_branch=branch("Neg", "x"))
    write.runs("subgraphs/if-weight.onnx", model([node], inputs), "a weight inside a branch", *feeds)
    late = helper.make_node("If", ["c"], ["h"], "early", then_branch=branch("Relu", "later"), else_branch=branch("Neg", "x"))
    order = [late, helper.make_node("Neg", ["x"], ["later"]), helper.make_node("Add", ["h", "later"], ["y"])]
    write.any("subgraphs/if-reads-later-value.onnx", model(order, inputs), "a branch reads an outer value that is computed after the If")
    unknown = helper.make_node("If", ["c"], ["y"], "broken", then_branch=branch("Relu", "nowhere"), else_branch=branch("Neg", "x"))
    write.error("subgraphs/if-dangling.onnx", model([unknown], inputs), "a branch reads a value that does not exist", "nowhere")
    single = helper.make_node("If", ["c"], ["y"], "single", then_branch=branch("Relu", "x"))
    write.error("subgraphs/if-without-else.onnx", model([single], inputs), "no else branch", "else_branch")
    uneven = helper.make_node("If", ["c"], ["y", "z"], "uneven", then_branch=branch("Relu", "x"), else_branch=branch("Neg", "x"))
    write.error("subgraphs/if-outputs.onnx", model([uneven], inputs, [value("y"), value("z")]), "two outputs, branches with one", "uneven|If", "output")
    empty = helper.make_graph([], "empty", [], [value("x")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=empty, else_branch=branch("Neg", "x"))
    passing = model([node], inputs)
    write.any("subgraphs/if-outer-output.onnx", passing, "a branch without nodes whose output is an outer value")
    shadowing = helper.make_graph([helper.make_node("Relu", ["x"], ["h"])], "shadowing", [], [value("h")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=shadowing, else_branch=branch("Neg", "h"))
    write.any("subgraphs/if-shadow.onnx", model([helper.make_node("Neg", ["x"], ["h"]), node], inputs), "a branch reuses the name of an outer value, which the standard forbids")


# Graph structure


def structure(write):
    node = helper.make_node
    write.error("graph/duplicate-output.onnx", model([node("Relu", ["x"], ["y"], "first"), node("Neg", ["x"], ["y"], "second")]), "two nodes compute one value", "y", "twice|duplicate|two|more than once|already")
    write.error("graph/output-is-input.onnx", model([node("Relu", ["x"], ["x"], "relu")], outputs=[value("x")]), "a node computes the graph's input", "x", "twice|duplicate|two|more than once|already|input")
    twins = model([node("Add", ["x", "w"], ["y"])], weights=[weight("w", np.ones(4, np.float32)), weight("w", np.zeros(4, np.float32))])
    write.error("graph/duplicate-weight.onnx", twins, "two weights of one name", "w", "twice|duplicate|two|more than once|already")
    clash = model([node("Relu", ["x"], ["w"], "relu"), node("Neg", ["w"], ["y"])], weights=[weight("w", np.ones(4, np.float32))])
    write.error("graph/weight-and-output.onnx", clash, "a weight and a node's output of one name", "w", "twice|duplicate|two|more than once|already")
    write.error("graph/duplicate-input.onnx", model([node("Relu", ["x"], ["y"])], [value("x"), value("x")]), "two inputs of one name", "x", "twice|duplicate|two|more than once|already")
    names = model([node("Relu", ["x"], ["h"], "same"), node("Neg", ["h"], ["y"], "same")])
    write.runs("graph/duplicate-node-name.onnx", names, "two nodes of one name, which happens")
    nameless = model([node("Relu", ["x"], ["h"]), node("Neg", ["h"], ["y"])])
    write.runs("graph/nameless-nodes.onnx", nameless, "nodes without names")
    weights = [weight("w", np.arange(4, dtype=np.float32))]
    listed = model([node("Add", ["x", "w"], ["y"])], [value("x"), value("w", [4])], weights=weights, opset=8, ir=3)
    write.runs("graph/weight-is-input.onnx", listed, "IR 3: weights are listed as inputs too, and need not be fed", values=[fact("w", np.arange(4, dtype=np.float32))])
    write.error("graph/cycle.onnx", model([node("Add", ["x", "b"], ["a"], "one"), node("Relu", ["a"], ["b"], "two"), node("Neg", ["b"], ["y"])]), "two nodes that need each other", "one|two|a|b", "cycl|order|itself|before|computed|not found|unknown")
    write.error("graph/self-cycle.onnx", model([node("Add", ["x", "y"], ["y"], "self")]), "a node that needs its own output", "y|self")
    write.any("graph/unsorted.onnx", model([node("Neg", ["h"], ["y"]), node("Relu", ["x"], ["h"])]), "nodes in the wrong order")
    write.error("graph/dangling-input.onnx", model([node("Add", ["x", "nowhere"], ["y"], "add")]), "a node reads a value that does not exist", "nowhere", "add")
    write.error("graph/dangling-output.onnx", model([node("Relu", ["x"], ["h"])]), "an output that nothing computes", "y")
    write.error("graph/no-outputs.onnx", model([node("Relu", ["x"], ["h"])], outputs=[]), "no outputs", "output")
    write.error("graph/empty-output-name.onnx", model([node("Relu", ["x"], [""])]), "a node whose only output is empty, and an output that nothing computes", "y")
    write.any("graph/empty.onnx", model([], [], []), "nothing at all")
    passing = model([], outputs=[value("x")])
    write.ok("graph/input-is-output.onnx", passing, "the output is the input", runs=[dict(feeds={"x": plain(X)}, outputs={"x": plain(X)})])
    held = model([node("Relu", ["x"], ["y"])], outputs=[value("y"), value("w", [4])], weights=weights)
    write.runs("graph/weight-is-output.onnx", held, "an output is a weight")
    write.runs("graph/output-twice-used.onnx", model([node("Relu", ["x"], ["y"]), node("Neg", ["y"], ["z"])], outputs=[value("y"), value("z")]), "an output that a node reads too")
    unused = model([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["unused"])], [value("x"), value("unneeded")], weights=[weight("spare", np.ones(2, np.float32))])
    write.runs("graph/unused.onnx", unused, "an input, a weight and a node that nothing needs", {"x": X, "unneeded": X})
    clip = model([node("Clip", ["x", "", "top"], ["h"]), node("Clip", ["h", "", ""], ["y"])], weights=[weight("top", np.float32(1))])
    write.runs("graph/optional-inputs.onnx", clip, "empty names for optional inputs, in the middle and at the end")
    odd = 'a name with spaces/ünïcödé"quotes"\\\n\ttabs'
    write.runs("graph/odd-names.onnx", model([node("Relu", ["x"], [odd], odd), node("Neg", [odd], ["y"])]), "names with spaces, quotes, line breaks and letters beyond ASCII")
    long = "n" * 100_000
    write.runs("graph/long-name.onnx", model([node("Relu", ["x"], [long]), node("Neg", [long], ["y"])]), "a name of 100,000 bytes")
    chain = [node("Relu", ["x"], ["h0"])] + [node("Neg", [f"h{i}"], [f"h{i + 1}"]) for i in range(5000)] + [node("Identity", ["h5000"], ["y"])]
    write.runs("graph/long-chain.onnx", model(chain), "5,002 nodes in a row: no recursion per node")
    arity(write)
    attributes(write)
    dims(write)


def arity(write):
    node = helper.make_node

    def wrong(file, about, broken, *words, **options):
        write.error(f"arity/{file}.onnx", model([broken], **options), about, broken.op_type, "bad", *words)

    wrong("relu-2", "Relu with two inputs", node("Relu", ["x", "x"], ["y"], "bad"), "input", "2|two|1|one")
    wrong("relu-0", "Relu without inputs", node("Relu", [], ["y"], "bad"), "input")
    wrong("relu-empty", "Relu with an empty input", node("Relu", [""], ["y"], "bad"), "input")
    wrong("add-1", "Add with one input", node("Add", ["x"], ["y"], "bad"), "input")
    wrong("add-3", "Add with three inputs", node("Add", ["x", "x", "x"], ["y"], "bad"), "input")
    wrong("conv-1", "Conv without weights", node("Conv", ["x"], ["y"], "bad"), "input")
    wrong("relu-outputs", "Relu with two outputs", node("Relu", ["x"], ["y", "z"], "bad"), "output", outputs=[value("y"), value("z")])
    wrong("concat-0", "Concat without inputs", node("Concat", [], ["y"], "bad", axis=0), "input")


def attributes(write):
    node = helper.make_node

    def wrong(file, about, broken, *words):
        write.error(f"attributes/{file}.onnx", model([broken]), about, broken.op_type, *words)

    wrong("missing", "Concat without its axis", node("Concat", ["x", "x"], ["y"], "bad"), "axis")
    wrong("missing-to", "Cast without its type", node("Cast", ["x"], ["y"], "bad"), "to")
    wrong("wrong-type", "Concat with a text as axis", node("Concat", ["x", "x"], ["y"], "bad", axis="one"), "axis")
    wrong("out-of-range", "Concat along axis 7", node("Concat", ["x", "x"], ["y"], "bad", axis=7), "axis|7")
    wrong("unknown-cast", "Cast to element type 77", node("Cast", ["x"], ["y"], "bad", to=77), "77|type")
    wrong("reference-outside", "a reference to a function's attribute, outside any function",
          reference_outside(node("LeakyRelu", ["x"], ["y"], "bad")), "alpha|slope")
    untyped = node("LeakyRelu", ["x"], ["y"], "old")
    untyped.attribute.append(AttributeProto(name="alpha", f=0.5))
    write.any("attributes/untyped.onnx", model([untyped]), "no attribute type, as files of IR 1 have it")
    extra = node("Relu", ["x"], ["y"], "extra", nonsense=1)
    write.any("attributes/extra.onnx", model([extra]), "an attribute that the operator does not have")
    twice = node("LeakyRelu", ["x"], ["y"], "twice", alpha=0.5)
    twice.attribute.append(helper.make_attribute("alpha", 0.25))
    write.any("attributes/twice.onnx", model([twice]), "an attribute given twice")


def reference_outside(node):
    node.attribute.append(AttributeProto(name="alpha", ref_attr_name="slope", type=AttributeProto.FLOAT))
    return node


def dims(write):
    """Symbols and gaps in the declared shapes."""
    names = ["N", "-1", "", "unk__99", "p2o.DynamicDimension.1", "height + 2*pad"]
    content = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", names)], [value("y", names)])
    content.graph.input[0].type.tensor_type.shape.dim[2].Clear()
    negative = content.graph.output[0].type.tensor_type.shape.dim[1]
    negative.Clear()
    negative.dim_value = -1
    write.ok("graph/symbolic-dims.onnx", content, "dimensions as names, as an empty name, unset, and as -1",
             runs=[dict(feeds={"x": plain(-np.ones((1,) * 6, np.float32))}, outputs={"y": plain(np.zeros((1,) * 6, np.float32))})])
    shapeless = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    write.runs("graph/no-shape.onnx", shapeless, "no declared shapes")
    typeless = relu()
    typeless.graph.output[0].ClearField("type")
    write.any("graph/no-output-type.onnx", typeless, "an output without a type")
    blank = relu()
    blank.graph.input[0].ClearField("type")
    write.any("graph/no-input-type.onnx", blank, "an input without a type")
    wrong = model([helper.make_node("Relu", ["x"], ["y"])], outputs=[value("y", [7, 7])])
    write.any("graph/wrong-output-shape.onnx", wrong, "a declared output shape that is wrong")
    sequence = model([helper.make_node("SequenceConstruct", ["x"], ["s"]), helper.make_node("SequenceAt", ["s", "i"], ["y"])], weights=[weight("i", np.int64(0))])
    write.any("graph/sequence.onnx", sequence, "a sequence inside the graph")
    listed = model([helper.make_node("SequenceAt", ["s", "i"], ["y"])], [helper.make_tensor_sequence_value_info("s", F, None)], weights=[weight("i", np.int64(0))])
    write.any("graph/sequence-input.onnx", listed, "an input that is a sequence")


# Metadata, versions, operators, damage


def metadata(write):
    content = relu()
    content.doc_string, content.domain, content.model_version = "a model", "test.domain", 3
    content.producer_version = "1.2.3"
    content.graph.doc_string = "a graph"
    for key, text in (("author", "Ada"), ("empty", ""), ("ünïcödé", "值\n二"), ("long", "z" * 5000)):
        content.metadata_props.add(key=key, value=text)
    content.graph.node[0].doc_string = "a node"
    content.graph.node[0].metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'layer4', 'layer4.1', 'layer4.1.relu', 'relu_5']")
    content.graph.value_info.append(value("x"))
    content.graph.quantization_annotation.add(tensor_name="x")
    content.training_info.add()
    write.ok("metadata/all.onnx", content, "every descriptive field, and the module path of a node (layer4.1.relu)", module={"y": "layer4.1.relu"},
             metadata={"author": "Ada", "empty": "", "ünïcödé": "值\n二", "long": "z" * 5000, "producer": "pellucid-tests", "producer_version": "1.2.3",
                       "domain": "test.domain", "graph": "graph", "ir_version": "8", "opset": "17"})
    unknown = relu().SerializeToString() + field(999, b"from the future")
    write.ok("metadata/unknown-field.onnx", unknown, "a field that no version defines yet")
    text = relu()
    text.metadata_props.add(key="k", value="v")
    bad = text.SerializeToString().replace(b"\x0a\x01k\x12\x01v", b"\x0a\x01\xff\x12\x01\xfe")
    write.any("metadata/not-utf8.onnx", bad, "text that is not UTF-8")


def versions(write):
    for ir in range(3, 14):
        write.runs(f"versions/ir-{ir:02}.onnx", relu(opset=8, ir=ir), f"IR version {ir}")
    for opset in range(7, NEWEST_OPSET + 1):
        write.runs(f"versions/opset-{opset:02}.onnx", relu(opset=opset, ir=8), f"opset {opset}")
    write.any("versions/ir-14.onnx", relu(opset=28, ir=14), "IR version 14, the newest when this was written")
    write.any("versions/ir-01.onnx", relu(opset=7, ir=1), "IR version 1")
    write.any("versions/opset-01.onnx", relu(opset=1, ir=3), "opset 1")
    write.any("versions/opset-999.onnx", relu(opset=999), "an opset that does not exist yet")
    write.any("versions/ir-999.onnx", relu(ir=999), "an IR version that does not exist yet")
    write.error("versions/opset-0.onnx", relu(opset=0), "opset 0", "opset")
    negative = relu(opset=-5)
    write.error("versions/opset-negative.onnx", negative, "a negative opset", "opset")
    missing = relu()
    del missing.opset_import[:]
    write.any("versions/opset-missing.onnx", missing, "no opset at all")
    alias = relu()
    alias.opset_import[0].domain = "ai.onnx"
    alias.graph.node[0].domain = "ai.onnx"
    write.ok("versions/domain-alias.onnx", alias, "the default domain by its long name",
             runs=[dict(feeds={"x": plain(X)}, outputs={"y": plain(np.maximum(X, 0))})])
    twice = relu()
    twice.opset_import.append(helper.make_opsetid("", 13))
    write.any("versions/opset-twice.onnx", twice, "two versions of one domain")
    write.error("versions/unknown-operator.onnx", model([helper.make_node("Frobnicate", ["x"], ["y"], "odd")]), "an operator that does not exist", "Frobnicate")
    foreign = model([helper.make_node("Gelu", ["x"], ["y"], "odd", domain="com.example")], domains=["com.example"])
    write.error("versions/unknown-domain.onnx", foreign, "an operator of an unknown domain", "Gelu", "com.example")
    undeclared = model([helper.make_node("Scaler", ["x"], ["y"], "odd", domain="ai.onnx.ml", offset=[0.0], scale=[2.0])])
    write.any("versions/undeclared-domain.onnx", undeclared, "a known domain that the model does not import")
    write.error("versions/too-new-operator.onnx", model([helper.make_node("Gelu", ["x"], ["y"], "new")], opset=17), "an operator that its opset does not have yet", "Gelu")
    old = model([helper.make_node("Upsample", ["x"], ["y"], "old", mode="nearest")], opset=17)
    write.error("versions/removed-operator.onnx", old, "an operator that its opset no longer has", "Upsample")


def truncated(write):
    whole = model([helper.make_node("Add", ["x", "w"], ["h"], "add"), helper.make_node("Relu", ["h"], ["y"], "relu")], weights=[weight("w", np.arange(4, dtype=np.float32))])
    data = whole.SerializeToString(deterministic=True)
    write.runs("truncated/relu.onnx", whole, "the file that the others are cut from")
    for share in (10, 25, 50, 75, 95):
        cut = data[: len(data) * share // 100]
        while parses(cut):
            cut = cut[:-1]
        write.error(f"truncated/at-{share}.onnx", cut, f"cut off after about {share} per cent", "parse|damaged|truncat|ONNX|protobuf|read")
    write.error("truncated/last-byte.onnx", data[:-1], "the last byte is missing", "parse|damaged|truncat|ONNX|protobuf|read")
    write.error("truncated/empty.onnx", b"", "no bytes", "empty|parse|damaged|ONNX|graph")
    write.error("truncated/text.onnx", b"This is not an ONNX file.\n", "a text", "parse|damaged|ONNX|protobuf|read")
    write.error("truncated/zeros.onnx", bytes(1000), "only zeros", "parse|damaged|ONNX|protobuf|read")
    write.error("truncated/lfs-pointer.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 102400\n", "a Git LFS pointer", "parse|damaged|ONNX|protobuf|LFS|read")
    write.error("truncated/png.onnx", b"\x89PNG\r\n\x1a\n" + bytes(64), "a picture", "parse|damaged|ONNX|protobuf|read")
    write.error("truncated/trailing.onnx", data + b"\xff\xff\xff\xff", "a sound model and damage after it", "parse|damaged|truncat|ONNX|protobuf|read")
    length = field(7, b"").replace(b"\0", b"") + varint(2**40)
    write.error("truncated/long-length.onnx", varint(1 << 3) + varint(8) + length + b"abc", "a length of a terabyte", "parse|damaged|truncat|ONNX|protobuf|read")
    write.error("truncated/no-graph.onnx", onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)]), "no graph", "graph")


def parses(data):
    try:
        onnx.load_from_string(data)
        return True
    except Exception:
        return False


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=here.parent / "Fixtures" / "importer")
    folder = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    write = Writer(folder)
    for part in (element_types, tensors, external, functions, subgraphs, structure, metadata, versions, truncated):
        part(write)
    entries = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in write.entries)
    note = f"onnx {onnx.__version__}, numpy {np.__version__}; written by Tests/Golden/make_importer_models.py"
    (folder / "expected.json").write_text(f'{{"made_by": {json.dumps(note)},\n"files": [\n{entries}\n]}}\n')
    count = {kind: sum(e["expect"] == kind for e in write.entries) for kind in ("ok", "error", "any")}
    print(f"{len(write.entries)} files: {count}")


if __name__ == "__main__":
    main()
