#!/usr/bin/env python3
"""Write maps/relevance: layer-wise relevance propagation and its relatives as zennit and lxt compute them.

    python relevance.py

zennit's rules are hooks of modules, so that `Canonical` writes the residual network's sums and products as modules and folds
its factor of 3 into the convolution before it; the gate has AttnLRP's rule for products. lxt has functions; `Attentive` is the transformer written with them.
"""

import copy

import numpy as np
import torch
from vision import torchvision  # noqa: F401  (zennit and lxt import it)
import zennit.canonizers
import zennit.composites
import zennit.core
import zennit.layer
import zennit.rules
import zennit.types
from lxt.explicit import functional as lrp
from torch import nn
from zennit.attribution import Gradient

from golden import Maps

LIBRARIES = ["torch", "numpy", "zennit", "lxt"]
LOW, HIGH = [-2.5, -3.0, -3.5], [3.5, 3.0, 2.5]


class Product(torch.autograd.Function):
    """A product whose backward pass gives half of the relevance to each factor."""

    @staticmethod
    def forward(ctx, signal, gate):
        ctx.shape = gate.shape
        return signal * gate

    @staticmethod
    def backward(ctx, relevance):
        half = relevance / 2
        return half, half.sum_to_size(ctx.shape)


class Canonical(nn.Module):
    """The residual network with a module for each sum and mean."""

    def __init__(self, net):
        super().__init__()
        net = copy.deepcopy(net)
        with torch.no_grad():
            net.stem.weight *= 3
            net.stem.bias *= 3
        for name, module in net.named_children():
            setattr(self, name, module)
        self.squeeze, self.pool = nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(1)
        self.sum = zennit.layer.Sum(0)

    def forward(self, x):
        x = self.relu6(self.stem(self.bn(x)))
        y = self.relu(self.depthwise(self.hardswish(self.expand(x))))
        y = Product.apply(y, self.hardsigmoid(self.gate(self.squeeze(y))))
        x = self.sum(torch.stack([x, self.project(y)]))
        x = self.relu_mix(self.mix(torch.cat([x, self.average(x)], 1)))
        return self.fc(self.pool(x).flatten(1))


def canonical(maps):
    """The network as zennit can treat it."""
    if maps.name == "residual":
        return Canonical(maps.network)
    net = copy.deepcopy(maps.network)
    zennit.canonizers.SequentialMergeBatchNorm().apply(net)
    return net


def relevance(net, composite, x, targets, layer=None, start="score"):
    """Relevance of the input, or of the output of a module."""
    kept = []

    def keep(module, inputs, output):
        output.retain_grad()
        kept.append(output)

    handle = net.get_submodule(layer).register_forward_hook(keep) if layer else None
    hot = torch.eye(10, dtype=x.dtype)[torch.as_tensor(targets)]
    with Gradient(net, composite) as attributor:
        _, found = attributor(x.clone(), lambda output: hot * output.detach() if start == "score" else hot)
    if handle:
        handle.remove()
        found = kept[0].grad
    return found.detach().numpy()


def box(values):
    return torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1)


COMPOSITES = {
    "epsilon-plus": zennit.composites.EpsilonPlus,
    "epsilon-plus-flat": zennit.composites.EpsilonPlusFlat,
    "epsilon-alpha2-beta1": zennit.composites.EpsilonAlpha2Beta1,
    "epsilon-alpha2-beta1-flat": zennit.composites.EpsilonAlpha2Beta1Flat,
    "epsilon-gamma-box": lambda: zennit.composites.EpsilonGammaBox(box(LOW), box(HIGH)),
}


def everywhere(rule, first=None):
    """One rule for all linear layers, another for the first."""
    layers = zennit.composites.layer_map_base() + [(zennit.types.Linear, rule)]
    if first is None:
        return zennit.composites.LayerMapComposite(layers)
    return zennit.composites.SpecialFirstLayerMapComposite(layers, [(zennit.types.Linear, first)])


def lrp_checks(maps):
    bounds = dict(low=",".join(map(str, LOW)), high=",".join(map(str, HIGH)))
    for name, make in COMPOSITES.items():
        options = dict(composite=name, **(bounds if "box" in name else {}))
        array = relevance(canonical(maps), make(), maps.x, maps.targets)
        maps.check("lrp", f"lrp/{name}", array, f"zennit {name}", options=options)
    rules = {
        "epsilon": (zennit.rules.Epsilon(0.1), dict(dense_rule="epsilon", convolution_rule="epsilon", epsilon=0.1)),
        "gamma": (zennit.rules.Gamma(0.5), dict(dense_rule="gamma", convolution_rule="gamma", gamma=0.5)),
        "alpha-beta": (zennit.rules.AlphaBeta(3, 2), dict(dense_rule="alpha-beta", convolution_rule="alpha-beta", alpha=3)),
    }
    for name, (rule, options) in rules.items():
        array = relevance(canonical(maps), everywhere(rule), maps.x, maps.targets)
        maps.check("lrp", f"lrp/all-{name}", array, f"zennit {type(rule).__name__}", options=options)
    first = everywhere(zennit.rules.ZPlus(), zennit.rules.WSquare())
    array = relevance(canonical(maps), first, maps.x, maps.targets)
    options = dict(dense_rule="z-plus", convolution_rule="z-plus", first_rule="w-square")
    maps.check("lrp", "lrp/w-square", array, "zennit ZPlus, WSquare", options=options)
    without = zennit.composites.EpsilonPlus(zero_params=["bias"])
    array = relevance(canonical(maps), without, maps.x, maps.targets)
    maps.check("lrp", "lrp/no-bias", array, "zennit EpsilonPlus zero_params=bias", options=dict(composite="epsilon-plus", bias="ignore"))


def excitation_checks(maps, layer):
    linear = [(zennit.types.Activation, zennit.rules.Pass()), (zennit.types.BatchNorm, zennit.rules.Pass())]

    def composite():
        return zennit.composites.ExcitationBackprop(stabilizer=1e-12, zero_params=["bias"], layer_map=linear)

    against = canonical(maps)
    with torch.no_grad():
        against.fc.weight.neg_()
    for where in [None, layer]:
        name = where or "input"
        options = dict(layer=where) if where else {}
        array = relevance(canonical(maps), composite(), maps.x, maps.targets, where, start="one")
        other = relevance(against, composite(), maps.x, maps.targets, where, start="one")
        maps.check("excitation-backprop", f"excitation/{name}", array.sum(1, keepdims=True), "zennit ExcitationBackprop", options=options)
        maps.check("excitation-backprop", f"excitation/{name}/contrastive", (array - other).sum(1, keepdims=True),
                   "zennit ExcitationBackprop, twice", options=dict(contrastive=True, **options))


class Rectified(torch.autograd.Function):
    """RectGrad's rule (Kim et al. 2019, equation 4; percentiles as the official code takes them, by nearest rank)."""

    @staticmethod
    def forward(ctx, x, slope, percentile, tau):
        y = slope(x)
        ctx.save_for_backward(x, y)
        ctx.settings = slope, percentile, tau
        return y

    @staticmethod
    def backward(ctx, signal):
        x, y = ctx.saved_tensors
        slope, percentile, tau = ctx.settings
        product = (y * signal).flatten(1)
        if tau is None:
            rank = round((product.shape[1] - 1) * percentile / 100)
            tau = product.sort(1).values[:, rank].reshape(-1, *[1] * (y.dim() - 1))
        with torch.enable_grad():
            z = x.detach().requires_grad_(True)
            derivative = torch.ones_like(x) if slope is nn.functional.relu else torch.autograd.grad(slope(z).sum(), z)[0]
        return torch.where(y * signal > tau, signal * derivative, torch.zeros_like(signal)), None, None, None


class Rectifier(nn.Module):
    def __init__(self, slope, percentile, tau):
        super().__init__()
        self.arguments = slope, percentile, tau

    def forward(self, x):
        return Rectified.apply(x, *self.arguments)


def rectified_gradient(net, x, targets, percentile=98, tau=None):
    net = copy.deepcopy(net)
    slopes = {nn.ReLU: nn.functional.relu, nn.ReLU6: nn.functional.relu6}
    for name, module in list(net.named_children()):
        if type(module) in slopes:
            setattr(net, name, Rectifier(slopes[type(module)], percentile, tau))
    x = x.clone().requires_grad_(True)
    score = net(x)[torch.arange(len(x)), torch.as_tensor(targets)].sum()
    return (x * torch.autograd.grad(score, x)[0]).detach().numpy()


def rectified_checks(maps):
    for settings in [dict(percentile=80), dict(percentile=20), dict(tau=0.001)]:
        name, = settings
        array = rectified_gradient(maps.network, maps.x, maps.targets, **settings)
        maps.check("rect-grad", f"rect-grad/{name}-{settings[name]}", array, "formula of the paper", options=settings)


class Attentive(nn.Module):
    """The transformer with the functions of lxt."""

    def __init__(self, net, values_only=False):
        super().__init__()
        self.net, self.values_only = net, values_only

    def linear(self, layer, x):
        return lrp.linear_epsilon(x, layer.weight, layer.bias)

    def norm(self, layer, x):
        return lrp.layer_norm(x, layer.weight, layer.bias, layer.eps)

    def attention(self, block, x):
        batch, tokens, width = x.shape
        qkv = self.linear(block.qkv, x).reshape(batch, tokens, 3, block.heads, width // block.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scale = torch.tensor((width // block.heads) ** -0.5, dtype=x.dtype)
        weights = lrp.softmax(lrp.mul2(lrp.matmul(q, k.transpose(-2, -1)), scale), -1)
        if self.values_only:
            product = Values.apply(weights.detach(), v)
        else:
            product = lrp.matmul(weights, v)
        return self.linear(block.project, product.transpose(1, 2).reshape(batch, tokens, width))

    def block(self, block, x):
        x = lrp.add2(x, self.attention(block, self.norm(block.norm1, x)))
        inner = Passing.apply(self.linear(block.up, self.norm(block.norm2, x)))
        return lrp.add2(x, self.linear(block.down, inner))

    def forward(self, x):
        net = self.net
        x = Patches.apply(x, net.patches.weight, net.patches.bias).flatten(2).transpose(1, 2)
        x = torch.cat([net.token.expand(x.shape[0], -1, -1), x], 1)
        x = lrp.add2(x, net.position.expand(x.shape[0], -1, -1))
        for block in net.blocks:
            x = self.block(block, x)
        return self.linear(net.head, self.norm(net.norm, x)[:, 0])


class Passing(torch.autograd.Function):
    """GELU with the identity rule."""

    @staticmethod
    def forward(ctx, x):
        return nn.functional.gelu(x)

    @staticmethod
    def backward(ctx, relevance):
        return relevance


class Values(torch.autograd.Function):
    """Attention whose weights are constants, with the epsilon rule for the values (cp-lrp)."""

    @staticmethod
    def forward(ctx, weights, values):
        output = weights @ values
        ctx.save_for_backward(weights, values, output)
        return output

    @staticmethod
    def backward(ctx, relevance):
        weights, values, output = ctx.saved_tensors
        return None, values * (weights.transpose(-2, -1) @ (relevance / (output + 1e-8)))


class Patches(torch.autograd.Function):
    """The patch embedding with the epsilon rule."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        output = nn.functional.conv2d(x, weight, bias, stride=4)
        ctx.save_for_backward(x, weight, output)
        return output

    @staticmethod
    def backward(ctx, relevance):
        x, weight, output = ctx.saved_tensors
        return x * nn.functional.conv_transpose2d(relevance / (output + 1e-8 * output.sign()), weight, stride=4), None, None


def attention_checks(maps):
    for name, values_only in [("attn-lrp", False), ("cp-lrp", True)]:
        x = maps.x.clone().requires_grad_(True)
        scores = Attentive(copy.deepcopy(maps.network).requires_grad_(False), values_only)(x)
        score = scores[torch.arange(len(x)), torch.as_tensor(maps.targets)]
        found, = torch.autograd.grad(score, x, score.detach())
        options = dict(composite=name, epsilon=1e-8, stabilizer=1e-8)
        maps.check("lrp", f"lrp/{name}", found.numpy(), f"lxt {name}", options=options)


def main():
    for case, layer in [("cnn", "pool"), ("residual", "relu6")]:
        maps = Maps("relevance", case, LIBRARIES)
        lrp_checks(maps)
        excitation_checks(maps, layer)
        rectified_checks(maps)
        maps.write()
    maps = Maps("relevance", "vit", LIBRARIES)
    attention_checks(maps)
    maps.write()


if __name__ == "__main__":
    np.random.seed(0)
    torch.set_num_threads(1)
    main()
