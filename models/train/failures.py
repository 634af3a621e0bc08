"""Draw what the network misses in synthetic scenes: models/failures.jpg.

    python models/train/failures.py --voile target/release/voile

One look at the first frame of each scene, at the default thresholds, no margin:
covered cells are dark, persons whose head is not covered are framed in red.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

import figures
from export import MODEL
from passes import score_maps
from score import runner

SEEDS = (2, 3, 5, 8)  # of the first eight, different things go wrong in these
WIDTH, HEIGHT, GAP = 480, 300, 4  # of a panel, in pixels, and between panels
RED = (40, 40, 255)


def first_frame(voile, seed, folder):
    """The first picture of a scene, and its boxes as rows of class, corners."""
    place = Path(folder) / str(seed)
    told = [voile, "scene", "--seed", str(seed), "--seconds", "1", "--fps", "1", "--out", place]
    subprocess.run(told, check=True, stdout=subprocess.DEVNULL)
    _, image = cv2.VideoCapture(str(place / "clip.y4m")).read()
    boxes = []
    with open(place / "truth.csv", newline="") as file:
        for row in csv.reader(file):
            x, y, w, h = (float(v) for v in row[2:6])
            if row[0] == "1":  # class 1 of MOT is a person
                boxes.append((0 if row[7] == "1" else 1, x, y, x + w, y + h))
    return image, boxes


def missed(covered, scores, boxes, size):
    """The persons whose head is not covered."""
    found = []
    for box in boxes:
        persons = figures.scene(scores, [box], *size).persons
        if persons:
            got, area = figures.share(covered, persons[0][1])
            if got < 0.99 * area:
                found.append(box)
    return found


def panel(image, covered, boxes):
    """The part of the picture in which most of the boxes lie whole."""
    height, width = image.shape[:2]

    def whole(corner):
        x, y = corner
        return sum(
            x < x1 and x2 < x + WIDTH and y < y1 and y2 < y + HEIGHT for _, x1, y1, x2, y2 in boxes
        )

    x, y = max(
        ((x, y) for x in range(0, width - WIDTH, 20) for y in range(0, height - HEIGHT, 20)), key=whole
    )
    dark = covered.repeat(figures.CELL, 0).repeat(figures.CELL, 1)[:height, :width, None]
    drawn = (image * (1 - 0.65 * dark)).astype(np.uint8)
    for _, x1, y1, x2, y2 in boxes:
        cv2.rectangle(drawn, (int(x1) - 1, int(y1) - 1), (int(x2) + 1, int(y2) + 1), RED, 1)
    return drawn[y : y + HEIGHT, x : x + WIDTH]


def main():
    """Make the scenes, look at each once, draw two rows of panels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voile", default="target/release/voile")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--person", type=float, default=0.67)
    parser.add_argument("--vehicle", type=float, default=0.65)
    parser.add_argument("--out", default=MODEL.with_name("failures.jpg"))
    asked = parser.parse_args()
    run = runner(asked.model, 1)
    panels = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            image, boxes = first_frame(asked.voile, seed, folder)
            size = image.shape[1], image.shape[0]
            maps = score_maps(run, image)
            scores = figures.scene(maps, boxes, *size).scores
            covered = figures.covering(scores, asked.person, asked.vehicle, 0)
            panels.append(panel(image, covered, missed(covered, maps, boxes, size)))
    sheet = np.full((2 * HEIGHT + GAP, 2 * WIDTH + GAP, 3), 255, np.uint8)
    for number, part in enumerate(panels):
        y, x = (HEIGHT + GAP) * (number // 2), (WIDTH + GAP) * (number % 2)
        sheet[y : y + HEIGHT, x : x + WIDTH] = part
    cv2.imwrite(str(asked.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
