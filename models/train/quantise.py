"""Write the trained network in whole numbers: what the program carries.

    python models/train/quantise.py --checkpoint OUT/best.pt

8-bit weights, one scale per output channel (see `widest`); 8-bit activations, one scale per
layer, chosen on training pictures so that the squared error is least. Only
standard ONNX operators, and every zero point is 0, which makes the ReLU free.
Each convolution has its own: ONNX Runtime's exact mode cannot share one.
The input is the picture's own bytes. The graph is written node by node, as in
export.py, and its SHA-256 is put beside it.
"""

import argparse

import cv2
import numpy as np
import torch
from onnx import TensorProto
from torch.nn import functional as F

import data
from export import MODEL, Nodes, deliver, sealed
from net import folded, network, twice
from passes import planar

CALIBRATION = 64  # training pictures that choose the scales
SAMPLES = 20_000  # values kept per layer and picture


def run(pairs, image, seen):
    """The network as `Veil.forward`, telling `seen` of every activation."""
    layers = iter(pairs)

    def conv(x, stride=1, dilation=1):
        weight, bias = next(layers)
        pad = dilation * (weight.shape[2] // 2)
        return seen(F.relu(F.conv2d(x, weight, bias, stride, pad, dilation)))

    def residual(x):
        return seen(x + conv(conv(x)))

    fine = residual(conv(conv(conv(image, 2), 2), 2))
    coarse = residual(conv(fine, 2))
    around = twice(conv(residual(conv(coarse, 2))))
    coarse = twice(conv(conv(seen(coarse + around), 1, 2)))
    merged = conv(torch.cat([coarse, fine], 1))
    weight, bias = next(layers)
    return F.conv2d(merged, weight, bias)


ACTIVATIONS = 19  # of `run`, in order
FINE, LATERAL = 5, 17  # the two that are concatenated share one scale


def least_error(values):
    """The largest value that still has a code of its own: 255 scales."""
    top = float(values.max())
    best = (float("inf"), top)
    for share in np.linspace(0.25, 1, 31):
        scale = top * share / 255
        codes = np.clip(np.rint(values / scale), 0, 255)
        best = min(best, (float(((codes * scale - values) ** 2).mean()), top * share))
    return best[1]


def calibrate(pairs, stills):
    """The largest coded value of each activation."""
    kept = [[] for _ in range(ACTIVATIONS)]
    random = np.random.default_rng(1)
    for still in stills:
        for size in (1, 2):
            image = cv2.resize(still.image, None, fx=1 / size, fy=1 / size, interpolation=cv2.INTER_AREA)
            place = iter(kept)

            def seen(x):
                flat = x.flatten().numpy()
                next(place).append(random.choice(flat, min(SAMPLES, flat.size)))
                return x

            with torch.inference_mode():
                run(pairs, torch.from_numpy(planar(image)), seen)
    return [least_error(np.concatenate(values)) for values in kept]


def balanced(pairs, tops):
    """Scale the lateral so that it fills the same range as what it is joined to.

    A ReLU lets a positive factor through, so the merge takes it out again.
    """
    factor = tops[FINE] / tops[LATERAL]
    pairs = [(w.clone(), b.clone()) for w, b in pairs]
    lateral, merge = pairs[-3], pairs[-2]
    lateral[0].mul_(factor)
    lateral[1].mul_(factor)
    merge[0][:, : lateral[0].shape[0]].div_(factor)
    tops = list(tops)
    tops[LATERAL] = tops[FINE]
    return pairs, tops


def widest(weight):
    """What has to have a code of 127 or less, per output channel.

    Not only each weight but, for each two neighbouring inputs, what those of one
    sign come to: processors without an 8-bit dot product add such pairs, times up to
    255, in 16 bits, and the program's kernel for them is half as fast where two do
    not fit. Costs a third of a bit on average, and nothing that could be measured.
    """
    even = np.concatenate([weight, np.zeros_like(weight[:, : weight.shape[1] % 2])], 1)
    pairs = even.reshape(weight.shape[0], -1, 2, *weight.shape[2:])
    together = np.maximum(pairs.clip(min=0).sum(2), -pairs.clip(max=0).sum(2))
    return together.reshape(weight.shape[0], -1).max(1)


class Writer(Nodes):
    """The network in whole numbers, layer by layer; a value is its name and scale."""

    def __init__(self, pairs, tops):
        super().__init__()
        self.pairs, self.tops = iter(pairs), iter(tops)
        self.zero = self.constant("zero", np.uint8(0))

    def scale(self, value):
        return self.constant(f"scale{len(self.initializers)}", np.float32(value))

    def conv(self, x, stride=1, dilation=1):
        name, given = x
        weight, bias = (t.numpy().astype(np.float64) for t in next(self.pairs))
        size = widest(weight).clip(min=1e-8) / 127
        codes = np.rint(weight / size[:, None, None, None]).astype(np.int8)
        given_value = np.float64(np.float32(given))
        start = np.rint(bias / (given_value * np.float32(size))).astype(np.int32)
        made = next(self.tops) / 255
        number, kernel = len(self.nodes), weight.shape[2]
        pad = dilation * (kernel // 2)
        name = self.add_node(
            "QLinearConv",
            [name, self.scale(given), self.zero,
             self.constant(f"weight{number}", codes),
             self.constant(f"size{number}", size.astype(np.float32)),
             self.constant(f"flat{number}", np.int8(0)),
             self.scale(made), self.zero, self.constant(f"bias{number}", start)],
            kernel_shape=[kernel, kernel], strides=[stride, stride],
            dilations=[dilation, dilation], pads=[pad] * 4,
        )
        return name, made

    def real(self, x):
        return self.add_node("DequantizeLinear", [x[0], self.scale(x[1]), self.zero])

    def coded(self, name, scale):
        return self.add_node("QuantizeLinear", [name, self.scale(scale), self.zero]), scale

    def added(self, x, y):
        total = self.add_node("Add", [self.real(x), self.real(y)])
        return self.coded(total, next(self.tops) / 255)

    def residual(self, x):
        return self.added(x, self.conv(self.conv(x)))

    def double(self, x):
        scales = self.twice()
        return self.coded(self.resized(self.real(x), scales), x[1])

    def head(self, x):
        weight, bias = (t.numpy().astype(np.float32) for t in next(self.pairs))
        self.add_node(
            "Conv",
            [self.real(x), self.constant("head_weight", weight), self.constant("head_bias", bias)],
            "scores", kernel_shape=[1, 1],
        )


def build(pairs, tops):
    """The ONNX model, in the order of `run`."""
    w = Writer(pairs, tops)
    x = w.conv(w.conv(w.conv(("image", 1 / 255), 2), 2), 2)
    fine = w.residual(x)
    coarse = w.residual(w.conv(fine, 2))
    around = w.double(w.conv(w.residual(w.conv(coarse, 2))))
    coarse = w.double(w.conv(w.conv(w.added(coarse, around), 1, 2)))
    joined = w.add_node("Concat", [coarse[0], fine[0]], axis=1)
    w.head(w.conv((joined, fine[1])))
    return sealed(w, TensorProto.UINT8)


def main():
    """Read a checkpoint or a model, write the quantised model and its hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="or an exported f32 model")
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--model", default=MODEL)
    asked = parser.parse_args()
    pairs = folded(network(asked.checkpoint))
    stills = [s for s in data.side(asked.data, False) if s.image.shape[1] >= 320]
    stills = stills[:: max(1, len(stills) // CALIBRATION)]
    tops = calibrate(pairs, stills)
    print("largest coded values:", " ".join(f"{top:.2f}" for top in tops))
    pairs, tops = balanced(pairs, tops)
    model = build(pairs, tops)
    deliver(model, asked.model)


if __name__ == "__main__":
    main()
