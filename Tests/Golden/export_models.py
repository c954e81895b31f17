#!/usr/bin/env python3
"""Export twenty torchvision and timm architectures to ONNX, each with reference numbers.

    python export_models.py [FOLDER] [--only resnet50 vit_b_16] [--modes default legacy17]

Weights are random with a fixed seed. They are drawn so that a mistake anywhere in the graph shows in the output:
BatchNorm has running statistics that are neither 0 and 1 nor equal to the batch's, biases and layer scales are not
zero, and no classification head is zero.

For every export `FOLDER/<arch>.<mode>.onnx` (weights of the dynamo modes in `….onnx.data`) there is an npz with

    input      [4, 3, H, W] float32      the first image alone is the batch-1 case
    output     onnxruntime's output for these four images (one at a time where the batch is fixed at 1)
    target     class indices, one per image: argmax of torch's output
    gradient   torch autograd d output[target] / d input for the first image, computed in float64
    info       JSON text: versions, seed, mode, opset, IR version, batch, operator counts, differences torch to
               onnxruntime, and gradient_noise: the largest relative difference of torch's float32 gradients to `gradient`

The mode `margin` is `default` with other biases, so that gradients of networks with Relu can be compared: see `settle`.
There is also one line per export in `FOLDER/exports.jsonl`.
"""

import argparse
import collections
import json
import pathlib
import time
import traceback
import unittest.mock
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from vision import torchvision

import timm  # after torchvision, which it imports

warnings.filterwarnings("ignore", message="TF32 acceleration")

SEED = 20
BATCH = 4

# name: (constructor, side of the input image); the first six are needed most.
ARCHITECTURES = {
    "resnet50": (lambda: torchvision.models.resnet50(), 224),
    "efficientnet_b0": (lambda: torchvision.models.efficientnet_b0(), 224),
    "densenet121": (lambda: torchvision.models.densenet121(), 224),
    "convnext_tiny": (lambda: torchvision.models.convnext_tiny(), 224),
    "vit_b_16": (lambda: torchvision.models.vit_b_16(), 224),
    "swin_t": (lambda: torchvision.models.swin_t(), 224),
    "mobilenet_v3_small": (lambda: torchvision.models.mobilenet_v3_small(), 224),
    "squeezenet1_1": (lambda: torchvision.models.squeezenet1_1(), 224),
    "shufflenet_v2": (lambda: torchvision.models.shufflenet_v2_x1_0(), 224),
    "regnet_y_400mf": (lambda: torchvision.models.regnet_y_400mf(), 224),
    "googlenet": (lambda: torchvision.models.googlenet(aux_logits=False, init_weights=False), 224),
    "inception_v3": (lambda: torchvision.models.inception_v3(aux_logits=False, init_weights=False), 299),
    "vit_small": (lambda: timm.create_model("vit_small_patch16_224"), 224),
    "deit_tiny_distilled": (lambda: timm.create_model("deit_tiny_distilled_patch16_224"), 224),
    "mixer_s16": (lambda: timm.create_model("mixer_s16_224"), 224),
    "mobilevit_s": (lambda: timm.create_model("mobilevit_s"), 256),
    "efficientformer_l1": (lambda: timm.create_model("efficientformer_l1"), 224),
    "vit_small_dinov2": (lambda: timm.create_model("vit_small_patch14_dinov2", img_size=224), 224),
    "maxvit_t": (lambda: torchvision.models.maxvit_t(), 224),
    "vgg16": (lambda: torchvision.models.vgg16(init_weights=False), 224),
}

# Networks with Relu after nearly every convolution, and the BatchNorms in them whose output is added before its Relu.
RECTIFIED = ["resnet50", "densenet121", "squeezenet1_1", "regnet_y_400mf", "googlenet", "inception_v3", "vgg16"]
BEFORE_ADD = ("bn3", "downsample.1", "f.c.1", "proj.1")

DYNAMIC = ["resnet50", "densenet121", "vit_small", "convnext_tiny", "swin_t"]

# mode: (dynamo exporter, opset, dynamic batch, architectures or None for all)
MODES = {
    "default": (True, 20, False, None),
    "legacy17": (False, 17, False, None),
    "default-dyn": (True, 20, True, DYNAMIC),
    "legacy13": (False, 13, False, ["resnet50", "vit_b_16", "vit_small"]),
    "legacy17-dyn": (False, 17, True, DYNAMIC + ["vit_b_16"]),
    "margin": (True, 20, False, RECTIFIED),
}


def randomise(model, generator):
    """Replace constant initial values, so that no node of the graph could be dropped without changing the output."""
    norms = (torch.nn.LayerNorm, torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)

    def uniform(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            for name, value in module.named_parameters(recurse=False):
                if isinstance(module, norms) and name == "weight":
                    uniform(value, 0.5, 1.5)
                elif name.endswith("bias"):
                    value.normal_(0, 0.1, generator=generator)
                elif name in ("gamma", "layer_scale", "layer_scale_1", "layer_scale_2"):
                    uniform(value, 0.2, 0.6)
                elif any(part in name for part in ("token", "pos_embed", "pos_embedding", "bias_table")):
                    value.normal_(0, 0.3, generator=generator)
                elif value.dim() >= 2 and not value.any():
                    value.normal_(0, value[0].numel() ** -0.5, generator=generator)


def settle(model, images, with_margins, generator):
    """Choose BatchNorm statistics, and with margins the biases before Relu, layer by layer in one forward pass.

    Statistics are those of the layer's input, disturbed. Margins: a Relu input so near zero that rounding decides its
    sign makes the gradients of two correct implementations differ, by up to a tenth in networks of this depth. Biases
    of 4 to 5 standard deviations, a fifth of them negative, leave few such inputs.
    """
    def normal(like):
        return torch.empty_like(like).normal_(generator=generator)

    def uniform(like, low, high):
        return torch.empty_like(like).uniform_(low, high, generator=generator)

    def margins(like, positive):
        signs = torch.ones_like(like) if positive else (uniform(like, 0, 1) < 0.8) * 2.0 - 1
        return signs * uniform(like, 4, 5)

    def norm_hook(name):
        def choose(norm, inputs):
            variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
            norm.running_mean.copy_(mean + 0.2 * variance.sqrt() * normal(mean))
            norm.running_var.copy_(variance * uniform(mean, 0.6, 1.6))
            if with_margins:
                norm.bias.copy_(norm.weight * margins(mean, positive=name.endswith(BEFORE_ADD)))
        return choose

    def conv_hook(conv, inputs, output):
        deviation, mean = torch.std_mean(output, (0, 2, 3))
        shift = margins(mean, positive=False) * deviation - mean
        conv.bias += shift
        return output + shift[:, None, None]

    with torch.no_grad():
        handles = []
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                handles.append(module.register_forward_pre_hook(norm_hook(name)))
            elif with_margins and isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                handles.append(module.register_forward_hook(conv_hook))
        model(images)
        for handle in handles:
            handle.remove()


def build(name, with_margins=False):
    """The model in evaluation mode, and four input images."""
    constructor, side = ARCHITECTURES[name]
    torch.manual_seed(SEED)
    model = constructor().eval()
    generator = torch.Generator().manual_seed(SEED)
    randomise(model, generator)
    images = torch.randn(BATCH, 3, side, side, generator=generator)
    settle(model, images, with_margins, generator)
    return model, images


def plain_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """scaled_dot_product_attention spelled out: the legacy exporter has it only from opset 14."""
    weights = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return torch.softmax(weights if attn_mask is None else weights + attn_mask, -1) @ v


def export(model, images, path, mode):
    """Write `path` the way `mode` says."""
    dynamo, opset, dynamic, _ = MODES[mode]
    options = dict(input_names=["input"], output_names=["output"], opset_version=opset, dynamo=dynamo)
    if not dynamo and dynamic:
        options["dynamic_axes"] = {"input": {0: "N"}, "output": {0: "N"}}
    elif dynamo:
        options |= dict(external_data=True, verbose=False)
        if dynamic:
            options["dynamic_shapes"] = ({0: torch.export.Dim("N", min=1, max=64)},)
    # The exporter treats a dimension of 1 as fixed: trace with 2 where the batch is free.
    example = images[:2] if dynamic else images[:1]
    functional = torch.nn.functional
    attention = functional.scaled_dot_product_attention if opset >= 14 else plain_attention
    with warnings.catch_warnings(), unittest.mock.patch.object(functional, "scaled_dot_product_attention", attention):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (example,), str(path), **options)


def run_onnxruntime(path, images):
    """onnxruntime's output and the batch dimension of the graph's input (a number or a name)."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    if isinstance(batch, int):
        parts = [session.run(["output"], {"input": images[i : i + batch]})[0] for i in range(0, len(images), batch)]
        return np.concatenate(parts), batch
    return session.run(["output"], {"input": images})[0], batch


def input_gradient(model, image, target):
    image = image.clone().requires_grad_(True)
    return torch.autograd.grad(model(image)[0, target], image)[0].numpy()


def torch_reference(model, images):
    """Output for the batch, argmax per image, the first image's input gradient in float64, and its noise in float32.

    The noise is how far torch's own float32 gradients, with and without oneDNN, are from the float64 one.
    """
    with torch.no_grad():
        output = model(images)
    target, single = output.argmax(1), images[:1]
    rounded = [input_gradient(model, single, target[0])]
    with torch.backends.mkldnn.flags(enabled=False):
        rounded.append(input_gradient(model, single, target[0]))
    gradient = input_gradient(model.double(), single.double(), target[0])
    model.float()
    noise = max(relative_difference(g, gradient) for g in rounded)
    return output.numpy(), target.numpy(), gradient.astype(np.float32), noise


def relative_difference(value, reference):
    """Largest absolute difference over the largest absolute value of the reference."""
    return float(np.abs(value - reference).max() / np.abs(reference).max())


def describe(path):
    """Opset, IR version, operator counts, node and function counts."""
    model = onnx.load(str(path), load_external_data=False)
    counts = collections.Counter(f"{n.domain}:{n.op_type}" if n.domain else n.op_type for n in model.graph.node)
    return dict(
        ir_version=model.ir_version,
        opsets={o.domain or "ai.onnx": o.version for o in model.opset_import},
        nodes=len(model.graph.node),
        functions=len(model.functions),
        operators=dict(counts.most_common()),
    )


def export_one(name, mode, model, images, reference, folder):
    """Export, run, store; returns the record that goes into exports.jsonl."""
    path = folder / f"{name}.{mode}.onnx"
    torch_output, target, gradient, noise = reference
    export(model, images, path, mode)
    output, batch = run_onnxruntime(path, images.numpy())
    info = dict(
        arch=name, mode=mode, seed=SEED, batch=batch,
        versions=dict(torch=torch.__version__, torchvision=torchvision.__version__, timm=timm.__version__,
                      onnx=onnx.__version__, onnxruntime=onnxruntime.__version__),
        difference_torch_onnxruntime=relative_difference(output, torch_output),
        gradient_noise=noise,
        largest_output=float(np.abs(torch_output).max()),
        parameters=sum(p.numel() for p in model.parameters()),
        **describe(path),
    )
    np.savez(path.with_suffix(".npz"), input=images.numpy(), output=output, target=target, gradient=gradient,
             info=np.array(json.dumps(info)))
    return info


def wanted(name, mode):
    architectures = MODES[mode][3]
    return architectures is None or name in architectures


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=here.parents[2] / ".cache" / "exports")
    parser.add_argument("--only", nargs="*", default=list(ARCHITECTURES), choices=list(ARCHITECTURES), metavar="ARCH")
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES), metavar="MODE")
    parser.add_argument("--again", action="store_true", help="also write exports that exist already")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    failed = []
    for name in options.only:
        modes = [m for m in options.modes if wanted(name, m)]
        if not options.again:
            modes = [m for m in modes if not (options.folder / f"{name}.{m}.npz").exists()]
        if not modes:
            continue
        reference = None
        for mode in modes:
            start = time.time()
            try:
                if reference is None or mode == "margin":  # the last mode: it has weights of its own
                    model, images = build(name, with_margins=mode == "margin")
                    reference = torch_reference(model, images)
                record = export_one(name, mode, model, images, reference, options.folder)
                print(f"{name:20} {mode:13} {time.time() - start:6.1f} s  {record['nodes']:5} nodes  difference "
                      f"{record['difference_torch_onnxruntime']:.1e}  gradient noise {record['gradient_noise']:.1e}", flush=True)
            except Exception as error:
                failed.append((name, mode))
                record = dict(arch=name, mode=mode, error=f"{type(error).__name__}: {error}"[:2000])
                print(f"{name:20} {mode:13} FAILED {record['error'][:200]}", flush=True)
                traceback.print_exc()
            with open(options.folder / "exports.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
