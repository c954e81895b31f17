"""Imports libraries in the given order, those that are missing left out, and uses each after all are there.

Arguments: model, names separated by commas.
"""

import importlib
import sys


def use_pellucid(pellucid, path):
    """The map of an explanation, twice the same."""
    import numpy

    image = numpy.linspace(0, 1, 28 * 28, dtype=numpy.float32).reshape(1, 1, 28, 28)
    model = pellucid.load(path)
    first, second = (numpy.asarray(model.explain("grad-cam", image, target=3).map) for _ in range(2))
    assert first.size and numpy.isfinite(first).all() and (first == second).all()
    return numpy.asarray(model.run(image))


def use_onnx(onnx, path):
    """A model read by the library's own protobuf."""
    assert len(onnx.load(path).graph.node) > 0


def use_onnxruntime(onnxruntime, path):
    """The scores of the same image."""
    import numpy

    image = numpy.linspace(0, 1, 28 * 28, dtype=numpy.float32).reshape(1, 1, 28, 28)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def use_torch(torch, path):
    """A product on several threads."""
    a = torch.ones(300, 300)
    assert float((a @ a)[0, 0]) == 300


def use_numpy(numpy, path):
    """A product by its own BLAS."""
    a = numpy.ones((300, 300), numpy.float32)
    assert (a @ a)[0, 0] == 300


def main():
    """Loads, then uses everything twice."""
    import numpy

    path, names = sys.argv[1], sys.argv[2].split(",")
    modules = {}
    for name in names:
        try:
            modules[name] = importlib.import_module(name)
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
    for _ in range(2):
        results = {name: globals()[f"use_{name}"](module, path) for name, module in modules.items()}
    if "onnxruntime" in results:
        assert numpy.allclose(results["onnxruntime"], results["pellucid"], rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    main()
