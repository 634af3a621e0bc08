"""The network: plain 3x3 convolutions, one score per 8 px cell and class.

Input is RGB, 0..1, any height and width that are multiples of 32. Output is
logits: channel 0 person (cyclists too), channel 1 vehicle. Built only from
convolution, ReLU, addition, concatenation and a nearest x2 upsampling, so
that a small inference engine can run it at any size.
"""

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

CELL = 8  # pixels of the input per output score, each way


def normalised(convolution):
    """A convolution with normalisation and ReLU behind it."""
    return nn.Sequential(
        convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)
    )


def conv(inputs, outputs, stride=1, dilation=1):
    """A 3x3 convolution with normalisation and ReLU."""
    return normalised(nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False))


class Residual(nn.Module):
    """Two convolutions added to their own input."""

    def __init__(self, channels, layer=conv):
        super().__init__()
        self.first = layer(channels, channels)
        self.second = layer(channels, channels)

    def forward(self, x):
        return x + self.second(self.first(x))


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
        self.down16 = nn.Sequential(conv(48, 96, 2), Residual(96))
        self.down32 = nn.Sequential(conv(96, 96, 2), Residual(96))
        self.around = nn.Sequential(nn.Conv2d(96, 96, 1), nn.ReLU(inplace=True))
        self.wide = conv(96, 96, 1, 2)
        self.lateral = nn.Sequential(nn.Conv2d(96, 48, 1), nn.ReLU(inplace=True))
        self.merge = conv(96, 48)
        self.scores = nn.Conv2d(48, 2, 1)

    def forward(self, image):
        fine = self.down8(self.down4(self.down2(image)))
        coarse = self.down16(fine)
        coarse = coarse + twice(self.around(self.down32(coarse)))
        coarse = twice(self.lateral(self.wide(coarse)))
        return self.scores(self.merge(torch.cat([coarse, fine], 1)))


def blocks(net):
    """The convolutions that carry a normalisation, in running order."""
    modules = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    return [
        (a, b)
        for a, b in zip(modules, modules[1:])
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d)
    ]


def set_folded(net, pairs):
    """Take over (weight, bias) per convolution; normalisations do nothing.

    A convolution may have more channels than it takes over: new outputs start
    random, and nothing that was there before listens to them yet.
    """
    owner = {id(c): n for c, n in blocks(net)}
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for c, (weight, bias) in zip(convolutions, pairs, strict=True):
            outputs, inputs = weight.shape[:2]
            c.weight[:outputs] = 0
            c.weight[:outputs, :inputs] = weight
            norm = owner.get(id(c))
            if norm is None:
                c.bias[:outputs] = bias
            else:
                norm.reset_running_stats()
                norm.weight.fill_((1 + norm.eps) ** 0.5)
                norm.bias[:outputs] = bias


def load_folded(net, path, images):
    """Start from an exported model whose normalisation is folded away.

    Each normalisation is set to change nothing on `images` (a batch of
    typical crops): it takes their mean and variance out and puts them back,
    so that training starts at the exported function and can move from there.
    """
    set_folded(net, exported_weights(path))
    net.eval()
    seen = {}

    def see(convolution, _inputs, out):
        seen[convolution] = out.mean((0, 2, 3)), out.var((0, 2, 3))

    hooks = [c.register_forward_hook(see) for c, _ in blocks(net)]
    with torch.no_grad():
        net(images)
        for c, norm in blocks(net):
            mean, variance = seen[c]
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
    for hook in hooks:
        hook.remove()


def renamed(state):
    """The weights of a network without the layers at 1/32, by today's names."""
    return {name.replace("down16.2.", "wide."): value for name, value in state.items()}


def beside(net, path):
    """The trained network of a file; layers that an older one lacks are as in `net`, unheard."""
    if str(path).endswith(".onnx"):
        return network(path)
    other, state = Veil(), torch.load(path, weights_only=True)["average"]
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        other.around[0].weight.zero_()
        other.around[0].bias.zero_()
    other.load_state_dict(renamed(state), strict=False)
    return other


def grow(net, state, images):
    """Start from the weights of a network that lacked some of these layers.

    The new layers' normalisations take their mean and variance from `images`;
    what they add to the older ones begins faint, so that training starts near
    the function that was there.
    """
    missing = set(net.load_state_dict(renamed(state), strict=False).missing_keys)
    names = {id(module): name for name, module in net.named_modules()}
    net.eval()
    with torch.no_grad():
        for c, norm in blocks(net):
            if f"{names[id(norm)]}.weight" not in missing:
                continue
            seen = []
            hook = c.register_forward_hook(lambda _c, _inputs, out: seen.append(out))
            net(images)
            hook.remove()
            norm.running_mean.copy_(seen[0].mean((0, 2, 3)))
            norm.running_var.copy_(seen[0].var((0, 2, 3)))
        net.around[0].weight.mul_(0.1)
        net.around[0].bias.fill_(0.02)


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
        if node.op_type == "Conv":
            pairs.append((tensors[node.input[1]], tensors[node.input[2]]))
        elif node.op_type == "QLinearConv":
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
