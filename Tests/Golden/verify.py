#!/usr/bin/env python3
"""Check Pellucid against onnxruntime, torch, Captum and pytorch-grad-cam on real architectures and real models.

    python verify.py exports EXPORTS      forward and input gradients of every export of export_models.py
    python verify.py explain EXPORTS      explanations on ResNet-50, ConvNeXt-Tiny and ViT-B/16
    python verify.py models               forward of the models in Tests/Fixtures/models on real input (--more FOLDER)
    python verify.py golden               every check of the folder `data`, through the Python package
    python verify.py all EXPORTS

Needs the Python package `pellucid` (PYTHONPATH=bindings/python, PELLUCID_LIBRARY=…/libpellucid.so). With --references
nothing of Pellucid is used: onnxruntime and float32 references take its place, which tests this script.

Error = largest absolute difference / largest absolute value of the reference. Limits: forward 1e-4, gradients and
explanations 1e-3. Rounding decides the sign of Relu inputs near zero, which changes gradients of deep Relu networks by
more than that: where torch's own float32 result differs from its float64 result by `noise`, the limit is 4 * noise if
that is more. The exports of mode `margin` have little noise. Explanations are compared with float64 references.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "Fixtures"
FORWARD, GRADIENT = 1e-4, 1e-3


class Report:
    """Counts and prints one line per check."""

    def __init__(self, only):
        self.only, self.passed, self.failed, self.skipped = only, 0, 0, 0

    def check(self, name, what, compute, limit):
        """`compute` returns pairs of arrays (found, expected); the largest error must stay within the limit (or its call)."""
        if self.only and not any(word in f"{name} {what}" for word in self.only):
            return
        start = time.time()
        try:
            worst = max(error(found, expected) for found, expected in compute())
            bound = limit() if callable(limit) else limit
            good, note = worst <= bound, f"{worst:.1e} (limit {bound:.1e})"
        except Exception as problem:
            good, note = False, f"{type(problem).__name__}: {problem}"[:300]
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'} {name:36} {what:44} {note}  {time.time() - start:.1f} s", flush=True)

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else ""))
        return 1 if self.failed or not self.passed else 0


def error(found, expected):
    """Relative to the largest expected value. Integers and texts must be equal; shapes must agree but for axes of 1."""
    found, expected = np.asarray(found), np.asarray(expected)
    if np.squeeze(found).shape != np.squeeze(expected).shape:
        raise ValueError(f"shape {list(found.shape)}, expected {list(expected.shape)}")
    found, expected = np.squeeze(found), np.squeeze(expected)
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    scale = np.abs(expected).max(initial=0)
    difference = np.abs(found.astype(np.float64) - expected).max(initial=0)
    return difference if scale == 0 else difference / scale if np.isfinite(difference) else np.inf


# Pellucid, and a stand-in for it


def load(path, options):
    if options.references:
        return Reference(path)
    import pellucid

    return pellucid.load(str(path), threads=options.threads)


class Reference:
    """onnxruntime behind the part of Pellucid's interface that it can serve."""

    def __init__(self, path):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

    def run(self, x):
        """Like `Model.run`; a batch for a graph that takes one image at a time is run image by image."""
        feeds = x if isinstance(x, dict) else {self.session.get_inputs()[0].name: x}
        first = next(iter(feeds.values()))
        fixed = self.session.get_inputs()[0].shape[0]
        if isinstance(fixed, int) and fixed > 0 and fixed != len(first):
            parts = [self.session.run(None, {k: v[i : i + fixed] for k, v in feeds.items()}) for i in range(0, len(first), fixed)]
            outputs = [np.concatenate(part) for part in zip(*parts)]
        else:
            outputs = self.session.run(None, feeds)
        names = [output.name for output in self.session.get_outputs()]
        return outputs[0] if len(names) == 1 else dict(zip(names, outputs))


def pairs(found, expected):
    """Pairs of arrays from two results of `run`."""
    if isinstance(expected, dict):
        return [(found[name], expected[name]) for name in expected]
    return [(found, expected)]


# Exports


def exports(report, options):
    """Every export: outputs for one and for four images, and the input gradient."""
    for path in sorted(options.exports.glob("*.onnx")):
        stored = np.load(path.with_suffix(".npz"))
        info = json.loads(str(stored["info"]))
        x, expected, target, name = stored["input"], stored["output"], stored["target"], path.stem
        model = Lazy(lambda path=path: load(path, options))
        report.check(name, "forward, 1 image", lambda: [(model.get().run(x[:1]), expected[:1])], FORWARD)
        report.check(name, f"forward, 4 images (batch {info['batch']})", lambda: [(model.get().run(x), expected)], FORWARD)
        if not options.references:
            limit = max(GRADIENT, 4 * info["gradient_noise"])
            report.check(name, "input gradient", lambda: [(model.get().gradient(x[:1], target=int(target[0]), wrt=["input"])["input"], stored["gradient"])], limit)


class Lazy:
    """A value made on first use, so that a failure counts for the check that needed it."""

    def __init__(self, make):
        self.make, self.value = make, None

    def get(self):
        if self.value is None:
            self.value = self.make()
        return self.value


# Explanations


def explain(report, options):
    """Captum and pytorch-grad-cam on torch models whose weights are those of the exports."""
    import torch

    torch.set_num_threads(options.threads or 1)
    for arch, mode, layer, grid in (("resnet50", "margin", "layer4", None), ("convnext_tiny", "default", "features.7", None),
                                    ("vit_b_16", "default", "encoder.layers.encoder_layer_11.ln_1", (14, 14))):
        explain_one(report, options, arch, mode, layer, grid)


def explain_one(report, options, arch, mode, layer, grid):
    import export_models
    import references
    import torch

    path = options.exports / f"{arch}.{mode}.onnx"
    stored = np.load(path.with_suffix(".npz"))
    network, images = export_models.build(arch, with_margins=mode == "margin")
    x, target = images[:1], [int(stored["target"][0])]
    report.check(path.stem, "torch has the weights of the export", lambda: [(references.activations(network, x, [])[1], stored["output"][:1])], FORWARD)
    value = value_name(path, x.numpy(), references.activations(network, x, [layer])[0][layer])
    has_relu = any(isinstance(module, torch.nn.ReLU) for module in network.modules())
    model = Lazy(lambda: load(path, options))
    for method, settings, reference in [*input_cases(references, x, target, has_relu), *layer_cases(references, layer, value, grid, target)]:
        what = method + " " + " ".join(f"{k}={v}" for k, v in settings.items() if k not in ("layer", "noise_samples"))
        rounded = Lazy(lambda: reference(network.float(), x))
        expected = Lazy(lambda: reference(network.double(), x.double()))
        noise = Lazy(lambda: error(rounded.get(), expected.get()))

        def compute():
            found = rounded.get() if options.references else model.get().explain(method, x.numpy(), target=target[0], **settings).map
            return [(found, expected.get())]

        report.check(path.stem, what, compute, lambda: max(GRADIENT, 4 * noise.get()))


def input_cases(references, x, target, has_relu):
    """(method, settings, reference) of the methods that look at the input."""
    import torch

    noise = (0.2 * np.random.default_rng(7).standard_normal((3, *x.shape[1:]))).astype(np.float32)
    yield "saliency", {}, lambda network, x: references.saliency(network, x, target)
    yield "input-x-gradient", {}, lambda network, x: references.input_x_gradient(network, x, target)
    for rule, captum, baseline in (("gausslegendre", "gausslegendre", 0.0), ("captum_trapezoid", "riemann_trapezoid", 0.5)):
        yield ("integrated-gradients", dict(n_steps=8, quadrature=rule, baseline=baseline),
               lambda network, x, captum=captum, baseline=baseline: references.integrated_gradients(network, x, target, captum, 8, baseline)[0])
    for kind in ("smoothgrad", "smoothgrad_sq", "vargrad"):
        yield "smoothgrad", dict(noise_samples=noise, kind=kind), lambda network, x, kind=kind: references.smooth_gradients(network, x, target, noise)[kind]
    for method, kind in (("guided-backprop", "GuidedBackprop"), ("deconvolution", "Deconvolution")) if has_relu else ():
        yield method, {}, lambda network, x, kind=kind: references.rectified(kind, network, x, target, torch.nn.ReLU)


def layer_cases(references, layer, value, grid, target):
    """(method, settings, reference) of Grad-CAM at a layer: finished by pytorch-grad-cam, raw by Captum."""
    finished = dict(layer=value, relu=True, normalize=True, resize="input")
    tokens = dict(layout="tokens", grid=list(grid), prefix_tokens=1) if grid else {}
    fold = references.fold_tokens(grid) if grid else None
    yield "grad-cam", finished | tokens, lambda network, x: references.pytorch_grad_cam_map("GradCAM", network, [layer], x, target, fold)
    for relu in (False, True) if not grid else ():
        yield "grad-cam", dict(layer=value, relu=relu), lambda network, x, relu=relu: references.layer_grad_cam(network, layer, x, target, relu)


def value_name(path, x, array):
    """ONNX name of the first value that equals the array, found by onnxruntime."""
    import onnx
    import onnxruntime

    model = onnx.load(path, load_external_data=False)
    shapes = {v.name: v for v in model.graph.value_info}
    known = {o.name for o in model.graph.output}
    names = [n for node in model.graph.node for n in node.output if n and fits(shapes.get(n), array.shape)]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in known)
    probe = path.with_suffix(".probe.onnx.tmp")
    try:
        onnx.save(model, probe)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        found = onnxruntime.InferenceSession(str(probe), settings, providers=["CPUExecutionProvider"]).run(names, {"input": x})
    finally:
        probe.unlink(missing_ok=True)
    return next(name for name, value in zip(names, found) if value.shape == array.shape and error(value, array) < 1e-4)


def fits(info, shape):
    """Whether the declared shape, if any, may be the given one."""
    if info is None or not info.type.tensor_type.HasField("shape"):
        return True
    dims = [d.dim_value or None for d in info.type.tensor_type.shape.dim]
    return len(dims) == len(shape) and all(d in (None, s) for d, s in zip(dims, shape))


# Real models


def models(report, options):
    """Models of Tests/Fixtures/models and of `real_models.py`: onnxruntime's outputs on real input, and explanations."""
    for name, make in REAL_INPUTS.items():
        found = [folder / name for folder in (FIXTURES / "models", *options.more) if (folder / name).exists()]
        if not found:
            report.skipped += 1
            print(f"skip {name}: not there; real_models.py fetches it", flush=True)
            continue
        model, reference = Lazy(lambda: load(found[0], options)), Lazy(lambda: Reference(found[0]))
        for count in (1,) if name in SINGLE else (1, 4):
            some = part(make(), count)
            report.check(name, f"forward, {count} at a time", lambda: pairs(model.get().run(some), reference.get().run(some)), FORWARD)
        if not options.references and name not in UNEXPLAINED:
            for method in explaining_methods(make()):
                report.check(name, method, lambda: explained(model.get(), method, part(make(), 1)), FORWARD)


def part(feeds, count):
    """The first inputs of a batch; a recurrent state has its streams along the second axis."""
    if not isinstance(feeds, dict):
        return feeds[:count]
    return {key: value if value.ndim == 0 else value[:, :count] if key in ("state", "h", "c") else value[:count] for key, value in feeds.items()}


def explaining_methods(feeds):
    """One method by gradients where the input is continuous, and one that only runs the model, where there is one."""
    import pellucid

    first = next(iter(feeds.values())) if isinstance(feeds, dict) else feeds
    by_gradient = ["integrated-gradients"] if first.dtype.kind == "f" else ["grad-cam"]
    black_box = [method for method in ("occlusion", "kernel-shap", "rise", "lime") if method in pellucid.methods()]
    return by_gradient + black_box[:1]


def explained(model, method, feeds):
    """The explanation's map against itself with what is not finite taken away: an explanation exists, and is not all zero."""
    output = next((value.name for value in model.outputs if "float" in (value.dtype or "")), None)
    x = feeds if isinstance(feeds, dict) and len(feeds) > 1 else next(iter(feeds.values())) if isinstance(feeds, dict) else feeds
    answer = model.run(x, want=[output])[output]
    import pellucid

    target = None if answer.ndim == 2 and answer.shape[1] > 1 else pellucid.Target.weights(np.ones(answer.shape, np.float32), score="output")
    values = np.asarray(model.explain(method, x, target, output=output).map)
    if not np.abs(values).max() > 0:
        raise ValueError("the map is all zero")
    return [(values, np.nan_to_num(values))]


def photos(width, height=None, mean=(0.0, 0.0, 0.0), scale=(1.0, 1.0, 1.0), bgr=False):
    """Four photos, resized: (value - mean) / scale on values of 0...255, NCHW."""
    from PIL import Image

    names = ("chelsea.png", "coffee.png", "astronaut.png", "squirrel_cls.jpg")
    images = [Image.open(FIXTURES / "images" / name).convert("RGB").resize((width, height or width), Image.Resampling.BILINEAR) for name in names]
    pixels = np.stack([np.asarray(image, np.float32) for image in images])
    pixels = pixels[..., ::-1] if bgr else pixels
    return np.ascontiguousarray(((pixels - np.float32(mean)) / np.float32(scale)).transpose(0, 3, 1, 2), dtype=np.float32)


def grey(mean, scale):
    """Four photos of 28 by 28 in grey, 0...1 before mean and scale."""
    return np.ascontiguousarray((photos(28).mean(1, keepdims=True) / 255 - mean) / scale, dtype=np.float32)


def texts(length=1024, pad=256):
    """Four files as Magika reads them: the first and the last 1,024 bytes."""
    files = [HERE / "verify.py", HERE / "generate.py", FIXTURES / "images" / "chelsea.png", FIXTURES / "images" / "rocket.jpg"]
    rows = []
    for file in files:
        data = list(file.read_bytes())
        rows.append((data[:length] + [pad] * length)[:length] + ([pad] * length + data[-length:])[-length:])
    return np.array(rows, np.int32)


def numbers(count):
    return np.random.default_rng(3).uniform(-1, 1, (4, count)).astype(np.float32)


def page(width, height):
    """Four lines of text in black on white."""
    from PIL import Image, ImageDraw

    lines = []
    for text in ("Region-based segmentation", "Explanations 2026", "onnxruntime", "what a network saw"):
        image = Image.new("RGB", (width, height), "white")
        ImageDraw.Draw(image).text((8, height // 4), text, "black", font_size=height // 2)
        lines.append((np.asarray(image, np.float32) / 255 - 0.5) / 0.5)
    return np.ascontiguousarray(np.stack(lines).transpose(0, 3, 1, 2))


def speech(seconds=576):
    """Four stretches of a voiced sound: a buzz through two resonances, louder and louder."""
    time_ = np.arange(4 * seconds) / 16000
    voice = sum(np.sin(2 * np.pi * 120 * k * time_) * (np.exp(-((120 * k - 700) / 300) ** 2) + np.exp(-((120 * k - 1200) / 300) ** 2)) for k in range(1, 30))
    sound = (voice / np.abs(voice).max() * np.linspace(0.1, 0.8, len(time_))).astype(np.float32).reshape(4, seconds)
    return dict(input=sound, state=np.zeros((2, 4, 128), np.float32), sr=np.array(16000, np.int64))


def frames():
    return dict(input=speech()["input"], h=np.zeros((1, 1, 128), np.float32), c=np.zeros((1, 1, 128), np.float32))


IMAGENET = dict(mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375))
REAL_INPUTS = {
    "efficientnet_lite0.onnx": lambda: photos(224, mean=(127,) * 3, scale=(128,) * 3),
    "efficientnet_lite0_dynamo_extdata.onnx": lambda: photos(224, mean=(127,) * 3, scale=(128,) * 3),
    "squeezenet1_1.onnx": lambda: photos(227, mean=(103.939, 116.779, 123.68), bgr=True),
    "vit_s14_probe5.onnx": lambda: photos(224, **IMAGENET),
    "digit_cnn.onnx": lambda: grey(0.1307, 0.3081),
    "fashion_cnn_gap.onnx": lambda: grey(0, 1),
    "fashion_vit_tiny.onnx": lambda: grey(0, 1),
    "mtcnn_onet.onnx": lambda: photos(48, mean=(127.5,) * 3, scale=(128,) * 3),
    "rapidocr_cls.onnx": lambda: photos(192, 48, mean=(127.5,) * 3, scale=(127.5,) * 3),
    "magika.onnx": texts,
    "silero_vad_16k_op15.onnx": lambda: dict(input=numbers(576), state=np.zeros((2, 4, 128), np.float32), sr=np.array(16000, np.int64)),
    "surfaces_gbr_mlp.onnx": lambda: numbers(4),
    "tree_ensemble.onnx": lambda: numbers(4),
    # Of real_models.py
    "rapidocr_det.onnx": lambda: page(320, 64),
    "rapidocr_rec.onnx": lambda: page(320, 48),
    "silero_vad.onnx": speech,
    "silero_vad_half.onnx": lambda: {key: value for key, value in speech().items() if key != "sr"},
    "silero_vad_op18_ifless.onnx": speech,
    "silero_vad_openvino_16k.onnx": lambda: {key: value for key, value in speech().items() if key != "sr"},
    "silero_vad_16k_sequence.onnx": frames,
    "vit_s_focus.onnx": lambda: photos(224, **IMAGENET),
    "surfaces_knn_classifier.onnx": lambda: numbers(4),
    "surfaces_knn_regressor.onnx": lambda: numbers(4),
    "mtcnn_pnet.onnx": lambda: photos(96, mean=(127.5,) * 3, scale=(128,) * 3),
    "mtcnn_rnet.onnx": lambda: photos(24, mean=(127.5,) * 3, scale=(128,) * 3),
    "efficientnet_lite1.onnx": lambda: photos(240, mean=(127,) * 3, scale=(128,) * 3),
    "efficientnet_lite2.onnx": lambda: photos(260, mean=(127,) * 3, scale=(128,) * 3),
}
#: A classifier of trees has no gradient, and its label comes before its scores.
UNEXPLAINED = {"tree_ensemble.onnx"}
#: Takes one stream at a time.
SINGLE = {"silero_vad_openvino_16k.onnx"}


# Golden data


def golden(report, options):
    """The checks of data/<case>/index.json that the package offers, on both models of each case."""
    if not options.references:
        import pellucid

        known = {"forward", "gradient", "neuron", *pellucid.methods()}
    for folder in sorted(path.parent for path in (HERE / "data").glob("*/index.json")):
        index = json.loads((folder / "index.json").read_text())
        tensors = {t["name"]: read(folder, t) for t in index["tensors"]}
        for file in index["models"]:
            model = Lazy(lambda file=file: load(folder / file, options))
            for check in index["checks"]:
                own = f"{check['tensor']}/with-relu6" in tensors  # Captum's rule without ReLU6, which Pellucid's includes
                if own or (check["what"] != "forward" or "layer" in check if options.references else check["what"] not in known):
                    report.skipped += 1
                    continue
                limit = FORWARD if check["what"] == "forward" else GRADIENT
                report.check(f"{folder.name}/{file}", check["tensor"],
                             lambda: [(golden_value(model.get(), check, index, file, tensors), tensors[check["tensor"]])], limit)


def read(folder, entry):
    with open(folder / "tensors.bin", "rb") as file:
        file.seek(entry["offset"])
        kind = np.dtype(entry["dtype"]).newbyteorder("<")
        return np.frombuffer(file.read(entry["bytes"]), kind).reshape(entry["shape"])


def golden_value(model, check, index, file, tensors):
    """What Pellucid says where the check has its expected values."""
    x, target, what = tensors["x"], check.get("target"), check["what"]
    layers = [index["layers"][name][file] for name in check.get("layers", [check["layer"]] if "layer" in check else [])]
    if what == "forward":
        return model.run(x, want=layers) if layers else model.run(x)
    if what == "gradient":
        wrt = layers[0] if layers else check["wrt"]
        return model.gradient(x, target=target, wrt=[wrt], score=check["score"])[wrt]
    if what == "neuron":
        return neuron_value(model, check, x, layers[0])
    settings = {name: check[name] for name in ("abs", "kind", "relu", "normalize", "n_steps", "baseline", "strides") if name in check}
    settings |= dict(resize="input" if check["resize"] else "none") if "resize" in check else {}
    settings |= dict(layer=",".join(layers)) if layers and what != "cam" else {}
    if "method" in check:
        settings["quadrature"] = {"riemann_trapezoid": "captum_trapezoid"}.get(check["method"], check["method"])
    if "noise" in check:
        settings["noise_samples"] = tensors[check["noise"]]
    if "reshape" in check:
        settings |= dict(layout="tokens", grid=check["reshape"]["grid"], prefix_tokens=check["reshape"]["prefix"])
    if "interpolation" in check:
        settings["interp"] = {"bilinear": "half_pixel"}.get(check["interpolation"], check["interpolation"])
    if "sliding_window_shapes" in check:
        settings["sliding_window_shapes"] = check["sliding_window_shapes"]
    return model.explain(what, x, target=target, score=check.get("score"), **settings).map


def neuron_value(model, check, x, layer):
    """The gradient of one unit of a layer, under the rules asked for."""
    import pellucid

    unit = np.zeros(model.run(x[:1], want=[layer]).shape[1:], np.float32)
    unit[tuple(check["neuron"])] = 1
    target = pellucid.Target.weights(unit, score="output", output=layer)
    if check["attribution"] == "integrated-gradients":
        return model.explain("integrated-gradients", x, target=target, n_steps=check["n_steps"], quadrature=check["method"]).map
    return model.gradient(x, target=target, wrt=["input"], rules=check["attribution"])["input"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["exports", "explain", "models", "golden", "all"])
    parser.add_argument("exports", nargs="?", type=pathlib.Path, default=HERE.parents[1] / ".cache" / "exports")
    parser.add_argument("--only", nargs="*", default=[], help="words: checks whose name has one of them")
    parser.add_argument("--more", nargs="*", default=[], type=pathlib.Path, help="further folders with real models")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--references", action="store_true", help="without Pellucid: test the references")
    options = parser.parse_args()
    report = Report(options.only)
    parts = dict(golden=golden, models=models, exports=exports, explain=explain)
    for name, part in parts.items():
        if options.what in (name, "all"):
            part(report, options)
    sys.exit(report.close())


if __name__ == "__main__":
    main()
