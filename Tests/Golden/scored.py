"""References for class activation maps from scores, biases and attention: pytorch-grad-cam, torch-cam, and the published formulas in torch."""

import contextlib
import copy
import io
import unittest.mock

import numpy as np
import torch
import torch.nn.functional as F
from vision import torchvision  # noqa: F401  (pytorch-grad-cam imports it)

import golden
import pytorch_grad_cam
import references
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

LIBRARIES = ["torch", "grad-cam", "torchcam", "numpy"]
LAYER = {"cnn": "relu2", "residual": "relu_mix", "vit": "blocks.0"}
FINISHED = {"relu": True, "normalize": True, "resize": "input"}


def targets_of(maps):
    return [ClassifierOutputTarget(target) for target in maps.targets]


def grad_cam_library(maps, kind, layer, network=None, fold=None, **options):
    """The map of a class of pytorch-grad-cam, float32 as the library expects."""
    network = (network or maps.network).float()
    arguments = dict(model=network, target_layers=[network.get_submodule(layer)] if layer else [], reshape_transform=fold, **options)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        with getattr(pytorch_grad_cam, kind)(**arguments) as method:
            found = method(input_tensor=maps.x.float(), targets=targets_of(maps))
    maps.network.double()
    return found


def torch_cam(maps, kind, layer, **options):
    """The raw, rectified map of a class of torch-cam at the layer's size."""
    method = getattr(torchcam.methods, kind)(maps.network, layer, **options)
    with torch.no_grad():
        maps.network(maps.x)
    found = method(maps.targets, normalized=False)[0].numpy()
    method.remove_hooks()
    return found


def probabilities(maps, images):
    return torch.softmax(maps.network(images), 1)


def official_score_cam(maps, layer):
    """Wang et al.'s script: enlarged channels scaled to [0, 1], weights P_c of the masked image, no softmax over channels."""
    size = maps.x.shape[2:]
    found = references.activations(maps.network, maps.x, [layer])[0][layer]
    result = []
    with torch.no_grad():
        for image, features, target in zip(maps.x, torch.from_numpy(found), maps.targets):
            total = torch.zeros(size, dtype=torch.float64)
            for channel in features:
                large = F.interpolate(channel[None, None], size, mode="bilinear", align_corners=False)[0, 0]
                if large.max() == large.min():
                    continue
                mask = (large - large.min()) / (large.max() - large.min())
                total += probabilities(maps, image[None] * mask)[0, target] * large
            total = F.relu(total)
            result.append((total - total.min()) / (total.max() - total.min()))
    return torch.stack(result).numpy()


def increase_of_confidence(maps, layer, baseline):
    """sum_k (f(x_k) - f(x_b)) A_k, not rectified, x_k = x_b + H_k (x - x_b); logits."""
    size = maps.x.shape[2:]
    found = torch.from_numpy(references.activations(maps.network, maps.x, [layer])[0][layer])
    result = []
    with torch.no_grad():
        for image, features, target in zip(maps.x, found, maps.targets):
            absent = torch.full_like(image, baseline)
            without = maps.network(absent[None])[0, target]
            total = torch.zeros(features.shape[1:], dtype=torch.float64)
            for channel in features:
                large = F.interpolate(channel[None, None], size, mode="bilinear", align_corners=False)[0, 0]
                if large.max() == large.min():
                    continue
                mask = (large - large.min()) / (large.max() - large.min())
                total += (maps.network((absent + mask * (image - absent))[None])[0, target] - without) * channel
            result.append(total)
    return torch.stack(result).numpy()


def score_cams(maps, case):
    layer = LAYER[case]
    common = dict(score="logit")
    maps.check("score-cam", "score-cam/pytorch-grad-cam", grad_cam_library(maps, "ScoreCAM", layer), "pytorch-grad-cam ScoreCAM",
               options={"layer": layer, "mode": "pytorch-grad-cam", **FINISHED}, **common)
    maps.check("score-cam", "score-cam/torchcam", torch_cam(maps, "ScoreCAM", layer), "torch-cam ScoreCAM",
               options={"layer": layer, "mode": "torchcam"}, **common)
    maps.check("score-cam", "score-cam/official", official_score_cam(maps, layer), "formula of the official script",
               options={"layer": layer, "mode": "official", **FINISHED}, score="probability")
    maps.check("score-cam", "score-cam/cic", increase_of_confidence(maps, layer, 0.25), "sum of (f(x_k) - f(x_b)) A_k",
               options={"layer": layer, "weighting": "cic", "baseline": 0.25, "relu": False}, **common)
    maps.check("is-cam", "is-cam", torch_cam(maps, "ISCAM", layer), "torch-cam ISCAM",
               options={"layer": layer, "mode": "torchcam"}, **common)
    channels = references.activations(maps.network, maps.x[:1], [layer])[0][layer].shape[1]
    noise = torch.randn(2, channels, *maps.x.shape[2:], dtype=torch.float32) * 2
    maps.keep("noise", noise.numpy())
    samples = iter(noise.double())

    def sample(self, shape):
        return next(samples).expand(shape)

    with unittest.mock.patch.object(torch.distributions.normal.Normal, "sample", sample):
        found = torch_cam(maps, "SSCAM", layer, num_samples=2)
    maps.check("ss-cam", "ss-cam", found, "torch-cam SSCAM", options={"layer": layer, "mode": "torchcam", "noise_samples": "@noise"},
               **common)


def ablation_cams(maps, case):
    # In most layers several channels lie wholly in the component's region, and float32 rounding decides between them; not in `pool`.
    for name, layer, ratio in [("ablation-cam", LAYER[case], 1.0)] + [("ablation-cam/ratio", "pool", 0.25)] * (case == "cnn"):
        maps.check("ablation-cam", name, grad_cam_library(maps, "AblationCAM", layer, ratio_channels_to_ablate=ratio),
                   "pytorch-grad-cam AblationCAM",
                   options={"layer": layer, "divide_by": "score", "ratio_channels_to_ablate": ratio, **FINISHED}, score="logit")


GAUSSIAN = np.outer([1, 2, 1], [1, 2, 1]) / 16.0


def mosaic(features, kernel):
    """[h * w, K, h, w]: at each position the features of that position alone (point), of it and its neighbours under a Gaussian
    (gaussian), or its own written over the neighbours with those weights (spread, the official Gaussian)."""
    channels, height, width = features.shape
    result = np.zeros((height * width, channels, height + 2, width + 2))
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1)))
    for y in range(height):
        for x in range(width):
            area = (y * width + x, slice(None), slice(y, y + 3), slice(x, x + 3))
            if kernel == "point":
                result[y * width + x, :, y + 1, x + 1] = features[:, y, x]
            elif kernel == "gaussian":
                result[area] = padded[:, y : y + 3, x : x + 3] * GAUSSIAN
            else:
                result[area] = features[:, y, x][:, None, None] * GAUSSIAN
    return torch.from_numpy(result[:, :, 1:-1, 1:-1].copy())


def recipro(maps, case, kernel):
    """Probability of the class with the layer's output replaced by each mosaic."""
    layer = maps.network.get_submodule(LAYER[case])
    found = references.activations(maps.network, maps.x, [LAYER[case]])[0][LAYER[case]]
    result = []
    with torch.no_grad():
        for image, features, target in zip(maps.x, found, maps.targets):
            versions = mosaic(features, kernel)
            handle = layer.register_forward_hook(lambda module, inputs, output: versions)
            scores = probabilities(maps, image[None].expand(len(versions), -1, -1, -1))[:, target]
            handle.remove()
            result.append(scores.reshape(features.shape[1:]))
    return torch.stack(result).numpy()


def recipro_tokens(maps, kernel, keeps_token):
    """OpenVINO-XAI's ViTReciproCAM on what enters the last block: masks on the residual path and behind its first LayerNorm."""
    network, block = maps.network, maps.network.blocks[1]
    grid = network.grid
    result = []
    with torch.no_grad():
        for image, target in zip(maps.x, maps.targets):
            found, _ = references.activations(network, image[None], ["blocks.0", "blocks.1.norm1"])

            def masked(tokens):
                tokens = tokens[0]
                body = torch.from_numpy(mosaic(tokens[1:].T.reshape(-1, *grid), kernel).numpy()).flatten(2).transpose(1, 2)
                first = torch.from_numpy(tokens[:1] * keeps_token).expand(len(body), 1, -1)
                return torch.cat([first, body], 1)

            x = masked(found["blocks.0"]) + block.attention(masked(found["blocks.1.norm1"]))
            x = x + block.down(block.gelu(block.up(block.norm2(x))))
            scores = torch.softmax(network.head(network.norm(x)[:, 0]), 1)[:, target]
            result.append(scores.reshape(grid))
    return torch.stack(result).numpy()


def folded(network):
    """The network of `cnn` as the exporters write it: its BatchNorm is part of the convolution."""
    network = copy.deepcopy(network)
    network.conv1 = torch.nn.utils.fusion.fuse_conv_bn_eval(network.conv1, network.bn1)
    network.bn1 = torch.nn.Identity()
    return network


def full_gradients(maps, network, simple):
    """Srinivas & Fleuret's map: abs, scaled to [0, 1] per image and layer, align_corners, summed; and what completeness misses."""
    kept = []

    def keep(module, inputs, output):
        output.retain_grad()
        kept.append((module, output))

    layers = [m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.BatchNorm2d))]
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    handles = [m.register_forward_hook(keep) for m in layers + linear]
    x = maps.x.clone().requires_grad_(True)
    score = network(x)[torch.arange(len(x)), torch.as_tensor(maps.targets)]
    score.sum().backward()
    for handle in handles:
        handle.remove()

    def scaled(part):
        part = part.abs().flatten(1)
        low, high = part.min(1, keepdim=True).values, part.max(1, keepdim=True).values
        return (part - low) / (high - low + 1e-6)

    def enlarged(part):
        return F.interpolate(scaled(part).reshape(part.shape), x.shape[2:], mode="bilinear", align_corners=True).sum(1, keepdim=True)

    inputs = (x * x.grad).detach()
    total, result = inputs.flatten(1).sum(1), enlarged(inputs)
    for module, output in kept:
        bias = module.bias
        if isinstance(module, torch.nn.BatchNorm2d):
            bias = bias - module.running_mean * module.weight / torch.sqrt(module.running_var + module.eps)
        part = output.grad if simple else output.grad * bias.detach().reshape(1, -1, *[1] * (output.dim() - 2))
        total = total + part.flatten(1).sum(1)
        if output.dim() == 4:
            result = result + enlarged(part.detach())
    return result.detach().numpy(), (score - total).detach().numpy()


def full_grads(maps, case):
    network = folded(maps.network) if case == "cnn" else maps.network
    result, gaps = full_gradients(maps, network, simple=False)
    maps.check("full-grad", "full-grad", result, "formula of Srinivas & Fleuret's repository", score="logit")
    if case == "residual":  # rectifiers that saturate: what is missed is not rounding
        maps.check("full-grad", "full-grad/gaps", gaps, "score minus the sum of its parts", result="completeness_gaps", score="logit")
    simple, _ = full_gradients(maps, network, simple=True)
    maps.check("full-grad", "full-grad/simple", simple, "the same with biases of 1", options={"variant": "simple"}, score="logit")
    maps.check("full-grad", "full-grad/pytorch-grad-cam", grad_cam_library(maps, "FullGrad", None, network=network),
               "pytorch-grad-cam FullGrad", options={"scale": "channel", "interp": "half_pixel", "epsilon": 1e-7, "normalize": True}, score="logit")


# Attention


def attentions(maps, image, target=None):
    """The matrices of both blocks, heads x tokens x tokens, and their gradients."""
    kept = []

    def keep(module, inputs, output):
        output.retain_grad()
        kept.append(output)

    handles = [block.softmax.register_forward_hook(keep) for block in maps.network.blocks]
    score = maps.network(image[None].clone().requires_grad_(True))[0, target or 0]
    score.backward()
    for handle in handles:
        handle.remove()
    return [a.detach()[0] for a in kept], [a.grad[0] for a in kept]


def rollout(maps, fusion, discard):
    """Abnar & Zuidema's rollout; heads fused and small entries discarded as in Gildenblat's repository."""
    result = []
    for image in maps.x:
        matrices, _ = attentions(maps, image)
        flow = torch.eye(matrices[0].shape[-1], dtype=torch.float64)
        for a in matrices:
            a = a.mean(0) if fusion == "mean" else a.max(0).values if fusion == "max" else a.min(0).values
            flat = a.reshape(-1).clone()
            _, indices = flat.topk(int(flat.numel() * discard), largest=False)
            flat[indices[indices != 0]] = 0
            a = flat.reshape(a.shape) + torch.eye(len(a), dtype=torch.float64)
            flow = (a / a.sum(-1, keepdim=True)) @ flow
        result.append(flow[0, 1:].reshape(maps.network.grid))
    return torch.stack(result).numpy()


def relevance(maps):
    """Chefer, Gur & Wolf, rule for self-attention."""
    result = []
    for image, target in zip(maps.x, maps.targets):
        matrices, gradients = attentions(maps, image, target)
        flow = torch.eye(matrices[0].shape[-1], dtype=torch.float64)
        for a, g in zip(matrices, gradients):
            flow = flow + (a * g).clamp(min=0).mean(0) @ flow
        result.append(flow[0, 1:].reshape(maps.network.grid))
    return torch.stack(result).numpy()


def legrad(maps, pool):
    """Bousselham et al.: the score of each block's tokens, its gradient at the block's attention, positive part, means."""
    network, result = maps.network, []
    for image, target in zip(maps.x, maps.targets):
        kept, streams = [], []
        handles = [block.softmax.register_forward_hook(lambda m, i, o: kept.append(o)) for block in network.blocks]
        handles += [block.register_forward_hook(lambda m, i, o: streams.append(o)) for block in network.blocks]
        network(image[None].clone().requires_grad_(True))
        for handle in handles:
            handle.remove()
        total = 0
        for stream, a in zip(streams, kept):
            tokens = stream.mean(1) if pool == "mean" else stream[:, 0]
            score = network.head(network.norm(tokens))[0, target]
            gradient = torch.autograd.grad(score, a, retain_graph=True)[0]
            total = total + gradient.clamp(min=0).mean((1, 2))[0, 1:] / len(kept)
        result.append(total.reshape(network.grid))
    return torch.stack(result).detach().numpy()


def attention(maps):
    for fusion, discard in (("mean", 0.0), ("max", 0.0), ("min", 0.5), ("mean", 0.9)):
        maps.check("attention-rollout", f"attention-rollout/{fusion}-{discard}", rollout(maps, fusion, discard),
                   "Abnar & Zuidema, with Gildenblat's fusion and discarding", options={"head_fusion": fusion, "discard_ratio": discard})
    maps.check("attention-relevance", "attention-relevance", relevance(maps), "formula of Chefer, Gur & Wolf")
    for pool in ("mean", "head"):
        maps.check("legrad", f"legrad/{pool}", legrad(maps, pool), "formula of Bousselham et al. (torch-cam's LeGrad for mean)",
                   options={"pool": pool})


def main():
    torch.set_num_threads(1)
    for case in ("cnn", "residual", "vit"):
        maps = golden.Maps("scored", case, LIBRARIES)
        if case == "vit":
            fold = references.fold_tokens(maps.network.grid)
            maps.check("score-cam", "score-cam/pytorch-grad-cam", grad_cam_library(maps, "ScoreCAM", LAYER[case], fold=fold),
                       "pytorch-grad-cam ScoreCAM", options={"layer": LAYER[case], "mode": "pytorch-grad-cam", **FINISHED}, score="logit")
            for kernel, keeps in (("gaussian", True), ("point", True), ("point", False)):
                maps.check("recipro-cam", f"recipro-cam/{kernel}-{keeps}".lower(), recipro_tokens(maps, kernel, keeps),
                           "formula of OpenVINO-XAI's ViTReciproCAM", options={"kernel": kernel, "class_token": keeps})
            attention(maps)
        else:
            score_cams(maps, case)
            ablation_cams(maps, case)
            for kernel in ("point", "gaussian", "spread"):
                maps.check("recipro-cam", f"recipro-cam/{kernel}", recipro(maps, case, kernel), "formula of the official repository",
                           options={"layer": LAYER[case], "kernel": kernel})
            full_grads(maps, case)
        maps.write()


if __name__ == "__main__":
    main()
