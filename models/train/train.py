"""Train the network: one command, seeded, resumable, bounded in time.

    python models/train/train.py --data DATA --start OLD.onnx --minutes 60 [--teacher TEACHER.pt]

With a teacher (teacher.py) the network learns what that makes of each crop, beside the labels. Writes OUT/last.pt (to resume from) every 100 steps and, whenever the held-out
pictures are covered better, OUT/best.pt. Reads training sets only.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

import data
import figures
from net import Veil, grow, load_folded, twice
from passes import SURER, score_maps

JUDGED_AT = 0.10  # over_mask at which head leaks are compared
TEACHER_SURER = (0.0, 1.2, 1.5)  # as SURER: what serves the teacher's passes best on held-out pictures


class Stream(IterableDataset):
    """Ready batches from one worker process."""

    def __init__(self, stills, seed, batch, degraded):
        self.stills, self.seed, self.batch = stills, seed, batch
        self.degraded = degraded

    def __iter__(self):
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        seed = [self.seed, worker.id if worker else 0]
        crops = data.Crops(self.stills, seed, self.degraded)
        while True:
            yield tuple(np.stack(of) for of in zip(*(crops.draw() for _ in range(self.batch))))


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


def coverings(native, half, quarter, surer=SURER):
    """Logits of the 16 px cells that decide covering.

    A cell takes the highest score of its four parts at native size, and the
    odds of the passes at native, half and quarter size add up: what one of
    them finds need not be found by the others, and what several suspect counts.
    """
    passes = [F.max_pool2d(native, 2), half, twice(quarter)]
    lowered = [logits - less for logits, less in zip(passes, surer)]
    return torch.logsumexp(torch.stack(lowered), 0)


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


def taught_loss(native, covering, teacher, images):
    """As `loss_of`, of what the teacher makes of the same crops instead of their labels."""
    taught = [teacher(F.avg_pool2d(images, size).contiguous()) for size in (1, 2, 4)]
    return 0.3 * divergence(native, torch.sigmoid(taught[0])) + 0.7 * divergence(
        covering, torch.sigmoid(coverings(*taught, TEACHER_SURER))
    )


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


def opened_teacher(path, threads):
    """A teacher, whose package nothing else needs."""
    import teacher

    return teacher.opened(path, threads)


def main():
    """Parse, train until the time is up, keep the best by held-out leaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--out", default=data.REPOSITORY / "target/train")
    parser.add_argument("--start", help="exported model to start from")
    parser.add_argument("--grow", help="checkpoint of a network with fewer layers to start from")
    parser.add_argument("--resume", help="checkpoint to go on from")
    parser.add_argument("--teacher", help="teacher.pt, to be learnt from beside the labels")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--judge-minutes", type=float, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--degraded", type=float, default=1.0, help="share of crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    begun = time.monotonic()
    torch.manual_seed(asked.seed)
    torch.set_flush_denormal(True)  # before any thread begins: a trained network is full of them, at ten times the cost
    torch.set_num_threads(asked.threads)
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"  # else bfloat16 is emulated, ten times slower
    layout = torch.channels_last if wide else torch.contiguous_format
    out = Path(asked.out)
    out.mkdir(parents=True, exist_ok=True)

    training, held = data.split(asked.data)
    print(f"{len(training)} pictures to train on, {len(held)} held out", flush=True)
    stream = iter(
        DataLoader(
            Stream(training, asked.seed, asked.batch, asked.degraded),
            batch_size=None, num_workers=1, prefetch_factor=6,
        )
    )
    net = Veil().to(memory_format=layout)
    net.scores.bias.data.fill_(-3)
    teacher = opened_teacher(asked.teacher, asked.threads) if asked.teacher else None
    if asked.start or asked.grow:
        images = torch.cat([next(stream)[0] for _ in range(4)]).float() / 255
    if asked.start:
        load_folded(net, asked.start, images)
    if asked.grow:
        grow(net, torch.load(asked.grow, weights_only=True)["average"], images)
    optimiser = torch.optim.AdamW(net.parameters(), asked.rate, weight_decay=1e-4)
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
        warm = min(1, (step - first + 1) / 50)
        rate = asked.rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1, spent))))
        for group in optimiser.param_groups:
            group["lr"] = rate
        images, targets, weights, heads = next(stream)
        images = (images.float() / 255).to(memory_format=layout)
        # normalisations that are known stay: the passes would fight over them
        net.train(not (asked.start or asked.grow or asked.resume))
        with torch.autocast("cpu", torch.bfloat16, enabled=wide):
            maps = [net(F.avg_pool2d(images, size)) for size in (1, 2, 4)]
        native, half, quarter = (m.float() for m in maps)
        covering = coverings(native, half, quarter)
        loss = loss_of(native, covering, targets, weights, heads)
        if teacher:
            loss = 0.5 * loss + taught_loss(native, covering, teacher, images)
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
