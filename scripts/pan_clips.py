"""Clips of a moving camera with exact truth, made by moving a view over labelled stills.

Relies on numpy and OpenCV; called by scripts/pan-clips. Never looks beyond a still's border: that is checked for every
frame. The same seed gives the same paths and the same noise, whatever the number of clips.

What the clips are not: nothing in them moves but the camera, there is no parallax, no motion blur and no rolling
shutter. They judge camera motion and clearance, and say nothing about the motion witness.

Boxes turn with the picture, but stay upright: a person, vehicle or cycle is taken as the ellipse that fills its box,
and its box in the clip bounds that ellipse as warped. The bounds of the warped corners would be 30 % too wide for a
person at 6 degrees; these are too wide by 4 %. Ignore regions do take the bounds of their corners.

Boxes are cut at the view's edge; `visibility` is the share inside. What has less than 30 % inside or less than 8 px
left of its height becomes class 8 (distractor): not judged, and not background either, as it would be if left out.
"""

import argparse
import collections
import csv
import math
import os
import zlib
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, RATE = 1280, 720, 30
# Largest enlargement of a still; a still smaller than the view is given as much beyond what fills the view.
ENLARGE = 1.5
# Smallest: below it the warp would have to filter first.
REDUCE = 0.9
# A person's height in the still, in px, from which it speaks for choosing that still.
WORTH = 12.0
LEAST_INSIDE, LEAST_HEIGHT = 0.3, 8.0
# Greatest roll in radians, roll in radians a second, and zoom (natural logarithm) a second.
ROLL, ROLL_RATE, ZOOM_RATE = math.radians(6), math.radians(6), math.log(1.25)
# In px of the view a frame, at its centre: slow and fast moves at their quickest, and what no frame may exceed.
SLOW, FAST, FASTEST = (2.0, 9.0), (27.0, 36.0), 40.0
# What counts as fast in a finished path, what as usual, and the least share of usual frames.
IS_FAST, IS_USUAL, USUAL_SHARE = 25.0, 10.0, 0.75
# Deviation of sensor noise in levels of luma; chroma has half.
NOISE = 1.5
# Quickest speed of a minimum-jerk move over its mean: the derivative of `eased` at its middle.
QUICKEST = 1.875
# Still px that stay between view and border: Lanczos reads 4 around a point.
BORDER = 5.0
# Sway of a hovering craft behind its gimbal: view px and hertz, slow drift and what the mounts let through.
SWAY = ((2.5, 0.2, 0.6), (0.25, 4.0, 8.0))
# MOT number of each YOLO class.
PERSON, VEHICLE, CYCLE, IGNORE = 0, 1, 2, 9
MOT = {PERSON: 1, VEHICLE: 3, CYCLE: 4, IGNORE: 8}
UNJUDGED = 8


def labels(path, width, height):
    """Boxes of a still: class, and left, top, width, height in px."""
    boxes = []
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            kind, x, y, w, h = (float(field) for field in line.split())
            boxes.append((int(kind), (x - w / 2) * width, (y - h / 2) * height, w * width, h * height))
    return boxes


def chosen(stills, count):
    """The stills with the most people worth it: the best of every sequence, then the second of every sequence, ...

    Stills too small for the view come last.
    """
    sequences = collections.defaultdict(list)
    for image in sorted((stills / "images").glob("*.jpg")):
        path = stills / "labels" / f"{image.stem}.txt"
        picture = cv2.imread(str(image)) if path.exists() else None
        if picture is None:
            continue
        height, width = picture.shape[:2]
        boxes = labels(path, width, height)
        people = sum(kind == PERSON and box[3] >= WORTH for kind, *box in boxes)
        if people:
            sequences[image.stem.split("_")[0]].append((width < WIDTH or height < HEIGHT, -people, image, boxes))
    ranked = []
    for found in sequences.values():
        ranked += [(small, place, *rest) for place, (small, *rest) in enumerate(sorted(found, key=lambda one: one[:3]))]
    return [(image, boxes) for *_, image, boxes in sorted(ranked, key=lambda one: one[:4])[:count]]


def eased(share):
    """Minimum-jerk course from 0 to 1."""
    return share**3 * (10 - 15 * share + 6 * share**2)


def wander(rng, frames, low, high, most):
    """A value that rests and moves between `low` and `high`, never faster than `most` a second."""
    value, course = rng.uniform(low, high), []
    while len(course) < frames:
        course += [value] * int(rng.integers(0, RATE))
        target = rng.uniform(low, high)
        steps = max(RATE // 2, math.ceil(QUICKEST * abs(target - value) / rng.uniform(0.3, 0.95) / most * RATE))
        course += list(value + (target - value) * eased(np.arange(1, steps + 1) / steps))
        value = target
    return np.array(course[:frames])


def wobble(rng, time):
    """Sway in view px."""
    total = np.zeros_like(time)
    for most, low, high in SWAY:
        total += rng.uniform(0.3, 1) * most * np.sin(2 * np.pi * (rng.uniform(low, high) * time + rng.uniform()))
    return total


def reach(roll, scale):
    """Half the width and height, in still px, of what the view sees."""
    cos, sin = np.cos(roll), np.abs(np.sin(roll))
    return (WIDTH * cos + HEIGHT * sin) / 2 / scale, (WIDTH * sin + HEIGHT * cos) / 2 / scale


def draft(rng, width, height, frames):
    """One path: an affine map from still to view for each frame, both measured from the corner of their first pixel."""
    time = np.arange(frames) / RATE
    cover = max(WIDTH / width, HEIGHT / height)
    edge = BORDER + sum(most for most, *_ in SWAY) / cover
    across, down = reach(ROLL, 1.0)
    least = max(across / (width / 2 - edge), down / (height / 2 - edge), REDUCE)
    scale = np.exp(wander(rng, frames, math.log(least), math.log(ENLARGE * max(1.0, cover)), ZOOM_RATE))
    roll = wander(rng, frames, -ROLL, ROLL, ROLL_RATE)
    across, down = reach(roll, scale)
    room = np.stack([width - 2 * (across + edge), height - 2 * (down + edge)], 1)

    # Where the view is within its room, 0 to 1 each way.
    place, course = rng.uniform(0, 1, 2), []
    while len(course) < frames:
        course += [place] * int(rng.integers(3, 24))
        now = min(len(course), frames - 1)
        target = rng.uniform(0, 1, 2)
        speed = rng.uniform(*SLOW)
        if rng.uniform() < 0.3:
            speed = rng.uniform(*FAST)
            target = np.array([rng.uniform(0.75, 1) if place[0] < 0.5 else rng.uniform(0, 0.25), target[1]])
        distance = math.hypot(*((target - place) * room[now])) * scale[now]
        steps = max(10, math.ceil(QUICKEST * distance / speed))
        course += list(place + (target - place) * eased(np.arange(1, steps + 1) / steps)[:, None])
        place = target
    sway = np.stack([wobble(rng, time), wobble(rng, time)], 1) / scale[:, None]
    centre = np.stack([across, down], 1) + edge + np.array(course[:frames]) * room + sway

    cos, sin = np.cos(roll) * scale, np.sin(roll) * scale
    turn = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    shift = np.array([WIDTH, HEIGHT]) / 2 - np.einsum("fij,fj->fi", turn, centre)
    return np.concatenate([turn, shift[:, :, None]], 2)


def speeds(path):
    """How far what was at the view's centre moves from each frame to the next, in px."""
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    source = np.linalg.solve(path[:-1, :, :2], (middle - path[:-1, :, 2])[:, :, None])
    return np.hypot(*(np.einsum("fij,fjk->fi", path[1:, :, :2], source) + path[1:, :, 2] - middle).T)


def planned(rng, width, height, frames):
    """The first drafted path whose speeds are those wanted; a clip of 4 s or more has a fast pan in it."""
    for _ in range(1000):
        path = draft(rng, width, height, frames)
        moved = speeds(path)
        lively = frames < 4 * RATE or moved.max() >= IS_FAST
        if moved.max() <= FASTEST and (moved <= IS_USUAL).mean() >= USUAL_SHARE and lively:
            break
    else:
        raise SystemExit(f"no path of {frames} frames fits a still of {width}x{height}: ask for more seconds")
    corners = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], float).T
    seen = np.linalg.solve(path[:, :, :2], corners[None] - path[:, :, 2:])
    assert seen.min() >= BORDER - 1e-6 and (seen.max((0, 2)) <= np.array([width, height]) - BORDER + 1e-6).all()
    return path, moved


def warped(kind, x, y, w, h, affine):
    """Bounds in the view of a box of the still: left, top, right, bottom."""
    turn, shift = affine[:, :2], affine[:, 2]
    middle = turn @ [x + w / 2, y + h / 2] + shift
    sides = np.abs(turn * [w / 2, h / 2])
    half = sides.sum(1) if kind == IGNORE else np.hypot(*sides.T)
    return *(middle - half), *(middle + half)


def rows(boxes, affine, frame):
    """Truth of one frame, a MOT row for each box in view. A box keeps its number through the clip."""
    for number, (kind, *box) in enumerate(boxes, 1):
        left, top, right, bottom = warped(kind, *box, affine)
        x, y = max(left, 0.0), max(top, 0.0)
        w, h = min(right, WIDTH) - x, min(bottom, HEIGHT) - y
        if w < 0.5 or h < 0.5:
            continue
        inside = w * h / ((right - left) * (bottom - top))
        judged = kind != IGNORE and inside >= LEAST_INSIDE and h >= LEAST_HEIGHT
        fields = (f"{value:.2f}" for value in (x, y, w, h))
        yield frame, number, *fields, int(judged), MOT[kind] if judged else UNJUDGED, f"{inside:.3f}"


def view(picture, affine, rng):
    """One frame as I420 bytes, with its own noise."""
    # OpenCV measures from the middle of the first pixel.
    shift = affine[:, 2] + affine[:, :2] @ [0.5, 0.5] - 0.5
    matrix = np.column_stack([affine[:, :2], shift])
    frame = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LANCZOS4)
    planes = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420)
    noise = rng.standard_normal(planes.shape, np.float32)
    noise[:HEIGHT] *= NOISE
    noise[HEIGHT:] *= NOISE / 2
    return np.clip(np.rint(planes + noise), 0, 255).astype(np.uint8).tobytes()


def render(image, boxes, out, seed, frames):
    """Writes clip and truth of one still; a line about them."""
    picture = cv2.imread(str(image))
    height, width = picture.shape[:2]
    rng = np.random.default_rng([seed, zlib.crc32(image.stem.encode())])
    path, moved = planned(rng, width, height, frames)
    folder = out / image.stem
    folder.mkdir(parents=True, exist_ok=True)
    people, judged = set(), 0
    with open(folder / "clip.part", "wb") as clip, open(folder / "truth.part", "w", newline="") as truth:
        clip.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        table = csv.writer(truth, lineterminator="\n")
        table.writerow("frame,id,x,y,w,h,conf,class,visibility".split(","))
        for frame, affine in enumerate(path, 1):
            clip.write(b"FRAME\n" + view(picture, affine, rng))
            for row in rows(boxes, affine, frame):
                table.writerow(row)
                if row[7] == MOT[PERSON]:
                    people.add(row[1])
                    judged += 1
    os.replace(folder / "clip.part", folder / "clip.y4m")
    os.replace(folder / "truth.part", folder / "truth.csv")
    scale = np.hypot(path[:, 0, 0], path[:, 1, 0])
    roll = np.degrees(np.arctan2(path[:, 1, 0], path[:, 0, 0]))
    return (
        f"| {image.stem} | {width}x{height} | {len(people)} | {judged} | {np.median(moved):.1f} | {moved.max():.1f} "
        f"| {(moved <= IS_USUAL).mean():.0%} | {scale.min():.2f} to {scale.max():.2f} "
        f"| {roll.min():.1f} to {roll.max():.1f} |"
    )


def main():
    """Reads the arguments and renders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stills", type=Path, help="folder with images/ and labels/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=6, help="stills to use")
    parser.add_argument("--seconds", type=float, default=6.0)
    asked = parser.parse_args()
    frames = round(asked.seconds * RATE)
    if frames < 2 or asked.count < 1 or asked.seed < 0:
        raise SystemExit("ask for at least 1 clip of 2 frames and a seed of 0 or more")
    cv2.setNumThreads(1)
    found = chosen(asked.stills, asked.count)
    if len(found) < asked.count:
        print(f"only {len(found)} stills show a person of {WORTH:.0f} px or more")
    print(
        f"{len(found)} clips of {frames} frames in {asked.out}\n\n"
        "| clip | still | persons | person-frames | px a frame, median | most | up to 10 px | scale | roll, degrees |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for image, boxes in found:
        print(render(image, boxes, asked.out, asked.seed, frames), flush=True)


if __name__ == "__main__":
    main()
