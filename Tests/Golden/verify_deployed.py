#!/usr/bin/env python3
"""Quantised and optimised models against onnxruntime: outputs, and gradients against those of the float model.

    python verify_deployed.py write            the small models of `deployed/`, from those of `data/`
    python verify_deployed.py small            the same models, made anew and checked
    python verify_deployed.py nodes            single nodes of onnxruntime's domain (contributed.py)
    python verify_deployed.py exports FOLDER   every form of the exports of export_models.py (--only words)

Needs onnx and onnxruntime, and for the checks the Python package `pellucid` as verify.py does. Limits: outputs 1e-4 relative, or
one step of the last quantisation where the file quantises; gradients by their cosine with the float model's, whose limit says how
much the quantisation of that form may turn them. The quantised file's own reference is onnxruntime without rewriting, because its
optimiser turns dequantised products into integer ones.
"""

import argparse
import base64
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx

import contributed
import deployed
from verify import FORWARD, HERE, Report, read

CASES = ["cnn", "residual", "vit"]
COSINE = {"float": 0.9999, "8": 0.95, "4": 0.9}
STORED = [
    "cnn/qdq-channel", "cnn/qoperator-channel", "cnn/dynamic", "residual/extended", "residual/qdq", "residual/qdq-extended",
    "residual/qoperator", "vit/extended", "vit/fused", "vit/dynamic-extended", "vit/qoperator", "vit/4bit-asymmetric",
]


def last_step(path):
    """Scale of the last quantisation, which is the unit in which a result may differ; 0 without."""
    model = onnx.load(str(path), load_external_data=False)
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    for node in reversed(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[1] in weights:
            return float(np.max(weights[node.input[1]]))
    return 0.0


def limit_of_cosine(form):
    return COSINE["float"] if form in ("basic", "extended", "fused") else COSINE["4"] if form.startswith("4bit") else COSINE["8"]


def reference(path, form, x):
    level = deployed.Level.ORT_DISABLE_ALL if "qdq" in form and "extended" not in form else deployed.Level.ORT_ENABLE_ALL
    session = deployed.session(path, level)
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0]
    size = fixed if isinstance(fixed, int) else len(x)
    return np.concatenate([session.run(None, {name: x[i : i + size]})[0] for i in range(0, len(x), size)])


def golden(case):
    index = json.loads((HERE / "data" / case / "index.json").read_text())
    tensors = {t["name"]: t for t in index["tensors"]}
    return index["targets"], *(read(HERE / "data" / case, tensors[name]) for name in ("x", "gradient/input"))


def images_of(x):
    """What the ranges of activations are measured on."""
    return np.concatenate([x, 0.7 * x, -x]).astype(np.float32)


def write():
    """`deployed/`: files, onnxruntime's outputs, and what a gradient is compared with."""
    target, entries = deployed.folder(HERE / "deployed"), []
    for entry in STORED:
        case, form = entry.split("/")
        _, x, _ = golden(case)
        path = target / f"{case}-{form}.onnx"
        deployed.makers(HERE / "data" / case / "model.onnx")[form](HERE / "data" / case / "model.onnx", path, images_of(x))
        output = reference(path, form, x)
        entries.append(dict(
            file=path.name, case=case, operators=deployed.operators(path), output=[float(f"{v:.9g}") for v in output.ravel()],
            step=last_step(path) if deployed.is_quantized(form) else 0.0, cosine=limit_of_cosine(form)))
    rows = ",\n".join("  " + json.dumps(entry) for entry in entries)
    versions = json.dumps(dict(onnx=onnx.__version__, onnxruntime=deployed.onnxruntime.__version__))
    (target / "index.json").write_text(f'{{"versions": {versions}, "models": [\n{rows}\n]}}\n')


def write_nodes():
    """`deployed/nodes.json`: every single node that onnxruntime runs, with its operands and results."""

    def packed(array):
        array = np.asarray(array)  # a scalar keeps its shape
        return dict(type=int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype)), shape=list(array.shape), data=base64.b64encode(array.tobytes()).decode())

    rows = []
    for op, operands, attributes, outputs in contributed.cases():
        data, feeds = contributed.model(op, operands, attributes, outputs)
        try:
            session = deployed.session(data, deployed.Level.ORT_DISABLE_ALL)
        except Exception:  # on the CPU, onnxruntime does not run all that it defines
            continue
        results = {output.name: packed(array) for output, array in zip(session.get_outputs(), session.run(None, feeds))}
        rows.append(json.dumps(dict(
            name=f"{op} {attributes}", model=base64.b64encode(data).decode(), feeds={k: packed(v) for k, v in feeds.items()}, results=results)))
    (HERE / "deployed" / "nodes.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")


def check(report, name, source, form, make, x, targets, gradient):
    import pellucid

    if report.only and not any(word in f"{name} {form}" for word in report.only):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        try:
            make(source, path, images_of(x))
            expected = reference(path, form, x)
        except Exception as problem:  # a tool that cannot make the file says nothing about Pellucid
            print(f"none {name:36} {form:44} {type(problem).__name__}: {problem}"[:160], flush=True)
            report.skipped += 1
            return
        step = last_step(path) if deployed.is_quantized(form) else 0.0
        start = time.time()
        model = pellucid.load(str(path))
        result = model.run(x)
        scale = np.abs(expected).max()
        report.check(name, f"{form}, outputs", lambda: [(result, expected)], max(FORWARD, 1.01 * step / scale))
        wrt = model.inputs[0].name
        found = model.gradient(x, target=targets, wrt=[wrt])[wrt]
        report.check(name, f"{form}, 1 - cosine of gradients", lambda: [(np.array(2 - deployed.cosine(found, gradient)), np.array(1.0))],
                     1 - limit_of_cosine(form))
        print(f"     {', '.join(deployed.operators(path))}; {time.time() - start:.1f} s", flush=True)


def small(report, options):
    for case in CASES:
        targets, x, gradient = golden(case)
        source = HERE / "data" / case / "model.onnx"
        for form, make in deployed.makers(source).items():
            check(report, case, source, form, make, x, targets, gradient)


def nodes(report, options):
    """Each case against onnxruntime: 1e-4 for real numbers, one level for integers."""
    import pellucid

    for op, operands, attributes, outputs in contributed.cases():
        data, feeds = contributed.model(op, operands, attributes, outputs)
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(data)
            file.flush()
            try:
                session = deployed.session(file.name, deployed.Level.ORT_DISABLE_ALL)
            except Exception as problem:
                print(f"none {op:36} {type(problem).__name__}: {problem}"[:160], flush=True)
                report.skipped += 1
                continue
            names = [output.name for output in session.get_outputs()]

            def compare():
                expected, found = session.run(None, feeds), pellucid.load(file.name).run(feeds, want=names)
                found = found if isinstance(found, dict) else {names[0]: found}
                result = []
                for name, array in zip(names, expected):
                    own = np.asarray(found[name])
                    if own.dtype != array.dtype or own.shape != array.shape:
                        raise ValueError(f"{own.dtype} {own.shape}, expected {array.dtype} {array.shape}")
                    if array.dtype.kind in "iu":  # levels may differ by one, as an error of just the limit
                        own, array = 1 + FORWARD * (own.astype(float) - array), np.ones(array.shape)
                    result.append((own, array))
                return result

            report.check(op, str(attributes)[:44], compare, 1.001 * FORWARD)


def exports(report, options):
    for source in sorted(options.exports.glob("*.onnx")):
        stored = np.load(source.with_suffix(".npz"))
        x, target, gradient = stored["input"][:1], [int(stored["target"][0])], stored["gradient"][:1]
        for form, make in deployed.makers(source).items():
            check(report, source.stem, source, form, make, x, target, gradient)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["write", "small", "nodes", "exports"])
    parser.add_argument("exports", nargs="?", type=pathlib.Path, default=HERE.parents[1] / ".cache" / "exports")
    parser.add_argument("--only", nargs="*", default=[], help="words: checks whose name has one of them")
    options = parser.parse_args()
    if options.what == "write":
        write()
        return write_nodes()
    report = Report(options.only)
    dict(small=small, nodes=nodes, exports=exports)[options.what](report, options)
    sys.exit(report.close())


if __name__ == "__main__":
    main()
