"""Dense networks of several shapes, each trained from nothing, all alike.

    python models/train/architectures.py --data DATA --voile target/release/voile [--steps 600] [NAME ...]

Prints one row of the table in LOG.md for each: weights, multiplications and CPU-ms of one pass over 1280x720 (`voile
model check`: f32, in tract, one thread), and what leaks on held-out pictures. With `--steps 0` the costs alone.
"""

import argparse
import hashlib
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import data
import figures
from net import Residual, conv, normalised, twice
from passes import score_maps
from train import batches, covering_alone, loss_of

LUMA = (0.299, 0.587, 0.114)  # BT.601
RATE = 3e-3
LOWERED = (0.0, 0.4, 1.0)  # what the logits of the passes at native, half and quarter size were lowered by


def separable(inputs, outputs, stride=1, dilation=1):
    """A 3x3 convolution of each channel by itself, then one of all channels at each place."""
    return nn.Sequential(
        *normalised(nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False)),
        *normalised(nn.Conv2d(inputs, outputs, 1, bias=False)),
    )


class Shaped(nn.Module):
    """Down to 1/32 and up again, with widths at 1/2, 1/4, 1/8 and from 1/16 on."""

    def __init__(self, widths=(16, 32, 48, 96), layer=conv, luma=False, stem=False, below=True):
        super().__init__()
        half, fourth, fine, coarse = widths
        self.luma, self.below = luma, below
        inputs = 1 if luma else 3
        if stem:  # from the picture to 1/4 at once
            self.down4 = normalised(nn.Conv2d(inputs, fourth, 6, 4, 1, bias=False))
        else:
            self.down4 = nn.Sequential(conv(inputs, half, 2), layer(half, fourth, 2))
        self.down8 = nn.Sequential(layer(fourth, fine, 2), Residual(fine, layer))
        self.down16 = nn.Sequential(layer(fine, coarse, 2), Residual(coarse, layer))
        if below:
            self.down32 = nn.Sequential(layer(coarse, coarse, 2), Residual(coarse, layer))
            self.around = nn.Sequential(nn.Conv2d(coarse, coarse, 1), nn.ReLU(inplace=True))
        self.wide = layer(coarse, coarse, 1, 2)
        self.lateral = nn.Sequential(nn.Conv2d(coarse, fine, 1), nn.ReLU(inplace=True))
        self.merge = layer(2 * fine, fine)
        self.scores = nn.Conv2d(fine, 2, 1)

    def forward(self, image):
        if self.luma:
            image = F.conv2d(image, torch.tensor(LUMA).view(1, 3, 1, 1))
        fine = self.down8(self.down4(image))
        coarse = self.down16(fine)
        if self.below:
            coarse = coarse + twice(self.around(self.down32(coarse)))
        coarse = twice(self.lateral(self.wide(coarse)))
        return self.scores(self.merge(torch.cat([coarse, fine], 1)))


class Half(nn.Module):
    """A wider network that never sees more than half the size; its cells are split in four.

    Nothing at 1/32: pictures are multiples of 32, halves need not be.
    """

    def __init__(self, widths):
        super().__init__()
        self.inner = Shaped(widths, below=False)

    def forward(self, image):
        return twice(self.inner(F.avg_pool2d(image, 2)))


SHAPES = {
    "dense 3x3, RGB": Shaped,
    "luma": lambda: Shaped(luma=True),
    "separable": lambda: Shaped((24, 56, 112, 224), separable),
    "half the size, twice as wide": lambda: Half((32, 64, 96, 208)),
    "wider at the top, narrower below": lambda: Shaped((16, 32, 64, 64)),
    "narrower at the top, wider below": lambda: Shaped((16, 24, 40, 128)),
    "6x6 stem to 1/4": lambda: Shaped((0, 24, 40, 80), stem=True),
}


def multiplications(net):
    """Of one pass over 1280x720, in millions."""
    total = 0

    def count(layer, _inputs, out):
        nonlocal total
        total += out[0].numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 736, 1280))
    for hook in hooks:
        hook.remove()
    return total / 1e6


def cpu_ms(net, voile, folder):
    """CPU-ms of one pass in tract, the lowest of three."""
    if isinstance(net, Half):  # the same over a picture of a quarter of the size, which `model check` does not take
        return cpu_ms(net.inner, voile, folder) / 4
    path = folder / "shape.onnx"
    torch.onnx.export(
        net.eval(), torch.zeros(1, 3, 384, 640), path, opset_version=13, dynamo=False,
        input_names=["image"], output_names=["scores"],
    )
    Path(f"{path}.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    took = []
    for _ in range(3):
        with subprocess.Popen([voile, "model", "check", path], stdout=subprocess.PIPE, text=True) as said:
            found = (re.search(r"([\d.]+) CPU-ms .* passes = 1", line) for line in said.stdout)
            took.append(float(next(filter(None, found))[1]))
            said.kill()  # it would go on with drawn scenes
    return min(took)


def coverings(native, half, quarter):
    """Logits of the 16 px cells that decide covering: the odds of the passes added."""
    lowered = [logits - less for logits, less in zip((covering_alone(native), half, twice(quarter)), LOWERED)]
    return torch.logsumexp(torch.stack(lowered), 0)


def train(net, stills, asked):
    """The same crops in the same order for each; the rate rises for 50 steps and falls to nothing."""
    torch.manual_seed(asked.seed)
    stream = batches(stills, asked.seed, 8, 0.3)
    getattr(net, "inner", net).scores.bias.data.fill_(-3)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-4)
    for step in range(asked.steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.01 + 0.495 * (1 + math.cos(math.pi * step / asked.steps)))
        images, targets, weights, heads = next(stream)
        images = images.float() / 255
        net.train()
        native, half, quarter = (net(F.avg_pool2d(images, size)) for size in (1, 2, 4))
        loss = loss_of(native, coverings(native, half, quarter), targets, weights, heads)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()


def judge(net, held):
    """Leaks and vehicle cover on held-out pictures at two over_masks."""
    def run(image):
        with torch.inference_mode():
            return net(torch.from_numpy(image)).numpy()

    net.eval()
    scenes = [
        figures.scene(score_maps(run, s.image, lowered=LOWERED), s.boxes, s.image.shape[1], s.image.shape[0])
        for s in held
    ]
    return [figures.measure(scenes, *figures.at_over_mask(scenes, wanted)) for wanted in (0.10, 0.15)]


def main():
    """Measure, train and judge the shapes asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SHAPES))
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--voile", default=data.REPOSITORY / "target/release/voile")
    parser.add_argument("--out", type=Path, default=data.REPOSITORY / "target/train")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if len(asked.names) > 1:  # each in a process of its own: loaders that are forked from one that has computed hang
        options = [word for word in sys.argv[1:] if word not in asked.names]
        for name in asked.names:
            subprocess.run([sys.executable, __file__, *options, name], check=True)
        return
    torch.set_flush_denormal(True)
    torch.set_num_threads(asked.threads)
    asked.out.mkdir(parents=True, exist_ok=True)
    training, held = data.split(asked.data)
    name = asked.names[0]
    torch.manual_seed(asked.seed)
    net = SHAPES[name]()
    cells = [f"{sum(p.numel() for p in net.parameters()) / 1e3:.0f} k", f"{multiplications(net):.0f} M"]
    cells.append(f"{cpu_ms(net, asked.voile, asked.out):.0f}")
    if asked.steps:
        begun = time.process_time()
        train(net, training, asked)
        took = (time.process_time() - begun) / 60
        for m in judge(net, held):
            cells += [f"{m[key]:.3f}" for key in ("head_leak", "leak_8", "leak_60", "vehicle_cover")]
        cells.append(f"{took:.0f} min")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
