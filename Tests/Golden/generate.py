#!/usr/bin/env python3
"""Write the golden data: tiny networks with what torch, Captum and pytorch-grad-cam say about them.

    python generate.py [FOLDER]          default: the folder `data` beside this script

References are computed in float64 from weights and images that float32 holds exactly, and stored as float32.
README.md describes the files. Every check is one entry of `checks`: which tensor holds the expected values, and how
they were made.
"""

import argparse
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

import networks
import references
from golden import Golden

N_STEPS = 20
NOISE_SAMPLES = 4
SIGMA = 0.2
LIBRARIES = ["torch", "onnx", "onnxruntime", "onnxscript", "captum", "grad-cam", "numpy"]


class Case(Golden):
    """Tensors and checks of one network, and the folder they go to."""

    def __init__(self, name, kind, seed, targets, folder):
        network, images = networks.make(kind, seed)
        super().__init__(name, folder / name, network, images, targets, dict(seed=seed, input="input", output="output"), LIBRARIES)


# Models


def export(case):
    """model.onnx: legacy exporter, opset 17; model-dynamo.onnx: today's default, weights in model-dynamo.onnx.data.

    model-opset13.onnx, not compared value by value: LayerNormalization and Gelu written out, as before opset 17.
    """
    network, example = case.network.float(), case.x.float()
    names = dict(input_names=["input"], output_names=["output"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        legacy = case.folder / "model.onnx"
        torch.onnx.export(network, (example,), str(legacy), dynamo=False, opset_version=17,
                          dynamic_axes={"input": {0: "N"}, "output": {0: "N"}}, **names)
        torch.onnx.export(network, (example,), str(case.folder / "model-opset13.onnx"), dynamo=False, opset_version=13,
                          dynamic_axes={"input": {0: "N"}, "output": {0: "N"}}, **names)
        dynamo = case.folder / "model-dynamo.onnx"
        program = torch.onnx.export(network, (example,), dynamo=True, opset_version=20, verbose=False,
                                    dynamic_shapes=({0: torch.export.Dim("N", min=1, max=64)},), **names)
        model = strip(program.model_proto)
        onnx.save(model, str(dynamo), save_as_external_data=True, location=dynamo.name + ".data", size_threshold=256)
        (case.folder / f"{dynamo.name}.data").chmod(0o644)
    case.network.double()
    case.index["models"] = [legacy.name, dynamo.name]
    case.index["opsets"] = {path.name: onnx.load(path, load_external_data=False).opset_import[0].version for path in (legacy, dynamo)}


def strip(model):
    """Without the metadata that holds paths of the machine or repeats the traced program."""
    for part in [model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        kept = [p for p in part.metadata_props if p.key in ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")]
        del part.metadata_props[:]
        part.metadata_props.extend(kept)
    return model


def all_values(path, x):
    """Every float value of the graph, in node order, computed by onnxruntime."""
    model = onnx.load(path)
    known = {o.name for o in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {"input": x})))


def value_of(array, values):
    """Name of the first value that equals the array."""
    for name, value in values.items():
        if value.shape == array.shape and value.dtype == np.float32 and np.abs(value - array).max() < 1e-5 * max(1, np.abs(array).max()):
            return name
    raise ValueError("no value of the graph equals the layer's output")


def forward(case):
    """Output and inner activations; finds the ONNX name of each layer in both models."""
    found, output = references.activations(case.network, case.x, case.kind.layers)
    case.check("forward", "output", output, "torch", value="output")
    case.index["layers"] = {}
    values = {name: all_values(case.folder / name, case.x.numpy().astype(np.float32)) for name in case.index["models"]}
    for name, result in values.items():
        difference = np.abs(result["output"] - output).max()
        assert difference < 1e-5, f"{case.name}/{name}: onnxruntime differs from torch by {difference}"
    for layer, array in found.items():
        case.index["layers"][layer] = {name: value_of(array, result) for name, result in values.items()}
        case.check("forward", f"activation/{layer}", array, "torch", layer=layer)
    return found


# Gradients


def gradients(case, layers):
    network, x, targets = case.network, case.x, case.targets
    case.check("gradient", "gradient/input", references.input_gradient(network, x, targets), "torch.autograd",
               target=targets, wrt="input", score="output")
    for layer in layers:
        case.check("gradient", f"gradient/{layer}", references.layer_gradient(network, x, targets, layer), "torch.autograd",
                   target=targets, layer=layer, score="output")
    weight = case.kind.weight
    for model in case.index["models"]:
        stored = {t.name: onnx.numpy_helper.to_array(t, str(case.folder)) for t in onnx.load(case.folder / model).graph.initializer}
        assert np.array_equal(stored[weight], network.get_parameter(weight).detach().numpy()), weight
    case.check("gradient", f"gradient/{weight}", references.weight_gradient(network, x, targets, weight), "torch.autograd",
               target=targets, wrt=weight, score="output")


def gradient_methods(case, relu_rules=True):
    network, x, targets = case.network, case.x, case.targets
    common = dict(target=targets, score="output")
    case.check("saliency", "saliency", references.saliency(network, x, targets), "captum Saliency", abs=True, **common)
    case.check("saliency", "saliency-signed", references.saliency(network, x, targets, False), "captum Saliency", abs=False, **common)
    case.check("input-x-gradient", "input-x-gradient", references.input_x_gradient(network, x, targets), "captum InputXGradient", **common)
    smooth(case)
    for what, kind in RECTIFIED.items() if relu_rules else ():
        for suffix, reference, rectifiers, operators in rectifier_sets(network, f"captum {kind}"):
            values = references.rectified(kind, network, x, targets, rectifiers)
            case.check(what, what + suffix, values, reference, rectifiers=operators, **common)


RECTIFIED = {"guided-backprop": "GuidedBackprop", "deconvolution": "Deconvolution"}


def rectifier_sets(network, reference):
    """(suffix, reference, module types, operators): Captum's rule at nn.ReLU, and where there is ReLU6, at both."""
    yield "", reference, torch.nn.ReLU, ["Relu"]
    if any(isinstance(module, torch.nn.ReLU6) for module in network.modules()):
        yield "/with-relu6", f"{reference}, its rule at ReLU6 too", (torch.nn.ReLU, torch.nn.ReLU6), ["Relu", "Clip"]


def integrated(case, methods, baselines):
    for method in methods:
        for baseline in baselines:
            values, delta = references.integrated_gradients(case.network, case.x, case.targets, method, N_STEPS, baseline)
            name = f"integrated-gradients/{method}/{baseline}"
            case.keep(name + "/delta", delta)
            note = {"riemann_trapezoid": "captum weighs the points 1/n, ends halved: total (n-1)/n instead of 1"}.get(method, "")
            case.check("integrated-gradients", name, values, "captum IntegratedGradients", method=method, n_steps=N_STEPS,
                       baseline=baseline, delta=name + "/delta", target=case.targets, score="output", note=note)


def smooth(case):
    """Estimators at stored noise, the same for each image: random numbers of another generator cannot be matched."""
    generator = np.random.default_rng(7)
    noise = (SIGMA * generator.standard_normal((NOISE_SAMPLES, *case.x.shape[1:]))).astype(np.float32)
    case.keep("noise", noise)
    results = references.smooth_gradients(case.network, case.x, case.targets, noise.astype(np.float64))
    for kind, values in results.items():
        case.check("smoothgrad", f"smoothgrad/{kind}", values, "mean over i of g, of g^2, or mean g^2 - (mean g)^2; g = gradient at x + noise[i]",
                   kind=kind, noise="noise", target=case.targets, score="output")


def neurons(case, layer, index, relu_rules=True):
    """Attributions of one unit of a layer, from a signal of 1."""
    network, x, common = case.network, case.x, dict(layer=layer, neuron=list(index))
    case.check("neuron", "neuron/gradient", references.neuron("NeuronGradient", network, layer, x, index),
               "captum NeuronGradient", attribution="gradient", **common)
    options = dict(n_steps=N_STEPS, method="gausslegendre")
    values = references.neuron("NeuronIntegratedGradients", network, layer, x, index, baselines=0.0, **options)
    case.check("neuron", "neuron/integrated-gradients", values, "captum NeuronIntegratedGradients",
               attribution="integrated-gradients", baseline=0.0, **options, **common)
    for what, kind in RECTIFIED.items() if relu_rules else ():
        for suffix, reference, rectifiers, operators in rectifier_sets(network, f"captum Neuron{kind}"):
            values = references.rectified_neuron(f"Neuron{kind}", network, layer, x, index, rectifiers)
            case.check("neuron", f"neuron/{what}{suffix}", values, reference, attribution=what, rectifiers=operators, **common)


def occlusion(case, window, strides, baseline):
    case.check("occlusion", "occlusion", references.occlusion(case.network, case.x, case.targets, window, strides, baseline),
               "captum Occlusion", sliding_window_shapes=list(window), strides=list(strides), baseline=baseline,
               target=case.targets, score="output")


# Class activation maps


def cams(case, layer, kinds):
    network, x, targets = case.network, case.x, case.targets
    common = dict(layer=layer, target=targets, score="output")
    for relu in (False, True):
        case.check("grad-cam", f"grad-cam/relu={relu}".lower(), references.layer_grad_cam(network, layer, x, targets, relu),
                   "captum LayerGradCam", relu=relu, normalize=False, resize=None, **common)
    has_relu6 = any(isinstance(module, torch.nn.ReLU6) for module in network.modules())  # Captum's rule leaves it out
    for interpolation in ("nearest", "bilinear") if not has_relu6 else ():
        case.check("guided-grad-cam", f"guided-grad-cam/{interpolation}", references.guided_grad_cam(network, layer, x, targets, interpolation),
                   "captum GuidedGradCam", interpolation=interpolation, **common)
    for what, kind in kinds.items():
        case.check(what, f"pytorch-grad-cam/{what}", references.pytorch_grad_cam_map(kind, network, [layer], x, targets),
                   f"pytorch-grad-cam {kind}", relu=True, normalize=True, resize="half-pixel bilinear", **common)


def token_cams(case, layers, kinds):
    fold = references.fold_tokens(case.kind.grid)
    for layer in layers:
        for what, kind in kinds.items():
            values = references.pytorch_grad_cam_map(kind, case.network, [layer], case.x, case.targets, fold)
            case.check(what, f"pytorch-grad-cam/{what}/{layer}", values, f"pytorch-grad-cam {kind}", layer=layer, target=case.targets,
                       score="output", relu=True, normalize=True, resize="half-pixel bilinear",
                       reshape=dict(prefix=1, grid=list(case.kind.grid)))


GRADIENT_CAMS = {"grad-cam": "GradCAM", "grad-cam++": "GradCAMPlusPlus", "xgrad-cam": "XGradCAM", "hires-cam": "HiResCAM",
                 "layer-cam": "LayerCAM", "grad-cam-elementwise": "GradCAMElementWise"}
ALL_CAMS = GRADIENT_CAMS | {"eigen-cam": "EigenCAM", "eigen-grad-cam": "EigenGradCAM", "score-cam": "ScoreCAM", "ablation-cam": "AblationCAM"}
METHODS = ["gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid"]


# Cases


def cnn(folder):
    case = Case("cnn", networks.CNN, 1, [3, 7], folder)
    export(case)
    found = forward(case)
    gradients(case, ["relu1", "conv2", "relu2"])
    gradient_methods(case)
    integrated(case, METHODS, [0.0, 0.25])
    neurons(case, "conv2", (5, 2, 4))
    occlusion(case, (3, 3, 5), (3, 2, 3), 0.1)
    cams(case, "relu2", ALL_CAMS)
    weight = case.network.fc.weight.detach().numpy()
    case.check("cam", "cam", references.class_activation_map(found["relu2"], weight, case.targets),
               "sum over k of fc.weight[target, k] * relu2[:, k]", layer="relu2", target=case.targets, relu=False, normalize=False, resize=None)
    several = references.pytorch_grad_cam_map("GradCAM", case.network, ["relu1", "relu2"], case.x, case.targets)
    case.check("grad-cam", "pytorch-grad-cam/two-layers", several, "pytorch-grad-cam GradCAM, mean of two layers", layers=["relu1", "relu2"],
               target=case.targets, score="output", relu=True, normalize=True, resize="half-pixel bilinear")
    return case


def vit(folder):
    case = Case("vit", networks.ViT, 2, [1, 8], folder)
    export(case)
    forward(case)
    gradients(case, ["blocks.0", "blocks.1.norm1"])
    gradient_methods(case, relu_rules=False)
    integrated(case, ["gausslegendre"], [0.0])
    neurons(case, "blocks.0", (6, 9), relu_rules=False)
    occlusion(case, (3, 4, 4), (3, 4, 4), 0.0)
    token_cams(case, ["blocks.0", "blocks.1.norm1"], {k: v for k, v in ALL_CAMS.items() if k not in ("score-cam", "ablation-cam")})
    return case


def probability(folder):
    """The targets here: the Softmax output itself (score "output"), and the value before it (score "logit")."""
    case = Case("probability", networks.Probability, 3, [2, 5], folder)
    export(case)
    forward(case)
    gradients(case, ["relu1", "fc2"])
    gradient_methods(case)
    integrated(case, ["gausslegendre"], [0.0])
    logits = references.input_gradient(case.network, case.x, case.targets, of="logit")
    case.check("gradient", "gradient/input-of-logit", logits, "torch.autograd", target=case.targets, wrt="input", score="logit")
    case.check("saliency", "saliency-of-logit", np.abs(logits), "abs of torch.autograd", abs=True, target=case.targets, score="logit")
    cams(case, "relu1", GRADIENT_CAMS)
    return case


def residual(folder):
    case = Case("residual", networks.Residual, 4, [0, 6], folder)
    export(case)
    forward(case)
    gradients(case, ["relu6", "hardswish", "relu_mix"])
    gradient_methods(case)
    integrated(case, ["gausslegendre", "riemann_middle"], [0.0])
    neurons(case, "mix", (4, 3, 5))
    occlusion(case, (1, 4, 4), (1, 4, 4), 0.0)
    cams(case, "relu_mix", ALL_CAMS)
    return case


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=here / "data")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    for make in (cnn, vit, probability, residual):
        case = make(folder)
        case.write_npz(case.write())
        size = sum(file.stat().st_size for file in case.folder.iterdir())
        print(f"{case.name:12} {len(case.checks):3} checks  {size // 1024:4} KiB  layers {case.index['layers']}")


if __name__ == "__main__":
    main()
