"""Single nodes of onnxruntime's domain with random operands: (operator, inputs, attributes, number of outputs, or their
places). None leaves an input out; a Weight is an operand that the file holds."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "com.microsoft"
random = np.random.default_rng(11)


def real(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def byte(*shape, low=0, high=256):
    return random.integers(low, high, shape).astype(np.uint8)


def signed(*shape):
    return random.integers(-128, 128, shape).astype(np.int8)


def scale(value):
    return np.float32(value)


class Weight:
    """An operand that the file holds."""

    def __init__(self, array):
        self.array = np.asarray(array)


U, S = np.uint8, np.int8


def pooled(op, **attributes):
    x = byte(1, 3, 6, 6)
    return (op, [x, scale(0.1), U(7), scale(0.08), U(3)], attributes, 1)


def cases():
    x, w = real(1, 4, 7, 7), Weight(real(6, 4, 3, 3))
    for activation, numbers in [("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.2]), ("Clip", [-0.3, 0.4]), ("HardSigmoid", [0.3, 0.4])]:
        extra = {"activation_params": [float(n) for n in numbers]} if numbers else {}
        yield "FusedConv", [x, w, Weight(real(6))], dict(activation=activation, kernel_shape=[3, 3], pads=[1, 1, 1, 1], **extra), 1
    yield "FusedConv", [x, w, Weight(real(6)), real(1, 6, 5, 5)], dict(activation="Relu", kernel_shape=[3, 3]), 1
    yield "FusedGemm", [real(3, 4), Weight(real(5, 4)), Weight(real(5))], dict(transB=1, alpha=0.5, activation="LeakyRelu", activation_alpha=0.1), 1
    yield "FusedMatMul", [real(2, 3, 4, 5), real(2, 3, 6, 5)], dict(transB=1, alpha=0.25), 1
    yield "FusedMatMul", [real(2, 3, 5, 4), real(2, 3, 5, 6)], dict(transA=1), 1
    yield "FusedMatMul", [real(4, 2, 3, 5), real(2, 3, 5, 6)], dict(transBatchA=1), 1
    yield "FusedMatMul", [real(4, 2, 3, 5), real(6, 2, 3, 5)], dict(transBatchA=1, transBatchB=1, transB=1), 1
    yield "TransposeMatMul", [real(2, 5, 4), real(2, 5, 3)], dict(transA=1), 1
    yield "Gelu", [real(3, 5)], {}, 1
    yield "BiasGelu", [real(2, 3, 5), Weight(real(5))], {}, 1
    yield "FastGelu", [real(2, 3, 5), Weight(real(5))], {}, 1
    yield "FastGelu", [real(2, 3, 5)], {}, 1
    yield "QuickGelu", [real(2, 5)], dict(alpha=1.702), 1
    yield "QuickGelu", [real(2, 5)], dict(alpha=1.0), 1
    yield "BiasSoftmax", [real(2, 3, 4, 5), real(2, 1, 1, 5)], dict(axis=3, is_inner_broadcast=1), 1
    yield "ExpandDims", [real(2, 3), Weight(np.int32(1))], {}, 1
    yield "SkipLayerNormalization", [real(2, 3, 8), real(2, 3, 8), Weight(real(8)), Weight(real(8)), Weight(real(8))], dict(epsilon=1e-3), 4
    yield "SkipLayerNormalization", [real(2, 3, 8), real(3, 8), Weight(real(8)), Weight(real(8))], {}, 1
    yield "SkipSimplifiedLayerNormalization", [real(2, 3, 8), real(2, 3, 8), Weight(real(8)), Weight(real(8))], dict(epsilon=1e-3), [0, 3]
    yield from embeddings()
    yield from attentions()
    yield from quantized()
    yield from products()


def embeddings():
    ids, segments, mask = random.integers(0, 9, (2, 5)).astype(np.int32), random.integers(0, 2, (2, 5)).astype(np.int32), np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    tables = [Weight(real(9, 8)), Weight(real(7, 8)), Weight(real(2, 8)), Weight(real(8)), Weight(real(8))]
    yield "EmbedLayerNormalization", [ids, segments, *tables, mask], {}, 2
    yield "EmbedLayerNormalization", [ids, None, *tables[:2], None, *tables[3:]], {}, 2


def attentions():
    x, w, b = real(2, 4, 8), Weight(real(8, 24)), Weight(real(24))
    yield "Attention", [x, w, b], dict(num_heads=2), 1
    yield "Attention", [x, w, b], dict(num_heads=2, unidirectional=1, scale=0.3), 1
    yield "Attention", [x, w, b, np.int32([[1, 1, 1, 0], [1, 1, 1, 1]])], dict(num_heads=2), 1
    yield "Attention", [x, w, b, np.int32([3, 4])], dict(num_heads=2), 1
    yield "Attention", [x, w, b, random.integers(0, 2, (2, 4, 4)).astype(np.int32)], dict(num_heads=2), 1
    yield "Attention", [x, w, b, None, real(2, 2, 2, 3, 4)], dict(num_heads=2, unidirectional=1), 2
    yield "Attention", [x, w, b, None, None, real(2, 2, 4, 4)], dict(num_heads=2), 1
    q, k, v = real(2, 4, 8), real(2, 5, 8), real(2, 5, 6)
    yield "MultiHeadAttention", [q, k, v], dict(num_heads=2), 1
    yield "MultiHeadAttention", [q, k, v, Weight(real(22))], dict(num_heads=2), 1
    yield "MultiHeadAttention", [q, k, v, None, np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])], dict(num_heads=2), 1
    yield "MultiHeadAttention", [q, k, v, None, None, real(1, 2, 4, 5)], dict(num_heads=2, scale=0.5), 1
    yield "MultiHeadAttention", [q, real(2, 4, 8), real(2, 4, 8), None, None, None, real(2, 2, 3, 4), real(2, 2, 3, 4)], dict(num_heads=2, unidirectional=1), 3
    yield "MultiHeadAttention", [q, real(2, 2, 5, 4), real(2, 2, 5, 4)], dict(num_heads=2), 1
    yield "RotaryEmbedding", [real(2, 4, 8), np.tile(np.arange(4), (2, 1)), Weight(real(9, 2)), Weight(real(9, 2))], {}, 1
    yield "RotaryEmbedding", [real(2, 2, 4, 4), np.int64([3]), Weight(real(9, 2)), Weight(real(9, 2))], dict(interleaved=1), 1
    groups = dict(num_heads=4, kv_num_heads=2)
    q, k, v = real(1, 3, 16 * 4), real(1, 3, 16 * 2), real(1, 3, 16 * 2)
    past = [np.zeros((1, 2, 0, 16), np.float32)] * 2
    yield "GroupQueryAttention", [q, k, v, None, None, np.int32([2]), Weight(np.int32(3))], groups, 3
    yield "GroupQueryAttention", [q[:, :1], k[:, :1], v[:, :1], real(1, 2, 5, 16), real(1, 2, 5, 16), np.int32([5]), Weight(np.int32(6))], groups, 3
    yield "GroupQueryAttention", [real(1, 3, 16 * 8), None, None, None, None, np.int32([2]), Weight(np.int32(3)), Weight(real(9, 8)), Weight(real(9, 8))], dict(do_rotary=1, **groups), 3
    yield "GroupQueryAttention", [q, k, v, None, None, np.int32([2]), Weight(np.int32(3))], dict(local_window_size=2, **groups), 3
    yield "QAttention", [byte(2, 4, 8), Weight(signed(8, 24)), Weight(real(24)), scale(0.01), Weight(scale(0.02)), None, U(128), Weight(S(0))], dict(num_heads=2), 1


def quantized():
    a, b = byte(2, 3, 4), byte(3, 4)
    for op in ("QLinearAdd", "QLinearMul"):
        yield op, [a, scale(0.1), U(100), b, scale(0.05), U(20), scale(0.2), U(30)], {}, 1
        yield op, [signed(2, 3), scale(0.1), S(10), signed(2, 3), scale(0.05), S(2), scale(0.2), S(-3)], {}, 1
    yield "QLinearSigmoid", [a, Weight(scale(0.05)), Weight(U(120)), Weight(scale(1 / 255)), Weight(U(0))], {}, 1
    yield "QLinearLeakyRelu", [a, Weight(scale(0.05)), Weight(U(120)), Weight(scale(0.04)), Weight(U(20))], dict(alpha=0.1), 1
    yield "QLinearSoftmax", [byte(3, 8), Weight(scale(0.05)), Weight(U(120)), Weight(scale(1 / 255)), Weight(U(0))], dict(opset=13, axis=-1), 1
    yield pooled("QLinearGlobalAveragePool", channels_last=0)
    yield pooled("QLinearAveragePool", kernel_shape=[2, 2], strides=[2, 2])
    yield pooled("QLinearAveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    yield "QLinearGlobalAveragePool", [byte(1, 5, 5, 3), scale(0.1), U(7), scale(0.08), U(3)], dict(channels_last=1), 1
    parts = [byte(2, 3), Weight(scale(0.1)), Weight(U(3)), byte(2, 5), Weight(scale(0.2)), Weight(U(9))]
    yield "QLinearConcat", [Weight(scale(0.15)), Weight(U(5)), *parts], dict(axis=1), 1
    yield "QLinearWhere", [random.integers(0, 2, (2, 3)).astype(bool), byte(2, 3), Weight(scale(0.1)), Weight(U(3)), byte(2, 3), Weight(scale(0.2)), Weight(U(5)), Weight(scale(0.15)), Weight(U(4))], {}, 1
    conv = [byte(1, 6, 6, 4), scale(0.1), U(120), Weight(signed(8, 4, 3, 3)), Weight(scale(0.02)), Weight(S(0)), scale(0.9), U(110)]
    yield "QLinearConv", conv, dict(channels_last=1, pads=[1, 1, 1, 1]), 1
    yield "NhwcMaxPool", [byte(1, 6, 6, 3)], dict(kernel_shape=[2, 2], strides=[2, 2]), 1
    yield "DequantizeLinear", [byte(2, 3), scale(0.1), U(3)], {}, 1
    yield "QuantizeLinear", [real(2, 3), scale(0.01), U(100)], {}, 1


def products():
    a = byte(3, 8)
    yield "QGemm", [a, scale(0.1), U(120), Weight(signed(8, 5)), Weight(scale(0.02)), Weight(S(0)), Weight(np.arange(5, dtype=np.int32)), scale(0.7), U(110)], {}, 1
    yield "QGemm", [a, scale(0.1), U(120), Weight(signed(5, 8)), Weight(np.abs(real(5))), Weight(np.zeros(5, S))], dict(transB=1, alpha=2.0), 1
    yield "MatMulIntegerToFloat", [a, Weight(signed(8, 5)), scale(0.1), Weight(np.abs(real(5))), U(120), Weight(np.zeros(5, S)), Weight(real(5))], {}, 1
    yield "DynamicQuantizeMatMul", [real(3, 8), Weight(signed(8, 5)), Weight(scale(0.1)), Weight(S(0)), Weight(real(5))], {}, 1
    for bits, blob in ((4, 8), (8, 16), (2, 4)):
        numbers = dict(K=40, N=6, bits=bits, block_size=16)
        yield "MatMulNBits", [real(2, 40), Weight(byte(6, 3, blob)), Weight(real(6, 3))], numbers, 1
        yield "MatMulNBits", [real(2, 40), Weight(byte(6, 3, blob)), Weight(real(6, 3)), Weight(byte(6, -(-3 * bits // 8)))], numbers, 1
    yield "GatherBlockQuantized", [Weight(byte(9, 16)), np.int64([[1, 3], [8, 0]]), Weight(real(9, 2)), Weight(byte(9, 1))], dict(bits=4, block_size=16, quantize_axis=1, gather_axis=0), 1


def model(op, operands, attributes, outputs):
    """A file of one node, and its feeds."""
    names, inputs, weights, feeds = [], [], [], {}
    for index, operand in enumerate(operands):
        names.append("" if operand is None else f"x{index}")
        if isinstance(operand, Weight):
            weights.append(numpy_helper.from_array(operand.array, names[-1]))
        elif operand is not None:
            array = np.asarray(operand)
            inputs.append(helper.make_tensor_value_info(names[-1], helper.np_dtype_to_tensor_dtype(array.dtype), array.shape))
            feeds[names[-1]] = array
    asked = outputs if isinstance(outputs, list) else range(outputs)
    results = [f"y{index}" if index in asked else "" for index in range(max(asked) + 1)]
    node = helper.make_node(op, names, results, "node", domain=DOMAIN, **attributes)
    values = [helper.make_value_info(name, helper.make_tensor_type_proto(TensorProto.UNDEFINED, None)) for name in results if name]
    graph = helper.make_graph([node], op, inputs, values, weights)
    for value in graph.output:
        value.ClearField("type")
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString(), feeds
