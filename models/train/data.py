"""Training pictures: what is read, how it is split, which crops are drawn.

Reads only the sets listed in SETS; the test sets have no entry here. Labels
are YOLO text (class, centre, size, normalised): 0 person, 1 vehicle, 2 cycle
or motorcycle (trained as person), 9 ignore region.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from augment import degrade

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared/data"  # where the sets lie unless told
CROP = 384
CELL = 8
GRID = CROP // CELL
MIXED = 0.3  # share of the crops that hold a rectangle of another one
FINE = 4  # target raster points per cell, each way
PERSON, VEHICLE, CYCLE, IGNORE = 0, 1, 2, 9


@dataclass(frozen=True)
class Source:
    """One set: its share of the crops and what its labels can be trusted for."""

    folder: str
    share: float
    vehicles: bool = True  # vehicles are labelled, so their absence means something
    nadir: bool = False  # no up direction: any rotation is as good
    group: int = 1  # leading parts of the file name that name the sequence
    hold: bool = True  # may be held out for validation
    after: int = 0  # pictures numbered up to this are frames of a test clip


SETS = [
    Source("visdrone_train", 0.30),
    Source("extra_visdrone_val_newseq", 0.22),
    Source("extra_visdrone_train_extra", 0.13),
    Source("extra_hituav_thermal", 0.09, nadir=True, group=3),
    Source("extra_coco128_downscaled", 0.10),
    Source("auair_subset", 0.05, group=2),
    # its first 300 frames are the test clips' own, left out; the rest shows the
    # same place and people, so it is never judged on
    Source("extra_uav123_keyframes", 0.03, vehicles=False, hold=False, after=300),
    Source("brighton_beach_negatives", 0.08, vehicles=False, nadir=True, hold=False),
    Source("extra_althaf_nadir_tiles", 0.02, vehicles=False, nadir=True, hold=False),
]


@dataclass
class Still:
    """One picture with its boxes as rows of class, x1, y1, x2, y2 in pixels."""

    name: str
    image: np.ndarray
    boxes: np.ndarray
    source: Source
    half: np.ndarray | None = None  # the picture at half size, once needed


def read_boxes(path, width, height):
    """The rows of one label file in pixels; no file means no boxes."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            c, x, y, w, h = (float(v) for v in line.split()[:5])
            rows.append(
                (c, (x - w / 2) * width, (y - h / 2) * height,
                 (x + w / 2) * width, (y + h / 2) * height)
            )
    return np.array(rows, np.float32).reshape(-1, 5)


def read_stills(root, source, held=None):
    """Pictures of one set, in name order: all, the held out or the others."""
    folder = Path(root) / source.folder
    stills = []
    for path in sorted((folder / "images").iterdir()):
        if source.after and int(path.stem.split("_")[-1]) <= source.after:
            continue
        if held is not None and held != held_out(source, path.stem):
            continue
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        boxes = read_boxes(folder / "labels" / f"{path.stem}.txt", width, height)
        stills.append(Still(path.stem, image, boxes, source))
    return stills


def held_out(source, name):
    """Whether a picture's whole sequence is kept for validation (one in seven).

    The name of the sequence alone decides, so that pictures of one flight in
    two sets fall on the same side.
    """
    if not source.hold:
        return False
    sequence = "_".join(name.split("_")[: source.group])
    return hashlib.sha256(sequence.encode()).digest()[0] % 7 == 0


def split(root):
    """Training and validation pictures of all sets."""
    return side(root, False), side(root, True)


def side(root, held):
    """One side of the split."""
    return [s for source in SETS for s in read_stills(root, source, held)]


class Crops:
    """Endless seeded stream of (image, target, weight) crops."""

    def __init__(self, stills, seed, degraded=1.0):
        self.random = np.random.default_rng(seed)
        self.degraded = degraded  # share of crops that may be made worse
        self.groups, shares = [], []
        for source in SETS:
            group = [s for s in stills if s.source is source]
            if group:
                self.groups.append(group)
                shares.append(source.share)
        self.shares = np.array(shares) / sum(shares)
        self.people = [
            (still, box[1:])
            for still in stills
            for box in still.boxes[still.boxes[:, 0] == PERSON]
            if min(box[3] - box[1], box[4] - box[2]) >= 10 and box[4] - box[2] >= 26
        ]

    def draw(self):
        """One crop: planar 8-bit RGB image, targets and weights per class, numbered heads."""
        return self.worsened(self.clear())

    def clear(self):
        """As `draw`, as the pictures are and a BGR image."""
        one = self.single()
        return self.mixed(one, self.single()) if self.random.random() < MIXED else one

    def worsened(self, drawn):
        """A clear crop as `draw` gives it."""
        crop, *labels = drawn
        if self.random.random() < self.degraded:
            crop = degrade(crop, self.random)
        return np.ascontiguousarray(crop[:, :, ::-1].transpose(2, 0, 1)), *labels

    def single(self):
        """One clear crop of one picture."""
        group = self.groups[self.random.choice(len(self.groups), p=self.shares)]
        still = group[self.random.integers(len(group))]
        if still.image.shape[1] < 160:
            parts = [group[i] for i in self.random.integers(len(group), size=9)]
            still = tiled(parts, self.random)
        crop, corners, classes = self.cut(still)
        if self.random.random() < (0.3 if len(classes) == 0 else 0.08):
            crop, corners, classes = self.pasted(crop, corners, classes)
        return crop, *rasterise(corners, classes, still.source.vehicles)

    def mixed(self, one, other):
        """The crop with a rectangle of another one, whole cells of the quarter-size pass."""
        r, step = self.random, 32
        tall, wide = r.integers(3, 10, 2)
        top, left = r.integers(0, CROP // step - tall + 1), r.integers(0, CROP // step - wide + 1)
        *_, heads = one
        other[-1][other[-1] > 0] += heads.max()  # the other's heads are other heads
        for a, b, cell in zip(planes(one), planes(other), (1, CELL, CELL, 2 * CELL)):
            of = step // cell
            place = (..., slice(top * of, (top + tall) * of), slice(left * of, (left + wide) * of))
            a[place] = b[place]
        return one

    def cut(self, still):
        """Cut, turn and scale a crop; boxes come back as four corners each."""
        r = self.random
        height, width = still.image.shape[:2]
        persons = still.boxes[still.boxes[:, 0] == PERSON]
        # most crops are near the size the picture is covered at, so that its
        # background is met as it will be
        scale = math.exp(r.normal(0, 0.22))
        if len(persons) and r.random() < 0.6:
            _, x1, y1, x2, y2 = persons[r.integers(len(persons))]
            if r.random() < 0.55:  # all sizes of persons about equally often
                wanted = math.exp(r.uniform(math.log(9), math.log(300)))
                scale = wanted / max(y2 - y1, x2 - x1, 1.0)
                scale = min(max(scale, 0.4), 4.5)
            reach = 0.42 * CROP / scale
            x = (x1 + x2) / 2 + r.uniform(-reach, reach)
            y = (y1 + y2) / 2 + r.uniform(-reach, reach)
        else:
            x, y = r.uniform(0, width), r.uniform(0, height)
        half = CROP / scale / 2
        x = min(max(x, half), width - half) if width > 2 * half else width / 2
        y = min(max(y, half), height - half) if height > 2 * half else height / 2

        if still.source.nadir:
            angle = r.integers(4) * 90 + (r.uniform(-45, 45) if r.random() < 0.6 else 0)
        elif r.random() < 0.35:
            angle = r.integers(1, 4) * 90 + (r.uniform(-45, 45) if r.random() < 0.5 else 0)
        else:
            angle = r.uniform(-12, 12) if r.random() < 0.4 else 0
        turn = math.radians(float(angle))
        squeeze = math.exp(r.uniform(-0.12, 0.12))
        flip = -1 if r.random() < 0.5 else 1
        a = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        a = a @ np.diag([flip * scale * squeeze, scale / squeeze])
        if r.random() < 0.2:  # rows read one after the other while the camera turns
            a = np.array([[1, r.uniform(-0.15, 0.15)], [0, 1]]) @ a
        b = np.array([CROP / 2, CROP / 2]) - a @ np.array([x, y])

        corners = still.boxes[:, [1, 2, 3, 2, 1, 4, 3, 4]].reshape(-1, 4, 2) @ a.T + b
        inside = (
            (corners.max(1) > 0).all(1) & (corners.min(1) < CROP).all(1)
        )
        image = still.image
        if scale < 0.6:
            image, a = self.halved(still), a * 2
        matrix = np.concatenate([a, b[:, None]], 1).astype(np.float32)
        border = cv2.BORDER_REFLECT_101 if len(still.boxes) == 0 else cv2.BORDER_CONSTANT
        fill = tuple(int(v) for v in r.integers(0, 256, 3))
        crop = cv2.warpAffine(
            image, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR,
            borderMode=border, borderValue=fill,
        )
        return crop, corners[inside], still.boxes[inside, 0]

    def pasted(self, crop, corners, classes):
        """The crop with one to five persons from other pictures let into it.

        Each is cut out as a soft ellipse about its box, turned and scaled:
        people at any angle and height on ground where none were seen.
        """
        r = self.random
        crop, corners, classes = crop.copy(), list(corners), list(classes)
        turned = r.random() < 0.5
        tall = math.exp(r.uniform(math.log(12), math.log(160)))
        for _ in range(int(r.integers(1, 6))):
            still, (x1, y1, x2, y2) = self.people[r.integers(len(self.people))]
            width, height = x2 - x1, y2 - y1
            scale = min(tall * math.exp(r.normal(0, 0.15)) / height, 2.0)
            turn = r.uniform(-math.pi, math.pi) if turned else r.uniform(-0.15, 0.15)
            flip = -1 if r.random() < 0.5 else 1
            a = scale * np.array(
                [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
            ) @ np.diag([flip, 1])
            middle = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
            b = r.uniform(0, CROP, 2) - a @ middle
            matrix = np.concatenate([a, b[:, None]], 1).astype(np.float32)
            left, top = (int(max(v, 0)) for v in (x1 - width, y1 - height))
            part = still.image[top : int(y2 + height), left : int(x2 + width)]
            mask = np.zeros(part.shape[:2], np.float32)
            axes = (max(int(width * 0.56), 2), max(int(height * 0.56), 2))
            cv2.ellipse(mask, (int(middle[0] - left), int(middle[1] - top)), axes, 0, 0, 360, 1, -1)
            mask = cv2.GaussianBlur(mask, (0, 0), max(0.06 * width, 0.6))
            matrix[:, 2] += a @ np.array([left, top])
            person = cv2.warpAffine(part, matrix, (CROP, CROP), flags=cv2.INTER_AREA)
            alpha = cv2.warpAffine(mask, matrix, (CROP, CROP))[:, :, None]
            crop = (crop * (1 - alpha) + person * alpha).astype(np.uint8)
            box = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
            quad = box @ a.T + b
            if (quad.max(0) > 0).all() and (quad.min(0) < CROP).all():
                corners.append(quad)
                classes.append(PERSON)
        return crop, np.array(corners).reshape(-1, 4, 2), np.array(classes)

    @staticmethod
    def halved(still):
        """The picture at half size, made once: far reductions need it."""
        if still.half is None:
            still.half = cv2.resize(
                still.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
            )
        return still.half


def planes(drawn):
    """A clear crop's arrays, each with its rows and columns last."""
    crop, *labels = drawn
    return crop.transpose(2, 0, 1), *labels


def tiled(parts, random):
    """Nine small pictures side by side as one, for sets of thumbnails."""
    side = int(random.integers(96, 160))
    image = np.zeros((3 * side, 3 * side, 3), np.uint8)
    rows = []
    for i, part in enumerate(parts):
        height, width = part.image.shape[:2]
        left, top = (i % 3) * side, (i // 3) * side
        image[top:top + side, left:left + side] = cv2.resize(part.image, (side, side))
        boxes = part.boxes.copy()
        boxes[:, 1::2] = boxes[:, 1::2] * side / width + left
        boxes[:, 2::2] = boxes[:, 2::2] * side / height + top
        rows.append(boxes)
    return Still("tiled", image, np.concatenate(rows), parts[0].source)


def rasterise(corners, classes, vehicles):
    """Targets and weights, [2, GRID, GRID] each, from boxes given by corners.

    Every person has about the same total weight whatever the size, half of it
    on the head. Cells that touch a box only at its rim count little either
    way, since the box there is mostly background.
    """
    target = np.zeros((2, GRID, GRID), np.float32)
    weight = np.ones((2, GRID, GRID), np.float32)
    if not vehicles:
        weight[1] = 0
    ignored = np.zeros((GRID, GRID), bool)
    heads = np.zeros((GRID // 2, GRID // 2), np.int64)
    for quad, kind in zip(corners, classes):
        if kind == IGNORE:
            ignored |= touched(quad)
            continue
        channel = 1 if kind == VEHICLE else 0
        origin, along, down = quad[0], quad[1] - quad[0], quad[2] - quad[0]
        down_length = float(np.hypot(*down))

        def part(x1, y1, x2, y2):
            return origin + np.array(
                [x1 * along + y1 * down, x2 * along + y1 * down,
                 x1 * along + y2 * down, x2 * along + y2 * down]
            )

        whole = touched(quad)
        if not whole.any():
            continue
        if down_length < 6 and channel == 0:
            weight[0][whole & (target[0] == 0)] = 0
            continue
        body = touched(part(0.03, 0.0, 0.97, 1.0) if channel else part(0.12, 0.0, 0.88, 0.95))
        rim = cv2.dilate(whole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        quiet = rim & ~body & (target[channel] == 0)
        weight[channel][quiet] = np.minimum(weight[channel][quiet], 0.25)
        target[channel][body] = 1
        if channel == 1:
            share = np.clip(32 / max(body.sum(), 1), 0.7, 6)
        else:
            share = np.clip(24 / max(body.sum(), 1), 1, 12)
            if kind == CYCLE:
                share *= 0.5
        weight[channel][body] = np.maximum(weight[channel][body], share)
        if kind == PERSON:
            head = touched(part(0.2, 0.0, 0.8, 0.25))
            if head.any():
                covering = head.reshape(GRID // 2, 2, GRID // 2, 2).any((1, 3))
                heads[covering & (heads == 0)] = heads.max() + 1
                target[0][head] = 1
                weight[0][head] = np.maximum(
                    weight[0][head], np.clip(32 / head.sum(), 1.5, 24)
                )
    weight[:, ignored] = 0
    heads[ignored.reshape(GRID // 2, 2, GRID // 2, 2).any((1, 3))] = 0
    return target, weight, heads


def touched(quad):
    """Cells that a box given by corners (1 2 / 3 4) overlaps."""
    grid = np.zeros((GRID, GRID), bool)
    # only the cells about the box are looked at, one more each way for rounding
    left, top = (min(max(int(v // CELL) - 1, 0), GRID) for v in quad.min(0))
    right, bottom = (min(max(int(v // CELL) + 2, 0), GRID) for v in quad.max(0))
    if left < right and top < bottom:
        points = np.round(quad[[0, 1, 3, 2]] * (16 * FINE / CELL)).astype(np.int32)
        points -= 8  # raster points sit at the middle of their squares
        points -= np.array([left, top], np.int32) * (16 * FINE)
        raster = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.uint8)
        cv2.fillConvexPoly(raster, points, 1, shift=4)
        found = raster.reshape(bottom - top, FINE, right - left, FINE).any((1, 3))
        grid[top:bottom, left:right] = found
    return grid
