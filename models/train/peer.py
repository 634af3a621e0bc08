"""YOLOX-nano (COCO) through the same scorer, whole and in tiles.

    python models/train/peer.py --model yolox_nano_coco.onnx --data DATA

Its boxes become score maps: a cell has the highest score of any box of a
person (or vehicle) that touches it. Prints, for the test stills, the figures
at the over_mask asked for and the CPU time of ONNX Runtime on one thread.
"""

import argparse
import resource

import cv2
import numpy as np
import onnxruntime

import data
import figures
from score import HEAD, row

SIDE = 416
PERSONS, VEHICLES = [0], [2, 5, 7]  # car, bus, truck of COCO
LEAST = 0.01  # boxes below this are left out
TILES = {"whole": [], "2x2 + whole": [2], "3x3 + whole": [3]}


def boxes_of(session, image):
    """Rows of x1, y1, x2, y2, person score, vehicle score in pixels."""
    height, width = image.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    small = cv2.resize(image, (round(width * scale), round(height * scale)))
    canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    planes = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32)
    found = session.run(None, {session.get_inputs()[0].name: planes})[0][0]
    grids, strides = [], []
    for stride in (8, 16, 32):
        count = SIDE // stride
        y, x = np.mgrid[:count, :count]
        grids.append(np.stack([x, y], 2).reshape(-1, 2))
        strides.append(np.full((count * count, 1), stride))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    centre, size = (found[:, :2] + grid) * stride, np.exp(found[:, 2:4]) * stride
    corners = np.concatenate([centre - size / 2, centre + size / 2], 1) / scale
    scores = found[:, 5:] * found[:, 4:5]
    both = np.stack([scores[:, PERSONS].max(1), scores[:, VEHICLES].max(1)], 1)
    rows = np.concatenate([corners, both], 1)
    return rows[both.max(1) >= LEAST]


def score_map(session, image, tiles):
    """Logits [2, h, w] on 8 px cells."""
    height, width = image.shape[:2]
    rows = [boxes_of(session, image)]
    for count in tiles:
        tall, wide = int(height / count * 1.2), int(width / count * 1.2)
        for i in range(count):
            for j in range(count):
                top = int((height - tall) * i / max(count - 1, 1))
                left = int((width - wide) * j / max(count - 1, 1))
                found = boxes_of(session, image[top : top + tall, left : left + wide])
                rows.append(found + [left, top, left, top, 0, 0])
    cells = np.full((2, -(-height // 16) * 2, -(-width // 16) * 2), 1e-4)
    for x1, y1, x2, y2, *scores in np.concatenate(rows):
        place = (slice(max(0, int(y1 // 8)), max(0, int(-(-y2 // 8)))),
                 slice(max(0, int(x1 // 8)), max(0, int(-(-x2 // 8)))))
        for channel, score in enumerate(scores):
            part = cells[(channel, *place)]
            np.maximum(part, score, out=part)
    cells = np.clip(cells, 1e-6, 1 - 1e-6)
    return np.log(cells / (1 - cells))


def main():
    """One table row for each way of tiling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--set", default="visdrone_val")
    parser.add_argument("--over", type=float, default=0.15, help="over_mask aimed for")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(asked.model, settings)
    stills = data.read_stills(asked.data, data.Source(asked.set, 0))
    print(HEAD)
    for label, tiles in TILES.items():
        before = resource.getrusage(resource.RUSAGE_SELF)
        maps = [score_map(session, still.image, tiles) for still in stills]
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        scenes = [
            figures.scene([m], s.boxes, s.image.shape[1], s.image.shape[0])
            for m, s in zip(maps, stills)
        ]
        person, vehicle = figures.at_over_mask(scenes, asked.over)
        print(row(f"YOLOX-nano, {label}", person, vehicle, figures.measure(scenes, person, vehicle)))
        print(f"{label}: {spent * 1000 / len(stills):.0f} CPU-ms a picture")


if __name__ == "__main__":
    main()
