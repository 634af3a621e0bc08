"""The network: one score per 8 px cell and class.

Input is RGB, 0..1, any height and width that are multiples of 32. Output is
logits: channel 0 person (cyclists too), channel 1 vehicle.

Two ways meet at 1/8 of the picture. Plain 3x3 convolutions see all of its
pixels, for what is small. What needs to be known rather than seen comes from
the first blocks of EfficientNet-lite0 (Tan and Le, "EfficientNet: Rethinking
Model Scaling", ICML 2019; the lite ones leave out squeeze and excitation),
which begin with weights trained on ImageNet, keep 4 of 6 of their widest
channels (`begin.py`) and look at the picture at half size.

`plan` says what is computed, for whoever computes it or writes it down. Built
only from convolution, addition, concatenation and a nearest x2 upsampling, so
that a small inference engine can run it at any size.
"""

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

CELL = 8  # pixels of the input per output score, each way
# Inputs, outputs, side, stride and expansion of each block.
BLOCKS = [
    (32, 16, 3, 1, 1), (16, 24, 3, 2, 4), (24, 24, 3, 1, 4), (24, 40, 5, 2, 4), (40, 40, 5, 1, 4), (40, 80, 3, 2, 4),
    (80, 80, 3, 1, 4), (80, 80, 3, 1, 4), (80, 112, 5, 1, 4), (112, 112, 5, 1, 4), (112, 112, 5, 1, 4),
]  # fmt: skip
HEARD = (2, 4, 10)  # blocks whose outputs are used: at 1/8, 1/16 and 1/32
TOP = 6.0  # where the blocks' ReLU ends


def normalised(convolution):
    """A convolution with normalisation and ReLU behind it."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True))


def conv(inputs, outputs, stride=1, dilation=1):
    """A 3x3 convolution with normalisation and ReLU."""
    return normalised(nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False))


def point(inputs, outputs):
    """A 1x1 convolution with normalisation and ReLU."""
    return normalised(nn.Conv2d(inputs, outputs, 1, bias=False))


def by_itself(channels, side, stride=1):
    """A convolution of each channel by itself."""
    return nn.Conv2d(channels, channels, side, stride, side // 2, groups=channels, bias=False)


def bounded(convolution):
    """A convolution with normalisation and a ReLU that ends at 6."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels, 1e-3), nn.ReLU6(inplace=True))


class Residual(nn.Module):
    """Two convolutions added to their own input."""

    def __init__(self, channels, layer=conv):
        super().__init__()
        self.first = layer(channels, channels)
        self.second = layer(channels, channels)

    def forward(self, x):
        return x + self.second(self.first(x))


class Block(nn.Module):
    """Expansion, depthwise convolution and projection."""

    def __init__(self, inputs, outputs, side, stride, expansion):
        super().__init__()
        middle = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.expand = bounded(nn.Conv2d(inputs, middle, 1, bias=False)) if expansion > 1 else nn.Identity()
        self.depthwise = bounded(by_itself(middle, side, stride))
        self.project = nn.Sequential(nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs, 1e-3))

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


def twice(x):
    """Each cell repeated to the nearest."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Veil(nn.Module):
    """Score map of persons and vehicles."""

    def __init__(self):
        super().__init__()
        self.down2 = conv(3, 16, 2)
        self.down4 = conv(16, 32, 2)
        self.down8 = nn.Sequential(conv(32, 48, 2), Residual(48))
        self.stem = bounded(nn.Conv2d(3, 32, 3, 2, 1, bias=False))
        self.blocks = nn.ModuleList(Block(*block) for block in BLOCKS)
        self.at32, self.at16 = point(112, 96), point(40, 96)
        self.wide = nn.Sequential(*normalised(by_itself(96, 5)), *point(96, 96))
        self.lateral, self.at8 = point(96, 48), point(24, 48)
        self.merge = conv(96, 48)
        self.scores = nn.Conv2d(48, 2, 1)

    def forward(self, image):
        fine = self.down8(self.down4(self.down2(image)))
        x, heard = self.stem(F.avg_pool2d(image, 2)), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in HEARD:
                heard.append(x)
        at8, at16, at32 = heard
        coarse = self.at16(at16) + twice(self.at32(at32))
        coarse = self.at8(at8) + twice(self.lateral(self.wide(coarse)))
        return self.scores(self.merge(torch.cat([coarse, fine], 1)))


def plan(w, image):
    """What `Veil.forward` computes, layer by layer in the order of `folded`, as `w` makes each."""
    fine = w.conv(w.conv(w.conv(image, 2), 2), 2)
    fine = w.add(fine, w.conv(w.conv(fine)))
    x, heard = w.conv(w.halve(image), 2, TOP), []
    for index, (inputs, outputs, _side, stride, expansion) in enumerate(BLOCKS):
        y = w.conv(x, top=TOP) if expansion > 1 else x
        y = w.conv(w.conv(y, stride, TOP), top=None)
        x = w.add(x, y) if stride == 1 and inputs == outputs else y
        if index in HEARD:
            heard.append(x)
    at8, at16, at32 = heard
    around = w.twice(w.conv(at32))
    coarse = w.conv(w.conv(w.add(w.conv(at16), around)))
    coarse = w.twice(w.conv(coarse))
    coarse = w.add(w.conv(at8), coarse)
    return w.head(w.conv(w.joined(coarse, fine)))


class Running:
    """Runs a plan on weights with the normalisations folded in; tells `seen` of each activation."""

    def __init__(self, pairs, seen=lambda x: x):
        self.pairs, self.seen = iter(pairs), seen

    def conv(self, x, stride=1, top=float("inf")):
        """`top` is where the ReLU ends; without one there is no ReLU."""
        weight, bias = next(self.pairs)
        x = F.conv2d(x, weight, bias, stride, weight.shape[2] // 2, 1, x.shape[1] // weight.shape[1])
        return self.seen(x if top is None else x.clamp(0, top))

    def halve(self, image):
        return F.avg_pool2d(image, 2)

    def add(self, x, y):
        return self.seen(x + y)

    def twice(self, x):
        return twice(x)

    def joined(self, x, y):
        return torch.cat([x, y], 1)

    def head(self, x):
        return F.conv2d(x, *next(self.pairs))


def blocks(net):
    """The convolutions that carry a normalisation, in running order."""
    modules = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    return [
        (a, b)
        for a, b in zip(modules, modules[1:])
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d)
    ]


def take_over(convolution, norm, weight, bias):
    """Weights and bias of a layer whose normalisation changes nothing; what it has no channels for is left."""
    outputs, inputs = convolution.weight.shape[:2]
    with torch.no_grad():
        convolution.weight.copy_(weight[:outputs, :inputs])
        if norm is None:
            convolution.bias.copy_(bias[:outputs])
        else:
            norm.reset_running_stats()
            norm.weight.fill_((1 + norm.eps) ** 0.5)
            norm.bias.copy_(bias[:outputs])


def set_folded(net, pairs):
    """Take over (weight, bias) per convolution; normalisations do nothing."""
    owner = {id(c): n for c, n in blocks(net)}
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    for c, (weight, bias) in zip(convolutions, pairs, strict=True):
        take_over(c, owner.get(id(c)), weight, bias)


def set_statistics(net, images, convolution, norm, keeps):
    """Give a normalisation the statistics of what reaches it; one that `keeps` its function puts them back.

    `images` is a batch of typical crops. What was folded can be trained from there as it had been.
    """
    seen = []
    hook = convolution.register_forward_hook(lambda _convolution, _inputs, out: seen.append(out))
    with torch.no_grad():
        net.eval()(images)
        hook.remove()
        mean, variance = seen[0].mean((0, 2, 3)), seen[0].var((0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        if keeps:
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)


def network(path):
    """The trained network of a checkpoint or an exported model."""
    net = Veil()
    if str(path).endswith(".onnx"):
        set_folded(net, exported_weights(path))
    else:
        net.load_state_dict(torch.load(path, weights_only=True)["average"])
    return net.eval()


def exported_weights(path):
    """(weight, bias) per convolution of an exported model, in running order.

    Of one in whole numbers, what its codes stand for.
    """
    graph = onnx.load(path).graph
    tensors = {
        i.name: torch.from_numpy(numpy_helper.to_array(i).copy())
        for i in graph.initializer
    }
    pairs = []
    for node in graph.node:
        weight = 1 if node.op_type == "Conv" else 3
        if node.op_type not in ("Conv", "QLinearConv") or tensors[node.input[weight]].shape[2] == 2:
            continue  # or the mean of 2x2 pixels, which is no layer
        if node.op_type == "Conv":
            pairs.append((tensors[node.input[1]], tensors[node.input[2]]))
        else:
            given, _, codes, size, _, _, _, bias = (tensors[name] for name in node.input[1:])
            pairs.append((codes * size[:, None, None, None], bias * (given * size)))
    return pairs


def folded(net):
    """A copy of the network as (weight, bias) per convolution, in order."""
    owner = {id(c): n for c, n in blocks(net)}
    pairs = []
    for c in (m for m in net.modules() if isinstance(m, nn.Conv2d)):
        norm = owner.get(id(c))
        if norm is None:
            pairs.append((c.weight.detach(), c.bias.detach()))
        else:
            gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
            bias = (norm.bias - norm.running_mean * gain).detach()
            pairs.append((c.weight.detach() * gain[:, None, None, None], bias))
    return pairs
