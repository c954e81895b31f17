#!/usr/bin/env python3
"""Write maps/deep-lift: DeepLIFT as Captum computes it.

    python deep_lift.py

Captum's hooks see the functions of one value that are modules, and max-pools; it takes the gradient everywhere else, which
breaks the sum of contributions. `Plain` and `PlainViT` therefore write gates, normalisations and attention as sums and functions
of one value (`a b = ((a + b)^2 - (a - b)^2) / 4`), each a module of its own, so that Captum's rescale rule covers them.
Captum has no RevealCancel; `reveal_cancel` follows the paper on the network `cnn`.
"""

import copy

import captum.attr
import numpy as np
import torch
from captum.attr._core import deep_lift
from torch import nn

import references  # noqa: F401  (silences Captum's warnings)
from golden import Maps

LIBRARIES = ["torch", "numpy", "captum"]


class Curve(nn.Module):
    """A function of one value."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x)


for kind in [Curve, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.GELU]:
    deep_lift.SUPPORTED_NON_LINEAR[kind] = deep_lift.nonlinear


class Apart(nn.Module):
    """A function on a copy of its input: Captum hooks tensors, and two hooks on one tensor get in each other's way."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x * 1) * 1


def Function(body):
    return Apart(Curve(body))


class Product(nn.Module):
    """A product of two values by sums and squares."""

    def __init__(self):
        super().__init__()
        self.more, self.less = Function(torch.square), Function(torch.square)

    def forward(self, a, b):
        return (self.more(a + b) - self.less(a - b)) / 4


class Norm(nn.Module):
    """LayerNorm of elementary steps."""

    def __init__(self, norm):
        super().__init__()
        self.norm, self.square, self.product = norm, Function(torch.square), Product()
        self.inverse = Function(lambda v: (v + norm.eps).rsqrt())

    def forward(self, x):
        d = x - x.mean(-1, keepdim=True)
        q = self.inverse(self.square(d).mean(-1, keepdim=True))
        return self.product(d, q.expand_as(d)) * self.norm.weight + self.norm.bias


class Softmax(nn.Module):
    """Softmax of elementary steps."""

    def __init__(self):
        super().__init__()
        self.inner, self.log, self.outer = Function(torch.exp), Function(torch.log), Function(torch.exp)

    def forward(self, x):
        return self.outer(x - self.log(self.inner(x).sum(-1, keepdim=True)))


class Matmul(nn.Module):
    def __init__(self):
        super().__init__()
        self.product = Product()

    def forward(self, a, b):
        shape = torch.broadcast_shapes(a.unsqueeze(-1).shape, b.unsqueeze(-3).shape)
        return self.product(a.unsqueeze(-1).expand(shape), b.unsqueeze(-3).expand(shape)).sum(-2)


class Plain(nn.Module):
    """The residual network."""

    def __init__(self, net):
        super().__init__()
        for name, module in copy.deepcopy(net).named_children():
            setattr(self, name, module)
        self.product = Product()

    def forward(self, x):
        x = self.relu6(3 * self.stem(self.bn(x)))
        y = self.relu(self.depthwise(self.hardswish(self.expand(x))))
        y = self.product(y, self.hardsigmoid(self.gate(y.mean((2, 3), keepdim=True))).expand_as(y))
        x = x + self.project(y)
        x = self.relu_mix(self.mix(torch.cat([x, self.average(x)], 1)))
        return self.fc(x.mean((2, 3)))


class PlainBlock(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.heads = block.heads
        for name in ["qkv", "project", "up", "gelu", "down"]:
            setattr(self, name, getattr(block, name))
        self.norm1, self.norm2, self.softmax = Norm(block.norm1), Norm(block.norm2), Softmax()
        self.scores, self.values = Matmul(), Matmul()

    def attention(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = self.softmax(self.scores(qkv[0], qkv[1].transpose(-2, -1)) * (width // self.heads) ** -0.5)
        return self.project(self.values(weights, qkv[2]).transpose(1, 2).reshape(batch, tokens, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class PlainViT(nn.Module):
    """The transformer."""

    def __init__(self, net):
        super().__init__()
        self.net = copy.deepcopy(net)
        self.net.blocks = nn.Sequential(*[PlainBlock(block) for block in self.net.blocks])
        self.net.norm = Norm(self.net.norm)

    def forward(self, x):
        return self.net(x)


def pooled(net):
    net = copy.deepcopy(net)
    net.pool = Apart(net.pool)
    return net


WRITTEN = {"cnn": pooled, "residual": Plain, "vit": PlainViT}


def rescale(maps, baseline, multiply=True):
    net = WRITTEN[maps.name](maps.network)
    with torch.no_grad():
        assert (net(maps.x) - maps.network(maps.x)).abs().max() < 1e-9
    method = captum.attr.DeepLift(net, multiply_by_inputs=multiply)
    values, delta = method.attribute(maps.x.clone(), baselines=baseline, target=maps.targets, return_convergence_delta=True)
    assert not multiply or delta.abs().max() < 1e-8, delta
    return values.detach().numpy()


def split(w, change, apply, back):
    """RevealCancel's linear rule for a layer: what rises, what falls, and how their multipliers go back."""
    up, down = w.clamp(min=0), w.clamp(max=0)
    more, less = change.clamp(min=0), change.clamp(max=0)

    def send(risen, fallen):
        positive = back(risen, up) + back(fallen, down)
        negative = back(risen, down) + back(fallen, up)
        return torch.where(change > 0, positive, torch.where(change < 0, negative, (positive + negative) / 2))

    return apply(more, up) + apply(less, down), apply(more, down) + apply(less, up), send


def reveal(z0, rise, fall, signal):
    """Equations of section 3.5.3 for a ReLU."""
    f = torch.relu
    upward = (f(z0 + rise) - f(z0) + f(z0 + fall + rise) - f(z0 + fall)) / 2
    downward = (f(z0 + fall) - f(z0) + f(z0 + fall + rise) - f(z0 + rise)) / 2
    return (torch.where(rise.abs() > 1e-10, signal * upward / rise, 0 * signal),
            torch.where(fall.abs() > 1e-10, signal * downward / fall, 0 * signal))


def reveal_cancel(maps, baseline):
    """The network `cnn`, backwards by hand."""
    net, F = maps.network, nn.functional
    factor = net.bn1.weight / (net.bn1.running_var + net.bn1.eps).sqrt()
    w1 = net.conv1.weight * factor.reshape(-1, 1, 1, 1)
    b1 = (net.conv1.bias - net.bn1.running_mean) * factor + net.bn1.bias
    w2, b2 = net.conv2.weight, net.conv2.bias

    def forward(x):
        z1 = F.conv2d(x, w1, b1, padding=1)
        a1, places = F.max_pool2d(torch.relu(z1), 2, return_indices=True)
        return z1, torch.relu(z1), a1, places, F.conv2d(a1, w2, b2, padding=1)

    def apply(x, w):
        return F.conv2d(x, w, padding=1)

    def back(m, w):
        return F.conv_transpose2d(m, w, padding=1)

    x, x0 = maps.x, baseline
    (z1, r1, a1, p1, z2), (y1, s1, c1, p2, y2) = forward(x), forward(x0)
    m = net.fc.weight[torch.as_tensor(maps.targets)][:, :, None, None].expand_as(z2) / (z2.shape[2] * z2.shape[3])
    rise, fall, send = split(w2, a1 - c1, apply, back)
    m = send(*reveal(y2, rise, fall, m))
    most = torch.maximum(a1, c1)
    whole = F.max_unpool2d(m * (most - c1), p1, 2, output_size=r1.shape) + F.max_unpool2d(m * (a1 - most), p2, 2, output_size=r1.shape)
    change = r1 - s1
    plain = F.max_unpool2d(m, p1, 2, output_size=r1.shape)
    m = torch.where(change.abs() < 1e-10, plain, whole / change)
    rise, fall, send = split(w1, x - x0, apply, back)
    result = (x - x0) * send(*reveal(y1, rise, fall, m))
    gap = result.sum((1, 2, 3)) - (net(x) - net(x0))[torch.arange(len(x)), torch.as_tensor(maps.targets)]
    assert gap.abs().max() < 1e-8, gap
    return result.detach().numpy()


def main():
    for case in WRITTEN:
        maps = Maps("deep-lift", case, LIBRARIES)
        other = torch.randn(maps.x.shape, dtype=torch.float32).double()
        maps.keep("baseline", other.numpy())
        maps.check("deep-lift", "zero", rescale(maps, torch.zeros_like(maps.x)), "Captum DeepLift")
        maps.check("deep-lift", "other", rescale(maps, other), "Captum DeepLift", options=dict(baseline="@baseline"))
        maps.check("deep-lift", "multipliers", rescale(maps, other, multiply=False), "Captum DeepLift",
                   options=dict(baseline="@baseline", multiply_by_inputs=False))
        if case == "cnn":
            maps.check("deep-lift", "reveal-cancel", reveal_cancel(maps, other), "formulas of the paper",
                       options=dict(baseline="@baseline", rule="reveal-cancel"))
        maps.write()


if __name__ == "__main__":
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    main()
