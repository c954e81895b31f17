"""Four tiny torch networks with random weights of a fixed seed. Images are not square, so that a swap of axes shows."""

import torch
from torch import nn

CLASSES = 10


class CNN(nn.Module):
    """conv, BatchNorm, relu, max-pool, conv, relu, global average pool, linear: classic CAM applies."""

    image = (3, 12, 16)
    layers = ["bn1", "relu1", "pool", "conv2", "relu2", "gap"]
    weight = "conv2.weight"

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        x = self.relu2(self.conv2(x))
        return self.fc(torch.flatten(self.gap(x), 1))


class Block(nn.Module):
    """Transformer block, normalisation first: attention with two heads, then a Gelu MLP."""

    heads = 2

    def __init__(self, width):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(dim=-1)
        self.project = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.gelu = nn.GELU()
        self.down = nn.Linear(2 * width, width)

    def attention(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = self.softmax(q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5)
        return self.project((weights @ v).transpose(1, 2).reshape(batch, tokens, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class ViT(nn.Module):
    """Patches of 4 by 4 as a convolution, class token, position embedding, two blocks, LayerNorm, linear on the class token."""

    image = (3, 12, 16)
    grid = (3, 4)
    layers = ["patches", "blocks.0.norm1", "blocks.0.softmax", "blocks.0", "blocks.1.norm1", "blocks.1", "norm"]
    weight = "patches.weight"

    def __init__(self, width=16):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], width))
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class Probability(nn.Module):
    """A network that ends in Softmax: its logits are a value inside the graph."""

    image = (3, 8, 10)
    layers = ["conv", "relu1", "fc1", "relu2", "fc2"]
    weight = "conv.weight"

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()
        self.fc1 = nn.Linear(4 * 4 * 5, 16)
        self.relu2 = nn.ReLU()
        self.fc2 = nn.Linear(16, CLASSES)
        self.softmax = nn.Softmax(dim=1)

    def logits(self, x):
        x = torch.flatten(self.relu1(self.conv(x)), 1)
        return self.fc2(self.relu2(self.fc1(x)))

    def forward(self, x):
        return self.softmax(self.logits(x))


class Residual(nn.Module):
    """BatchNorm that cannot be folded, ReLU6, an inverted bottleneck with HardSwish and depthwise convolution, a gate, Concat."""

    image = (3, 13, 16)
    layers = ["bn", "stem", "relu6", "expand", "hardswish", "depthwise", "relu", "project", "hardsigmoid", "mix", "relu_mix"]
    weight = "depthwise.weight"

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.relu6 = nn.ReLU6()
        self.expand = nn.Conv2d(8, 16, 1)
        self.hardswish = nn.Hardswish()
        self.depthwise = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16)
        self.relu = nn.ReLU()
        self.gate = nn.Conv2d(16, 16, 1)
        self.hardsigmoid = nn.Hardsigmoid()
        self.project = nn.Conv2d(16, 8, 1)
        self.average = nn.AvgPool2d(3, stride=1, padding=1)
        self.mix = nn.Conv2d(16, 12, (3, 1), padding=(1, 0), groups=2)
        self.relu_mix = nn.ReLU()
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.relu6(3 * self.stem(self.bn(x)))
        y = self.relu(self.depthwise(self.hardswish(self.expand(x))))
        y = y * self.hardsigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        x = x + self.project(y)
        x = self.relu_mix(self.mix(torch.cat([x, self.average(x)], 1)))
        return self.fc(x.mean((2, 3)))


def make(kind, seed):
    """The network in evaluation mode, float64, with no parameter or statistic at a trivial value; and two images."""
    torch.manual_seed(seed)
    network = kind().double().eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "norm" in name or "bn" in name:
                value.uniform_(0.5, 1.5) if name.endswith("weight") else value.normal_(0, 0.3)
            elif value.dim() > 1:
                value.normal_(0, 1.4 * value[0].numel() ** -0.5)
            else:
                value.normal_(0, 0.2)
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(0, 0.3)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
        # What a float32 file holds is what the float64 reference computes with.
        for value in [*network.parameters(), *network.buffers()]:
            if value.is_floating_point():
                value.copy_(value.float().double())
    images = torch.randn(2, *kind.image, dtype=torch.float32).double()
    return network, images
