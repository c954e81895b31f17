#!/usr/bin/env python3
"""Makes the seeds of the fuzz drivers: network.onnx and corpus/{model,external,image,options}.

    pip install onnx==1.23.2 numpy pillow
    Tests/Fuzz/make_corpus.py
"""

import io
import itertools
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
RANDOM = np.random.default_rng(0)


def weight(name, *shape):
    """A small random initialiser."""
    return numpy_helper.from_array(RANDOM.standard_normal(shape).astype(np.float32), name)


def model(nodes, weights, inputs, outputs, opset=17):
    """A model file's message."""
    values = [[helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *values, initializer=weights)
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=domains, ir_version=9)


def network():
    """Convolution, ReLU, mean over space, three classes."""
    return model(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
            helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
            helper.make_node("Gemm", ["f", "v"], ["y"], name="head"),
        ],
        [weight("w", 2, 1, 3, 3), weight("b", 2), weight("v", 2, 3)],
        [("x", TensorProto.FLOAT, ["N", 1, 6, 6])],
        [("y", TensorProto.FLOAT, ["N", 3])],
    )


def control_flow():
    """An If whose branches capture an outer value."""
    inner = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 3])
    branches = [helper.make_graph([helper.make_node(op, ["x"], ["z"])], op, [], [inner]) for op in ("Exp", "Neg")]
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
    return model(nodes, [zero], [("x", TensorProto.FLOAT, [2, 3])], [("y", TensorProto.FLOAT, [2, 3])])


def loop():
    """A Loop with a carried value and a scan output."""
    body = helper.make_graph(
        [helper.make_node("Add", ["a", "x"], ["b"]), helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["b"], ["out"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [3]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("out", TensorProto.FLOAT, [3]),
        ],
    )
    counts = numpy_helper.from_array(np.array(3, np.int64), "n")
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["y", "all"], body=body)]
    return model(nodes, [counts], [("x", TensorProto.FLOAT, [3])], [("y", TensorProto.FLOAT, [3]), ("all", TensorProto.FLOAT, [3, 3])])


def shapes():
    """Reshape by what Shape says, Slice, Gather, Transpose, Softmax."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["r"]),
        helper.make_node("Slice", ["r", "zero", "one", "one"], ["t"]),
        helper.make_node("MatMul", ["r", "w"], ["m"]),
        helper.make_node("Softmax", ["m"], ["y"]),
    ]
    integers = {"zero": [0], "one": [1], "rest": [-1]}
    weights = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in integers.items()] + [weight("w", 4, 3)]
    return model(nodes, weights, [("x", TensorProto.FLOAT, ["N", 2, 2])], [("y", TensorProto.FLOAT, ["N", 3]), ("t", TensorProto.FLOAT, None)])


def single(op, inputs, outputs, **attributes):
    """A model of one node; inputs by shape (float) or array (constant)."""
    names = [f"i{k}" for k in range(len(inputs))]
    weights = [numpy_helper.from_array(value, name) for name, value in zip(names, inputs) if isinstance(value, np.ndarray)]
    fed = [(name, TensorProto.FLOAT, value) for name, value in zip(names, inputs) if not isinstance(value, np.ndarray)]
    made = [f"o{k}" for k in range(outputs)]
    node = helper.make_node(op, names, made, **attributes)
    return model([node], weights, fed, [(name, TensorProto.FLOAT, None) for name in made])


def operators():
    """One node each: what a deployed file may hold besides convolutions."""
    yield "lstm", single("LSTM", [[3, 1, 2], RANDOM.standard_normal((1, 8, 2)).astype("f"), RANDOM.standard_normal((1, 8, 2)).astype("f")], 3, hidden_size=2)
    yield "resize", single("Resize", [[1, 1, 2, 2], np.zeros(0, "f"), np.array([1, 1, 2, 2], "f")], 1, mode="linear")
    yield "pool", single("MaxPool", [[1, 1, 4, 4]], 1, kernel_shape=[2, 2], ceil_mode=1, dilations=[1, 2])
    yield "einsum", single("Einsum", [[2, 3], [3, 2]], 1, equation="ij,jk->ik")
    yield "pad", single("Pad", [[2, 3], np.array([0, 1, 0, 1], np.int64)], 1, mode="reflect")
    yield "topk", single("TopK", [[2, 3], np.array([2], np.int64)], 1 + 1)
    yield "quantise", single("QuantizeLinear", [[2, 3], np.array(0.1, "f"), np.array(3, np.uint8)], 1)


def write(folder, name, data):
    """A seed."""
    (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    (CORPUS / folder / name).write_bytes(data)


def external():
    """Two bytes with the model's length, the model, its data."""
    made = network()
    data = b"".join(t.raw_data for t in made.graph.initializer)
    offset = 0
    for tensor in made.graph.initializer:
        length = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in [("location", "data.bin"), ("offset", str(offset)), ("length", str(length))]:
            tensor.external_data.add(key=key, value=value)
        offset += length
    file = made.SerializeToString()
    return len(file).to_bytes(2, "little") + file + data


def images():
    """The kinds of PNG, JPEG and WebP that decoders tell apart."""
    pixels = RANDOM.integers(0, 256, (9, 7, 4), np.uint8)
    modes = {"RGBA": pixels, "RGB": pixels[..., :3], "L": pixels[..., 0]}
    for mode, array in modes.items():
        yield f"{mode}.png", Image.fromarray(array, mode), {}
    yield "palette.png", Image.fromarray(modes["RGB"], "RGB").convert("P"), {"transparency": 3}
    yield "grey16.png", Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), {}
    yield "bits.png", Image.fromarray(modes["L"], "L").convert("1"), {}
    yield "baseline.jpg", Image.fromarray(modes["RGB"], "RGB"), {"quality": 50}
    yield "progressive.jpg", Image.fromarray(modes["RGB"], "RGB"), {"progressive": True}
    yield "cmyk.jpg", Image.fromarray(modes["RGB"], "RGB").convert("CMYK"), {}
    yield "grey.jpg", Image.fromarray(modes["L"], "L"), {}
    rotated = Image.Exif()
    rotated[0x0112] = 6
    yield "rotated.jpg", Image.fromarray(modes["RGB"], "RGB"), {"exif": rotated}
    yield "lossy.webp", Image.fromarray(modes["RGB"], "RGB"), {}
    yield "lossless.webp", Image.fromarray(pixels, "RGBA"), {"lossless": True}


OPTIONS = {
    "cam": ["layer=c", "relu=false", "resize=input"],
    "integrated-gradients": ["n_steps=8", "quadrature=trapezoid", "baseline=zero", "channel_reduce=sum"],
    "smoothgrad": ["n_samples=4", "stdev=0.1", "batch_size=2", "seed=7"],
    "grad-cam": ["layer=relu", "negative=true", "normalize=true", "interp=half_pixel"],
    "saliency": ["mean=0.5,0.5,0.5", "std=1", "size=8,9", "resize=5", "filter=lanczos", "order=bgr", "layout=nhwc", "preset=caffe"],
    "guided-backprop": ["colormap=viridis", "alpha=0.3", "signed=auto", "percentile=99", "interp=bicubic"],
}


def main():
    """Writes everything."""
    (HERE / "network.onnx").write_bytes(network().SerializeToString())
    named = [("network", network()), ("if", control_flow()), ("loop", loop()), ("shapes", shapes())]
    for name, made in itertools.chain(named, operators()):
        write("model", name + ".onnx", made.SerializeToString())
    write("external", "network", external())
    for name, image, how in images():
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG"}.get(name.split(".")[1], name.split(".")[1]), **how)
        write("image", name, buffer.getvalue())
    for method, lines in OPTIONS.items():
        write("options", method, "\n".join([method, *lines]).encode())


if __name__ == "__main__":
    main()
