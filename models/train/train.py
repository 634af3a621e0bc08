"""Train the network: one command, seeded, resumable, bounded in time.

    python models/train/train.py --data DATA --begin DENSE.onnx --minutes 90 [--teacher TEACHER.pt]

`--begin` takes ImageNet's weights and the first layers of the dense network that was
delivered before this one (`git show d22fa8c:models/veil.onnx`). With a teacher
(teacher.py) the network learns, beside the labels, where that finds persons in each
crop before it is degraded. Writes OUT/last.pt (to resume from) every 100 steps and,
whenever the held-out pictures are covered better, OUT/best.pt. Reads training sets only.
"""

import argparse
import copy
import itertools
import json
import math
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

import data
import figures
from net import Veil, blocks, network, set_statistics
from passes import score_maps

JUDGED_AT = 0.10  # over_mask at which head leaks are compared
LESSONS = 512  # crops that the teacher looked at last, kept to be drawn from
SHOWN = 4  # times, on average, that each is drawn: the teacher costs as much as a step


class Stream(IterableDataset):
    """Ready batches from one worker process."""

    def __init__(self, stills, seed, batch, degraded):
        self.stills, self.seed, self.batch = stills, seed, batch
        self.degraded = degraded

    def crops(self):
        """The worker's own crops."""
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        seed = [self.seed, worker.id if worker else 0]
        return data.Crops(self.stills, seed, self.degraded)

    def __iter__(self):
        crops = self.crops()
        while True:
            yield stacked(crops.draw() for _ in range(self.batch))


class Lessons(Stream):
    """As `Stream`, each crop with where a teacher finds persons in it before it is degraded.

    What the teacher made of a crop serves several times, each time degraded
    in another way and as often mirrored as not.
    """

    def __init__(self, stills, seed, batch, degraded, teacher):
        super().__init__(stills, seed, batch, degraded)
        self.teacher = teacher

    def __iter__(self):
        from teacher import opened  # whose package nothing else needs

        crops, teacher, kept = self.crops(), opened(self.teacher, 1), deque(maxlen=LESSONS)

        def learn():
            clear = [crops.clear() for _ in range(self.batch)]
            kept.extend((drawn, *taught) for drawn, *taught in zip(clear, *lesson(teacher, clear)))

        while len(kept) < LESSONS:
            learn()
        for step in itertools.count(1):
            yield stacked(shown(crops, *kept[i]) for i in crops.random.integers(LESSONS, size=self.batch))
            if step % SHOWN == 0:
                learn()


def stacked(drawn):
    """Crops as one batch."""
    return tuple(np.stack(of) for of in zip(*drawn))


def lesson(teacher, clear):
    """The chance of a person that a teacher gives the cells at native size and those that decide covering."""
    images = np.stack([crop[:, :, ::-1].transpose(2, 0, 1) for crop, *_ in clear])
    images = torch.from_numpy(images).float() / 255
    native = teacher(images)
    return [torch.sigmoid(logits[:, :1]).numpy() for logits in (native, covering_alone(native))]


def shown(crops, drawn, *taught):
    """A crop degraded, mirrored as often as not, and what was taught of it."""
    arrays = *crops.worsened(drawn), *taught
    return [a[..., ::-1] for a in arrays] if crops.random.random() < 0.5 else arrays


def batches(stills, seed, batch, degraded, teacher=None):
    """Endless batches of the crops, a share of them degraded; with a teacher's file, of lessons."""
    stream = Stream(stills, seed, batch, degraded)
    if teacher:
        stream = Lessons(stills, seed, batch, degraded, teacher)
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=6))


def settle(seed, threads):
    """What torch is told before any of its threads begins."""
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)  # a trained network is full of them, at ten times the cost
    torch.set_num_threads(threads)


def annealed(rate, step, warm, spent):
    """The rate of a step: it rises for `warm` steps and falls to a fiftieth as the time is spent."""
    rising = min(1, (step + 1) / warm)
    return rate * rising * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1, spent))))


def focal_loss(logits, target, weight):
    """Focal cross entropy; the hardest background of each crop counts double.

    Missed persons are pressed harder than false alarms: a wrongly covered
    cell costs a little picture, a wrongly cleared one shows a face.
    """
    p = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = torch.where(target > 0, 1 - p, p * p) * entropy * weight
    background = torch.where(target > 0, torch.zeros_like(focal), focal)
    hard = background.flatten(2).topk(target[0, 0].numel() // 50, 2).values.sum()
    return (focal.sum() + hard) / (target * weight).sum().clamp(min=50)


def weakest_loss(logits, heads):
    """Focal cross entropy of each head's least sure cell: one clear cell shows a face.

    `heads` has a head's number, from 1, in the 16 px cells that it touches.
    """
    numbers = heads + torch.arange(len(heads))[:, None, None] * (int(heads.max()) + 1)
    present, places = torch.unique(numbers[heads > 0], return_inverse=True)
    if len(present) == 0:
        return logits.new_zeros(())
    weakest = logits.new_full((len(present),), 100.0)
    weakest = weakest.scatter_reduce(0, places, logits[heads > 0], "amin")
    focal = (1 - torch.sigmoid(weakest)) * F.softplus(-weakest)
    return focal.sum() / max(len(present), 8)


def covering_alone(native):
    """Logits of the 16 px cells by the native pass: the highest score of a cell's four parts.

    Without the odds of the cell below, which are added in use: a head's own cells are to be as sure as they can (LOG.md).
    """
    return F.max_pool2d(native, 2)


def loss_of(native, covering, target, weight, heads):
    """Some on the 8 px cells, most on the 16 px cells that decide covering."""
    present = F.max_pool2d(target, 2)
    least = -F.max_pool2d(-weight, 2)
    most = F.max_pool2d(weight * target, 2)
    pooled = torch.where(present > 0, most, least)
    return (
        0.3 * focal_loss(native, target, weight)
        + 0.7 * focal_loss(covering, present, pooled)
        + 0.25 * weakest_loss(covering[:, 0], heads)
    )


def divergence(logits, taught):
    """How far the scores are from a teacher's, over what the teacher would cover."""
    entropy = F.binary_cross_entropy_with_logits(logits, taught, reduction="none")
    least = F.binary_cross_entropy(taught, taught, reduction="none")
    return (entropy - least).sum() / (taught > 0.5).sum().clamp(min=50)


def taught_loss(native, covering, taught):
    """As `loss_of`, of the persons that a teacher finds instead of the labels'; its vehicles do not help (LOG.md)."""
    pairs = zip((0.3, 0.7), (native, covering), taught)
    return sum(share * divergence(logits[:, :1], finds) for share, logits, finds in pairs)


class Average:
    """Running average of all weights: what is judged and delivered."""

    def __init__(self, net):
        self.net = copy.deepcopy(net).eval()
        self.steps = 0

    def update(self, net):
        self.steps += 1
        keep = min(0.998, 1 - 4 / (self.steps + 4))
        ours, theirs = self.net.state_dict(), net.state_dict()
        for name, value in ours.items():
            if value.dtype.is_floating_point:
                value.lerp_(theirs[name], 1 - keep)


def judge(net, stills):
    """Held-out head leaks at one over_mask, pooled over the pictures."""
    net = net.to(memory_format=torch.channels_last).eval()

    def run(image):
        with torch.inference_mode():
            return net(torch.from_numpy(image)).numpy()

    scenes = [
        figures.scene(
            score_maps(run, s.image), s.boxes, s.image.shape[1], s.image.shape[0]
        )
        for s in stills
    ]
    person, vehicle = figures.at_over_mask(scenes, JUDGED_AT)
    found = figures.measure(scenes, person, vehicle)
    return {"person": person, "vehicle": vehicle, **found}


def save(path, net, average, optimiser, step, best):
    """Everything needed to go on from here."""
    state = {
        "net": net.state_dict(), "average": average.net.state_dict(),
        "optimiser": optimiser.state_dict(), "step": step, "best": best,
    }
    torch.save(state, path)


def main():
    """Parse, train until the time is up, keep the best by held-out leaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--out", default=data.REPOSITORY / "target/train")
    parser.add_argument("--begin", help="exported model of the dense network, to begin beside ImageNet from")
    parser.add_argument("--start", help="checkpoint or exported model whose average to start from")
    parser.add_argument("--resume", help="checkpoint to go on from")
    parser.add_argument("--teacher", help="teacher.pt, to be learnt from beside the labels")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--judge-minutes", type=float, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3, help="a quarter of it for the first layers and the blocks")
    parser.add_argument("--degraded", type=float, default=0.6, help="share of crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    if not (asked.begin or asked.start or asked.resume):
        parser.error("one of --begin, --start and --resume says what to begin with")
    begun = time.monotonic()
    settle(asked.seed, asked.threads)
    out = Path(asked.out)
    out.mkdir(parents=True, exist_ok=True)

    training, held = data.split(asked.data)
    print(f"{len(training)} pictures to train on, {len(held)} held out", flush=True)
    stream = batches(training, asked.seed, asked.batch, asked.degraded, asked.teacher)
    net = network(asked.start) if asked.start else Veil()
    images = torch.cat([next(stream)[0] for _ in range(4)]).float() / 255
    if asked.begin:
        from begin import begin  # whose package nothing else needs

        begin(net, images, asked.begin)
    if str(asked.start).endswith(".onnx"):
        for convolution, norm in blocks(net):
            set_statistics(net, images, convolution, norm, True)
    net = net.to(memory_format=torch.channels_last)
    known = [net.down2, net.down4, net.down8, net.stem, net.blocks]
    known = {id(p) for part in known for p in part.parameters()}
    groups = [
        {"params": [p for p in net.parameters() if (id(p) in known) == before], "share": share}
        for before, share in ((True, 0.25), (False, 1.0))
    ]
    optimiser = torch.optim.AdamW(groups, asked.rate, weight_decay=1e-2)
    average = Average(net)
    step, best = 0, float("inf")
    if asked.resume:
        kept = torch.load(asked.resume, weights_only=True)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        average.net.load_state_dict(kept["average"])
        average.steps, step, best = kept["step"], kept["step"], kept["best"]

    budget = asked.minutes * 60
    judged, losses, first = time.monotonic(), [], step
    while True:
        spent = (time.monotonic() - begun) / budget
        over = spent >= 1
        if over or time.monotonic() - judged > asked.judge_minutes * 60:
            save(out / "last.pt", net, average, optimiser, step, best)
            result = judge(average.net, held)
            rounded = {k: round(float(v), 4) for k, v in result.items()}
            print(json.dumps({"step": step, **rounded}), flush=True)
            if result["head_leak"] < best:
                best = float(result["head_leak"])
                kept = {"average": average.net.state_dict(), "step": step}
                torch.save(kept, out / "best.pt")
            save(out / "last.pt", net, average, optimiser, step, best)
            judged = time.monotonic()
        if over:
            break
        for group in optimiser.param_groups:
            group["lr"] = annealed(asked.rate * group["share"], step - first, 100, spent)
        images, targets, weights, heads, *taught = next(stream)
        net.eval()  # normalisations keep the statistics that they came with
        native = net((images.float() / 255).to(memory_format=torch.channels_last))
        covering = covering_alone(native)
        loss = loss_of(native, covering, targets, weights, heads)
        if taught:
            loss = loss + taught_loss(native, covering, taught)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()
        average.update(net)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            minutes = (time.monotonic() - begun) / 60
            print(f"step {step} loss {np.mean(losses):.3f} {minutes:.1f} min", flush=True)
            losses.clear()
            save(out / "last.pt", net, average, optimiser, step, best)


if __name__ == "__main__":
    main()
