"""Write the trained network as ONNX in f32: what quantise.py is held against.

    python models/train/export.py --checkpoint OUT/best.pt [--blend OTHER.pt=SHARE ...]

The graph is written node by node rather than traced, so that it holds only
what is meant: no shape arithmetic and no sizes but those of the input and
output, which the program overrides. Prints the SHA-256 and puts it beside
the model; fails if ONNX Runtime does not agree with the trained network.
"""

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from net import CELL, folded, network, plan, set_folded

MODEL = Path(__file__).resolve().parents[1] / "veil.onnx"
REAL = Path("veil-f32.onnx")
HEIGHT, WIDTH = 384, 640
ALLOWED = {"Conv", "Relu", "Clip", "Add", "Concat", "Resize"}
ALLOWED |= {"QLinearConv", "QuantizeLinear", "DequantizeLinear"}  # quantise.py's
TOLERANCE = 1e-3  # largest difference of a logit


class Nodes:
    """Collects the nodes and constants of a graph; returns their names."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def add_node(self, kind, inputs, name=None, **attributes):
        name = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def scales(self):
        """The factors of `resized`."""
        if all(i.name != "scales" for i in self.initializers):
            self.constant("scales", np.array([1, 1, 2, 2], np.float32))
        return "scales"

    def resized(self, x, scales):
        """Each cell repeated to the nearest."""
        return self.add_node(
            "Resize", [x, "", scales], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )


class Writer(Nodes):
    """Writes a plan in f32."""

    def __init__(self, pairs):
        super().__init__()
        self.pairs = iter(pairs)

    def written(self, x, weight, bias, stride, groups=1, name=None):
        number, kernel = len(self.nodes), weight.shape[2]
        return self.add_node(
            "Conv",
            [x, self.constant(f"weight{number}", weight.numpy()), self.constant(f"bias{number}", bias.numpy())],
            name, group=groups, kernel_shape=[kernel, kernel], strides=[stride, stride],
            dilations=[1, 1], pads=[kernel // 2 if kernel % 2 else 0] * 4,
        )  # fmt: skip

    def conv(self, x, stride=1, top=float("inf")):
        weight, bias = next(self.pairs)
        groups = len(weight) if weight.shape[1] == 1 else 1
        x = self.written(x, weight, bias, stride, groups)
        if top is None:
            return x
        if top == float("inf"):
            return self.add_node("Relu", [x])
        ends = [self.constant(f"end{len(self.initializers)}", np.float32(end)) for end in (0, top)]
        return self.add_node("Clip", [x, *ends])

    def halve(self, image):
        return self.written(image, torch.full((3, 1, 2, 2), 0.25), torch.zeros(3), 2, 3)

    def add(self, x, y):
        return self.add_node("Add", [x, y])

    def twice(self, x):
        return self.resized(x, self.scales())

    def joined(self, x, y):
        return self.add_node("Concat", [x, y], axis=1)

    def head(self, x):
        return self.written(x, *next(self.pairs), 1, name="scores")


def sealed(writer, element):
    """The checked bytes of the model that a writer has collected."""
    image = helper.make_tensor_value_info("image", element, [1, 3, HEIGHT, WIDTH])
    scores = helper.make_tensor_value_info(
        "scores", TensorProto.FLOAT, [1, 2, HEIGHT // CELL, WIDTH // CELL]
    )
    graph = helper.make_graph(writer.nodes, "veil", [image], [scores], writer.initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
        producer_name="voile",
    )
    onnx.checker.check_model(model, full_check=True)
    assert {n.op_type for n in model.graph.node} <= ALLOWED
    assert not model.graph.value_info
    return model.SerializeToString()


def build(net):
    """The ONNX model of a network."""
    w = Writer(folded(net))
    plan(w, "image")
    return sealed(w, TensorProto.FLOAT)


def difference(net, model):
    """Largest difference between the network and ONNX Runtime."""
    image = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = net(image).numpy()
    session = onnxruntime.InferenceSession(model)
    return float(np.abs(ours - session.run(None, {"image": image.numpy()})[0]).max())


def replace(path, content):
    """Write a file so that a reader sees the old or the new, never half."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    os.replace(draft, path)


def deliver(model, path):
    """Write a model and, beside it, its SHA-256."""
    path, digest = Path(path), hashlib.sha256(model).hexdigest()
    replace(path, model)
    replace(path.with_name(path.name + ".sha256"), f"{digest}  {path.name}\n".encode())
    print(f"{len(model)} bytes, {digest}  {path.name}")


def averaged(net, others):
    """Makes `net` the average of itself and others, given as (file, share); its own share is the rest."""
    mixed = [(1 - sum(share for _, share in others), folded(net))]
    mixed += [(share, folded(network(path))) for path, share in others]
    layers = zip(*(pairs for _, pairs in mixed), strict=True)
    shares = [share for share, _ in mixed]
    set_folded(net, [[sum(s * t for s, t in zip(shares, of)) for of in zip(*layer)] for layer in layers])
    return net.eval()


def part(text):
    """FILE=SHARE as a file and its share."""
    path, _, share = text.rpartition("=")
    return path, float(share)


def main():
    """Read a checkpoint, write the model and its hash."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="or an exported f32 model")
    parser.add_argument("--model", default=REAL)
    parser.add_argument(
        "--blend", type=part, action="append", default=[], metavar="FILE=SHARE",
        help="checkpoint or model to average the weights with",
    )  # fmt: skip
    asked = parser.parse_args()

    net = averaged(network(asked.checkpoint), asked.blend)
    model = build(net)
    off = difference(net, model)
    print(f"largest difference {off:.2e}")
    if off > TOLERANCE:
        raise SystemExit("the exported model does not agree with the network")
    deliver(model, asked.model)


if __name__ == "__main__":
    main()
