"""How a network begins: ImageNet's blocks, and the first layers of the network before it.

The blocks are EfficientNet-lite0's (a package of requirements.txt), which looks at
pictures of (value - 127) / 128 and pads on one side; ours takes values of 0 to 1 and
pads on both, which moves what it sees by less than a cell. Of the channels between
expansion and projection 4 of 6 are kept: those without which the projection,
fitted anew to the others by least squares, comes nearest to what it gave. Its
error on training crops is 2 to 7 % of the variance, block by block.
"""

import torch
from torch import nn
from torch.nn import functional as F

from net import exported_weights, set_statistics, take_over
from teacher import pretrained

RIDGE = 1e-4  # of the mean variance, for channels that say the same
SEEN = 60_000  # cells that the projection is fitted to
AT_ONCE = 8  # channels that are left out before the rest is fitted again


def begin(net, images, before):
    """Begin with ImageNet's weights and with `before`, a file of the dense network (LOG.md), on a batch of crops."""
    net.eval()
    wide = pretrained().eval()
    with torch.no_grad():
        kernel = wide._conv_stem.weight
        net.stem[0].weight.copy_(kernel * (255 / 128))
        copy_norm(net.stem[1], wide._bn0)
        net.stem[1].running_mean.add_(kernel.sum((1, 2, 3)) * (127 / 128))
        x = net.stem(F.avg_pool2d(images, 2))
        for ours, theirs in zip(net.blocks, wide._blocks):
            x = narrowed(ours, theirs, x)
        taken = first_layers(net, before)
        for layer in (net.at32, net.at16, net.wide[:3], net.wide[3:], net.lateral, net.at8):
            set_statistics(net, images, *layer[:2], keeps=False)
        for layer in taken:
            set_statistics(net, images, *layer[:2], keeps=True)


def copy_norm(ours, theirs, kept=slice(None)):
    """A normalisation's weights and statistics, of the channels kept."""
    for part in ("weight", "bias", "running_mean", "running_var"):
        getattr(ours, part).copy_(getattr(theirs, part)[kept])


def narrowed(ours, theirs, x):
    """Begin a block as ImageNet's is, with the best of its channels; what it makes of `x`."""
    theirs._depthwise_conv.padding = (theirs.side // 2,) * 2
    parts = [nn.ReLU6(), theirs._bn1, theirs._depthwise_conv]
    if hasattr(theirs, "_expand_conv"):
        parts += [nn.ReLU6(), theirs._bn0, theirs._expand_conv]
    inside = nn.Sequential(*reversed(parts))(x)
    wanted = ours.depthwise[0].out_channels
    kept, weight, bias = torch.arange(inside.shape[1]), theirs._project_conv.weight, None
    if wanted < inside.shape[1]:
        kept, weight, bias = fitted(inside, theirs._bn2(theirs._project_conv(inside)), wanted)
    if hasattr(theirs, "_expand_conv"):
        ours.expand[0].weight.copy_(theirs._expand_conv.weight[kept])
        copy_norm(ours.expand[1], theirs._bn0, kept)
    ours.depthwise[0].weight.copy_(theirs._depthwise_conv.weight[kept])
    copy_norm(ours.depthwise[1], theirs._bn1, kept)
    if bias is None:
        ours.project[0].weight.copy_(weight)
        copy_norm(ours.project[1], theirs._bn2)
    else:
        take_over(*ours.project, weight, bias)
        set_statistics(ours, x, *ours.project, keeps=True)
    return ours(x)


def fitted(inside, outside, wanted):
    """The channels kept, and weight and bias of the projection from these to what all of them gave."""
    inside, outside = (t.permute(0, 2, 3, 1).flatten(0, 2).double() for t in (inside, outside))
    some = torch.randperm(len(inside))[:SEEN]
    inside, outside = inside[some], outside[some]
    means = inside.mean(0), outside.mean(0)
    inside, outside = inside - means[0], outside - means[1]
    own, across = inside.T @ inside / len(inside), inside.T @ outside / len(inside)
    own += RIDGE * own.diagonal().mean() * torch.eye(len(own))
    kept = torch.arange(len(own))
    while len(kept) > wanted:
        inverse = torch.linalg.inv(own[kept][:, kept])
        # what the error grows by when a channel goes and the rest is fitted again
        harm = ((inverse @ across[kept]) ** 2).sum(1) / inverse.diagonal()
        gone = harm.argsort()[: min(AT_ONCE, len(kept) - wanted)]
        kept = kept[[index for index in range(len(kept)) if index not in set(gone.tolist())]]
    weight = torch.linalg.solve(own[kept][:, kept], across[kept])
    return kept, weight.T[:, :, None, None].float(), (means[1] - means[0][kept] @ weight).float()


def first_layers(net, before):
    """Take over the dense network's layers down to 1/8, its merge and its scores; which these are."""
    residual = net.down8[1]
    layers = [net.down2, net.down4, net.down8[0], residual.first, residual.second]
    pairs = exported_weights(before)
    layers.append(net.merge)
    for layer, pair in zip(layers, [*pairs[:5], pairs[-2]], strict=True):
        take_over(layer[0], layer[1], *pair)
    take_over(net.scores, None, *pairs[-1])
    return layers
