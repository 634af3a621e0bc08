"""Score an exported model: figures on one set, as sweeps or at thresholds.

    python models/train/score.py --set held
    python models/train/score.py --set visdrone_val --person P --vehicle V

`held` is the part of the training sets that training never saw; thresholds
are chosen there. The test sets are for figures at given thresholds.
"""

import argparse
import csv
import math
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

import data
import figures
from augment import degrade, night
from passes import score_maps

PERSON_SWEEP = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
OVER_MASKS = (0.05, 0.06, 0.08, 0.10, 0.11, 0.12, 0.15, 0.20)


def clip(video, truth, every):
    """Every n-th picture of a clip with its MOT boxes as persons."""
    boxes = {}
    with open(truth, newline="") as file:
        for row in csv.reader(file):
            x, y, w, h = (float(v) for v in row[2:6])
            boxes.setdefault(int(row[0]), []).append((0, x, y, x + w, y + h))
    capture = cv2.VideoCapture(str(video))
    number = 0
    while True:
        good, image = capture.read()
        if not good:
            return
        number += 1
        if number % every == 1 or every == 1:
            yield image, boxes.get(number, [])


def pictures(root, name, every):
    """Pictures and boxes of one set."""
    root = Path(root)
    if name == "held" or name.startswith("held:"):
        stills = data.side(root, True)
        only = name.partition(":")[2]
        stills = [s for s in stills if not only or s.source.folder == only]
    elif name == "vtest":
        return clip(root / "vtest/vtest.avi", root / "vtest/truth.csv", every)
    elif name.startswith("uav123"):
        return clip(root / f"clips/{name}.mp4", root / f"clips/{name}.csv", every)
    else:
        stills = data.read_stills(root, data.Source(name, 0))
    return ((s.image, s.boxes) for s in stills)


def changed(image, boxes, way, number):
    """A picture made harder, with its boxes: what held-out pictures lack.

    `turned`: by a quarter, as seen by a camera on its side or straight down.
    `degraded`: light, optics, noise and compression as in training, seeded.
    `night`: little light, a lamp's colour and noise as in training, seeded.
    `doubled`: the middle at twice the size, for large persons.
    `third`: at a third of the size, as from three times as high.
    `low`: three times the size, turned by as many quarters as the number says:
    stands in for low flight seen straight down.
    """
    height, width = image.shape[:2]
    boxes = np.array(boxes, np.float32).reshape(-1, 5)
    if way == "turned":
        image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        kind, x1, y1, x2, y2 = boxes.T
        boxes = np.stack([kind, height - y2, x1, height - y1, x2], 1)
    elif way == "degraded":
        image = degrade(image, np.random.default_rng(number))
    elif way == "night":
        image = night(image, np.random.default_rng(number))
    elif way == "doubled":
        left, top = width // 4, height // 4
        image = image[top : top + height // 2, left : left + width // 2]
        image = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        boxes = (boxes - [0, left, top, left, top]) * [1, 2, 2, 2, 2]
        height, width = image.shape[:2]
        middle = (boxes[:, 1:3] + boxes[:, 3:5]) / 2
        seen = (middle > 0).all(1) & (middle < [width, height]).all(1)
        boxes = boxes[seen | (boxes[:, 0] != 0)]
    elif way == "third":
        image = cv2.resize(image, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
        boxes = boxes * [1, 1 / 3, 1 / 3, 1 / 3, 1 / 3]
    elif way == "low":
        image = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        boxes = boxes * [1, 3, 3, 3, 3]
        for _ in range(number % 4):
            image, boxes = changed(image, boxes, "turned", number)
    return image, boxes


def row(label, person, vehicle, m):
    """One line of a Markdown table; a figure over nothing is a dash."""
    names = ["head_leak", *(f"leak_{low}" for low, _ in figures.BINS)]
    names += ["person_cover", "vehicle_cover", "over_mask"]
    cells = ["-" if math.isnan(m[n]) else f"{m[n]:.3f}" for n in names]
    return f"| {label} | {person:.3f} | {vehicle:.3f} | {' | '.join(cells)} |"


HEAD = (
    "| at | person | vehicle | head_leak | 8-20 px | 20-60 px | 60+ px "
    "| person_cover | vehicle_cover | over_mask |\n|" + "---|" * 10
)


def sweeps(scenes, margin):
    """Sweeps of each channel and of both together, as tables."""
    print(f"\nPersons alone, margin {margin}:\n\n{HEAD}")
    for t in PERSON_SWEEP:
        print(row("sweep", t, 1, figures.measure(scenes, t, 1, margin)))
    print(f"\nVehicles alone, margin {margin}:\n\n{HEAD}")
    for t in PERSON_SWEEP:
        print(row("sweep", 1, t, figures.measure(scenes, 1, t, margin)))
    print(f"\nBoth, a quarter of over_mask for vehicles, margin {margin}:\n\n{HEAD}")
    for wanted in OVER_MASKS:
        p, v = figures.at_over_mask(scenes, wanted, margin=margin)
        print(row(f"over {wanted}", p, v, figures.measure(scenes, p, v, margin)))


def main():
    """Run the passes over one set and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--model", default=data.REPOSITORY / "models/veil.onnx")
    parser.add_argument("--set", default="held", help="held, held:FOLDER, a folder, vtest or a clip")
    parser.add_argument("--way", default="plain", help="turned, degraded, night, doubled, third or low: made harder")
    parser.add_argument("--person", type=float, help="threshold; without it, sweeps")
    parser.add_argument("--vehicle", type=float)
    parser.add_argument("--margin", type=int, default=0, help="8 px cells")
    parser.add_argument("--passes", type=int, default=3, help="native, half, quarter size")
    parser.add_argument("--every", type=int, default=10, help="n-th frame of clips")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    run = runner(asked.model, asked.threads)
    scenes = []
    for image, boxes in pictures(asked.data, asked.set, asked.every):
        image, boxes = changed(image, boxes, asked.way, len(scenes))
        height, width = image.shape[:2]
        maps = score_maps(run, image, asked.passes)
        scenes.append(figures.scene(maps, boxes, width, height))
    if asked.person is None:
        for margin in (0, 1):
            sweeps(scenes, margin)
        return
    m = figures.measure(scenes, asked.person, asked.vehicle, asked.margin)
    print(f"{len(scenes)} pictures, {m['persons']} persons "
          f"({', '.join(str(m[f'n_{low}']) for low, _ in figures.BINS)} by size)\n")
    print(HEAD)
    print(row(asked.set, asked.person, asked.vehicle, m))


def opened(path, threads, exact=True):
    """The model in ONNX Runtime, with its input size left open.

    Without `exact`, processors that have AVX2 but no VNNI add pairs of products in 16
    bits that overflow: a third faster, and scores that are off by up to 0.3.
    """
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if axis >= 2:
                dim.dim_param = f"{value.name}{axis}"
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.x64quantprecision", "1" if exact else "0")
    settings.log_severity_level = 3  # the file names one size; any is run
    return onnxruntime.InferenceSession(model.SerializeToString(), settings)


def runner(path, threads):
    """From a picture's planes, 0 to 1, to the model's logits."""
    session = opened(path, threads)
    wanted = session.get_inputs()[0]

    def run(image):
        if wanted.type == "tensor(uint8)":  # quantised: the picture's own bytes
            image = np.rint(image * 255).astype(np.uint8)
        return session.run(None, {wanted.name: image})[0]

    return run


if __name__ == "__main__":
    main()
