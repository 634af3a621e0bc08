"""Write the trained network in whole numbers: what the program carries.

    python models/train/quantise.py --checkpoint OUT/best.pt

8-bit weights, one scale per output channel (see `widest`); 8-bit activations, one scale per
layer, chosen on training pictures so that the squared error is least. Only
standard ONNX operators. The zero point is 0, which makes the ReLU free, or 128
where there is none; of weights it is 0, for each convolution one of its own, as ONNX
Runtime's exact mode cannot share one.
The input is the picture's own bytes. The graph is written node by node, as in
export.py, and its SHA-256 is put beside it. Channels are filled up to multiples
of 16 with some that are always 0, as the program computes so many together.
"""

import argparse
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from onnx import TensorProto

import data
from export import MODEL, Nodes, deliver, sealed
from net import TOP, Running, folded, network, plan
from passes import planar

CALIBRATION = 64  # training pictures that choose the scales
SAMPLES = 20_000  # values kept per layer and picture
LANES = 16
START_MAX = 2**30  # codes of a bias, which leaves as much for the sum
SIGNED = 128  # the code for 0 where there is no ReLU


def least_error(values):
    """The largest value that still has a code of its own."""
    above = 255 if values.min() >= 0 else 127
    top = float(np.abs(values).max())
    best = (float("inf"), top)
    for share in np.linspace(0.25, 1, 31):
        scale = top * share / above
        codes = np.clip(np.rint(values / scale), above - 255, above)
        best = min(best, (float(((codes * scale - values) ** 2).mean()), top * share))
    return best[1]


def calibrate(pairs, stills):
    """The largest coded value of each activation."""
    kept = []
    random = np.random.default_rng(1)
    for still in stills:
        for size in (1, 2):
            image = cv2.resize(still.image, None, fx=1 / size, fy=1 / size, interpolation=cv2.INTER_AREA)
            samples = []

            def seen(x):
                flat = x.flatten().numpy()
                samples.append(random.choice(flat, min(SAMPLES, flat.size)))
                return x

            with torch.inference_mode():
                plan(Running(pairs, seen), torch.from_numpy(planar(image)))
            kept.append(samples)
    return [least_error(np.concatenate(values)) for values in zip(*kept)]


# Activations of `plan` that are joined, from the front and the back, and the two that the second is the sum of;
# then the layers that make these two, from the back.
FINE, TOGETHER, PARTS = 5, -2, (-4, -3)
MERGE, MAKERS = -2, (-4, -3)


def balanced(pairs, tops):
    """Scale what is joined so that both sides fill the same range.

    A ReLU lets a positive factor through, so the merge takes it out again.
    """
    factor = tops[FINE] / tops[TOGETHER]
    pairs, tops = [(w.clone(), b.clone()) for w, b in pairs], list(tops)
    for layer, activation in zip(MAKERS, PARTS):
        for tensor in pairs[layer]:
            tensor.mul_(factor)
        tops[activation] *= factor
    tops[TOGETHER] = tops[FINE]
    pairs[MERGE][0][:, : len(pairs[MAKERS[0]][0])].div_(factor)
    return pairs, tops


def widest(weight):
    """What has to have a code of 127 or less, per output channel.

    Not only each weight but, for each two neighbouring inputs, what those of one
    sign come to: processors without an 8-bit dot product add such pairs, times up to
    255, in 16 bits, and the program's kernel for them is half as fast where two do
    not fit. Costs a third of a bit on average, and nothing that could be measured.
    """
    filled = np.concatenate([weight, np.zeros_like(weight[:, : weight.shape[1] % 2])], 1)
    pairs = filled.reshape(weight.shape[0], -1, 2, *weight.shape[2:])
    together = np.maximum(pairs.clip(min=0).sum(2), -pairs.clip(max=0).sum(2))
    return together.reshape(weight.shape[0], -1).max(1)


def even(scale, bits=8):
    """The next scale of so many bits.

    What is added is then exact in f32, whatever way it is computed: ONNX divides by the sum's
    scale, tract multiplies by its reciprocal, ONNX Runtime by ratios of scales. Else sums on
    the edge of two codes come out a code apart, and scores by up to 0.01.
    """
    step = 2.0 ** (np.floor(np.log2(scale)) + 1 - bits)
    return float(np.ceil(scale / step) * step)


def power(scale):
    """A power of two for the scale of a sum: the next one down if that cuts off a sixth at most."""
    return even(scale / 1.19, 1)


@dataclass(frozen=True)
class Codes:
    """An activation: its name, what a code of 1 more stands for, the code for 0 and the channels."""

    name: str
    scale: float
    zero: int
    channels: int


class Writer(Nodes):
    """Writes a plan in whole numbers."""

    def __init__(self, pairs, tops):
        super().__init__()
        self.pairs, self.tops = iter(pairs), iter(tops)
        self.zeros = {zero: self.constant(f"zero{zero}", np.uint8(zero)) for zero in (0, SIGNED)}

    def scale(self, value):
        return self.constant(f"scale{len(self.initializers)}", np.float32(value))

    def made(self, zero, of=even):
        """The scale and the zero point of the next activation."""
        return of(next(self.tops) / (127 if zero else 255)), zero

    def written(self, x, codes, size, start, made, stride, groups):
        number, kernel = len(self.nodes), codes.shape[2]
        name = self.add_node(
            "QLinearConv",
            [x.name, self.scale(x.scale), self.zeros[x.zero],
             self.constant(f"weight{number}", codes),
             self.constant(f"size{number}", size.astype(np.float32)),
             self.constant(f"flat{number}", np.int8(0)),
             self.scale(made[0]), self.zeros[made[1]], self.constant(f"bias{number}", start)],
            group=groups, kernel_shape=[kernel, kernel], strides=[stride, stride],
            dilations=[1, 1], pads=[kernel // 2 if kernel % 2 else 0] * 4,
        )  # fmt: skip
        return Codes(name, *made, len(codes))

    def conv(self, x, stride=1, top=float("inf")):
        weight, bias = (t.numpy().astype(np.float64) for t in next(self.pairs))
        depthwise = weight.shape[1] == 1
        outputs = -(-len(weight) // LANES) * LANES
        inputs = 1 if depthwise else x.channels
        filled = [(0, outputs - len(weight)), (0, inputs - weight.shape[1])]
        weight, bias = np.pad(weight, [*filled, (0, 0), (0, 0)]), np.pad(bias, filled[0])
        size = (np.abs(weight).max((1, 2, 3)) if depthwise else widest(weight)) / 127
        given = np.float64(np.float32(x.scale))
        # A channel that says the same everywhere has next to no weights: its bias has to have a code too.
        size = np.maximum(size, np.abs(bias) / given / START_MAX).clip(min=1e-12)
        codes = np.rint(weight / size[:, None, None, None]).astype(np.int8)
        start = np.rint(bias / (given * np.float32(size))).astype(np.int32)
        # what ends at 6 is never added, and ends there where that is the highest code
        made = self.made(SIGNED if top is None else 0, float if top == TOP else even)
        return self.written(x, codes, size, start, made, stride, outputs if depthwise else 1)

    def halve(self, image):
        ones, start = np.ones((3, 1, 2, 2), np.int8), np.zeros(3, np.int32)
        return self.written(image, ones, np.full(3, 0.25), start, (image.scale, 0), 2, 3)

    def real(self, x):
        return self.add_node("DequantizeLinear", [x.name, self.scale(x.scale), self.zeros[x.zero]])

    def coded(self, name, scale, zero, channels):
        name = self.add_node("QuantizeLinear", [name, self.scale(scale), self.zeros[zero]])
        return Codes(name, scale, zero, channels)

    def add(self, x, y):
        total = self.add_node("Add", [self.real(x), self.real(y)])
        return self.coded(total, *self.made(max(x.zero, y.zero), power), x.channels)

    def twice(self, x):
        return self.coded(self.resized(self.real(x), self.scales()), x.scale, x.zero, x.channels)

    def joined(self, x, y):
        return Codes(self.add_node("Concat", [x.name, y.name], axis=1), y.scale, y.zero, x.channels + y.channels)

    def head(self, x):
        weight, bias = (t.numpy().astype(np.float32) for t in next(self.pairs))
        self.add_node(
            "Conv",
            [self.real(x), self.constant("head_weight", weight), self.constant("head_bias", bias)],
            "scores", kernel_shape=[1, 1],
        )


def build(pairs, tops):
    """The ONNX model."""
    w = Writer(pairs, tops)
    plan(w, Codes("image", 1 / 255, 0, 3))
    return sealed(w, TensorProto.UINT8)


def main():
    """Read a checkpoint or a model, write the quantised model and its hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="or an exported f32 model")
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument(
        "--shift", type=float, nargs=2, default=(0, 0), metavar=("PERSON", "VEHICLE"),
        help="added to the logits, so that another network's thresholds say what they said",
    )  # fmt: skip
    asked = parser.parse_args()
    pairs = folded(network(asked.checkpoint))
    pairs[-1] = pairs[-1][0], pairs[-1][1] + torch.tensor(asked.shift)
    stills = [s for s in data.side(asked.data, False) if s.image.shape[1] >= 320]
    stills = stills[:: max(1, len(stills) // CALIBRATION)]
    tops = calibrate(pairs, stills)
    print("largest coded values:", " ".join(f"{top:.2f}" for top in tops))
    pairs, tops = balanced(pairs, tops)
    model = build(pairs, tops)
    deliver(model, asked.model)


if __name__ == "__main__":
    main()
