"""Models as they are deployed: quantised by onnxruntime's tools, rewritten by its optimiser. Each maker takes a float model and
writes another file of the same inputs and outputs."""

import logging
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnxruntime import quantization as q
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

onnxruntime.set_default_logger_severity(4)
logging.getLogger().setLevel(logging.ERROR)
Level = onnxruntime.GraphOptimizationLevel


class Samples(q.CalibrationDataReader):
    """Hands out the images of a batch one by one."""

    def __init__(self, name, images):
        self.feeds = iter([{name: images[i : i + 1]} for i in range(len(images))])

    def get_next(self):
        return next(self.feeds, None)


def session(path, level=Level.ORT_ENABLE_ALL, optimized=None):
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = level
    settings.intra_op_num_threads = 1
    if optimized:
        settings.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path if isinstance(path, bytes) else str(path), settings, providers=["CPUExecutionProvider"])


def inlined(source, target):
    """The model in one file, its shapes inferred."""
    quant_pre_process(onnx.load(str(source)), str(target), skip_symbolic_shape=True, skip_optimization=True)
    return target


def static(form, per_channel=False, activation=q.QuantType.QUInt8, weight=q.QuantType.QInt8, **extra):
    def make(source, target, images):
        name = onnx.load(str(source), load_external_data=False).graph.input[0].name
        prepared = inlined(source, target.with_suffix(".prepared.onnx"))
        q.quantize_static(
            str(prepared), str(target), Samples(name, images), quant_format=form, per_channel=per_channel, activation_type=activation,
            weight_type=weight, extra_options=extra)
        prepared.unlink()

    return make


def dynamic(source, target, images):
    prepared = inlined(source, target.with_suffix(".prepared.onnx"))
    q.quantize_dynamic(str(prepared), str(target), weight_type=q.QuantType.QUInt8)
    prepared.unlink()


def dynamic_matmul(source, target, images):
    """Only products of matrices, which is what tools for transformers do."""
    prepared = inlined(source, target.with_suffix(".prepared.onnx"))
    q.quantize_dynamic(str(prepared), str(target), op_types_to_quantize=["MatMul", "Gemm"], weight_type=q.QuantType.QInt8, per_channel=True)
    prepared.unlink()


def nbits(bits, symmetric):
    def make(source, target, images):
        quantizer = MatMulNBitsQuantizer(onnx.load(str(source)), bits=bits, block_size=16, is_symmetric=symmetric)
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), use_external_data_format=False)

    return make


def optimized(level):
    def make(source, target, images):
        session(inlined(source, target.with_suffix(".prepared.onnx")), level, target)
        target.with_suffix(".prepared.onnx").unlink()

    return make


def fused(kind):
    """onnxruntime's fusions for transformers: Attention, SkipLayerNormalization, BiasGelu and others."""

    def make(source, target, images):
        from onnxruntime.transformers import optimizer

        model = optimizer.optimize_model(str(source), model_type=kind, opt_level=1)
        model.save_model_to_file(str(target))

    return make


def after(first, second):
    """The second maker on what the first has made."""

    def make(source, target, images):
        middle = target.with_suffix(".middle.onnx")
        first(source, middle, images)
        second(middle, target, images)
        middle.unlink()

    return make


QDQ, QOPERATOR = q.QuantFormat.QDQ, q.QuantFormat.QOperator
EXTENDED = optimized(Level.ORT_ENABLE_EXTENDED)
FLOAT = {"basic": optimized(Level.ORT_ENABLE_BASIC), "extended": EXTENDED}
CONVOLUTIONAL = {
    "qdq": static(QDQ),
    "qdq-channel": static(QDQ, per_channel=True, activation=q.QuantType.QInt8, ActivationSymmetric=True),
    "qdq-16": static(QDQ, activation=q.QuantType.QUInt16),
    "qdq-extended": after(static(QDQ), EXTENDED),
    "qoperator": static(QOPERATOR),
    "qoperator-channel": static(QOPERATOR, per_channel=True, activation=q.QuantType.QUInt8),
    "dynamic": dynamic,
}
TRANSFORMERS = {
    "qdq": static(QDQ),
    "qoperator": static(QOPERATOR),
    "dynamic": dynamic_matmul,
    "dynamic-extended": after(dynamic_matmul, EXTENDED),
    "4bit": nbits(4, True),
    "4bit-asymmetric": nbits(4, False),
    "8bit": nbits(8, True),
    "fused": fused("vit"),
}


def is_transformer(path):
    """Whether there are products of two computed matrices."""
    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {w.name for w in graph.initializer} | {n.output[0] for n in graph.node if n.op_type == "Constant"}
    return any(n.op_type == "MatMul" and weights.isdisjoint(n.input) for n in graph.node)


def makers(path):
    return FLOAT | (TRANSFORMERS if is_transformer(path) else CONVOLUTIONAL)


def is_quantized(name):
    return name.split("-")[0] in ("qdq", "qoperator", "dynamic")


def operators(path):
    """Operators outside ONNX's domain, and ONNX's for integers."""
    graph = onnx.load(str(path), load_external_data=False).graph
    found = {f"{n.domain}:{n.op_type}" if n.domain not in ("", "ai.onnx") else n.op_type for n in graph.node}
    return sorted(op for op in found if ":" in op or "Integer" in op or "QLinear" in op or "quantizeLinear" in op or "QuantizeLinear" in op)


def folder(path):
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def cosine(a, b):
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-300))
