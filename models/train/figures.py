"""The figures of covering, computed on the 8 px grid from score maps.

Rule of covering, as the program applies it: the odds of the passes at native
size (the highest of 2 x 2 cells of 8 px), half and quarter size are added for
each class, and a 16 px cell is covered when the score they give is above the
threshold of its class; a margin then widens the covering by whole 8 px cells.
"""

from dataclasses import dataclass

import cv2
import numpy as np

CELL = 8
SMALLEST = 8  # persons less tall are not counted
BINS = ((8, 20), (20, 60), (60, 10_000))


@dataclass
class Scene:
    """One scored picture: what was found and what is there."""

    scores: np.ndarray  # [2, rows, columns] highest probability per 16 px cell
    clear: np.ndarray  # background pixels per 8 px cell
    persons: list  # (height, head, body), the last two as weighted windows
    vehicles: list  # windows


def window(x1, y1, x2, y2, width, height):
    """A pixel rectangle as rows, columns and the pixels it has in each cell."""
    x1, x2 = max(0, x1), min(width, x2)
    y1, y2 = max(0, y1), min(height, y2)
    if x2 <= x1 or y2 <= y1:
        return None
    rows = np.arange(y1 // CELL, (y2 - 1) // CELL + 1)
    columns = np.arange(x1 // CELL, (x2 - 1) // CELL + 1)
    tall = np.minimum(y2, (rows + 1) * CELL) - np.maximum(y1, rows * CELL)
    wide = np.minimum(x2, (columns + 1) * CELL) - np.maximum(x1, columns * CELL)
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return place, np.outer(tall, wide).astype(np.float32)


def scene(maps, boxes, width, height):
    """Prepare one picture: `maps` are logits [2, h, w] of the passes.

    `boxes` are rows of class, x1, y1, x2, y2 in pixels of the picture.
    """
    rows, columns = -(-height // 16), -(-width // 16)
    coarse = maps[0][:, : 2 * rows, : 2 * columns]
    coarse = coarse.reshape(2, rows, 2, columns, 2).max((2, 4))
    for scale, found in enumerate(maps[1:]):  # the first of them has cells of 16 px
        found = found.repeat(1 << scale, 1).repeat(1 << scale, 2)
        coarse = np.logaddexp(coarse, found[:, :rows, :columns])
    scores = 1 / (1 + np.exp(-coarse))

    ignored = np.zeros((height, width), bool)
    clear = np.ones((height, width), bool)
    for kind, x1, y1, x2, y2 in boxes:
        if kind == 9:
            clear[max(0, int(y1)) : int(y2), max(0, int(x1)) : int(x2)] = False
            ignored[max(0, int(y1)) : int(y2), max(0, int(x1)) : int(x2)] = True
        else:
            dx, dy = (x2 - x1) / 8, (y2 - y1) / 8
            clear[
                max(0, int(y1 - dy)) : int(np.ceil(y2 + dy)),
                max(0, int(x1 - dx)) : int(np.ceil(x2 + dx)),
            ] = False
    padded = np.zeros((rows * 16, columns * 16), np.float32)
    padded[:height, :width] = clear
    per_cell = padded.reshape(2 * rows, CELL, 2 * columns, CELL).sum((1, 3))

    persons, vehicles = [], []
    for kind, x1, y1, x2, y2 in boxes:
        x = min(max(int((x1 + x2) / 2), 0), width - 1)
        y = min(max(int((y1 + y2) / 2), 0), height - 1)
        if kind not in (0, 1) or ignored[y, x]:
            continue
        body = window(
            int(np.floor(x1)), int(np.floor(y1)), int(np.ceil(x2)), int(np.ceil(y2)),
            width, height,
        )
        if body is None:
            continue
        if kind == 1:
            vehicles.append(body)
        elif y2 - y1 >= SMALLEST:
            left, right = x1 + 0.2 * (x2 - x1), x2 - 0.2 * (x2 - x1)
            top, bottom = y1, y1 + (y2 - y1) / 4
            head = window(
                int(np.floor(left)), int(np.floor(top)),
                max(int(np.ceil(right)), int(left) + 1),
                max(int(round(bottom)), int(top) + 1), width, height,
            )
            if head is not None:
                persons.append((y2 - y1, head, body))
    return Scene(scores, per_cell, persons, vehicles)


def covering(scores, person, vehicle, margin):
    """Covered 8 px cells, 0 or 1, at two thresholds and a margin in cells."""
    covered = (scores[0] > person) | (scores[1] > vehicle)
    covered = covered.repeat(2, 0).repeat(2, 1).astype(np.uint8)
    if margin:
        covered = cv2.dilate(covered, np.ones((2 * margin + 1,) * 2, np.uint8))
    return covered.astype(np.float32)


def share(covered, at):
    """Covered pixels and pixels of a window."""
    place, pixels = at
    return float((covered[place] * pixels).sum()), float(pixels.sum())


def measure(scenes, person, vehicle, margin=0):
    """All figures over the scenes at one pair of thresholds, as a dict."""
    over = clear = 0.0
    person_covered = person_area = vehicle_covered = vehicle_area = 0.0
    heights, leaks = [], []
    for s in scenes:
        covered = covering(s.scores, person, vehicle, margin)
        over += float((covered * s.clear).sum())
        clear += float(s.clear.sum())
        for height, head, body in s.persons:
            got, area = share(covered, head)
            heights.append(height)
            leaks.append(got < 0.99 * area)
            got, area = share(covered, body)
            person_covered += got
            person_area += area
        for body in s.vehicles:
            got, area = share(covered, body)
            vehicle_covered += got
            vehicle_area += area
    heights, leaks = np.array(heights), np.array(leaks)
    result = {
        "persons": len(leaks),
        "head_leak": leaks.mean() if len(leaks) else float("nan"),
        "person_cover": person_covered / person_area if person_area else float("nan"),
        "vehicle_cover": vehicle_covered / vehicle_area if vehicle_area else float("nan"),
        "over_mask": over / clear if clear else float("nan"),
    }
    for low, high in BINS:
        some = leaks[(heights >= low) & (heights < high)] if len(leaks) else leaks
        result[f"leak_{low}"] = some.mean() if len(some) else float("nan")
        result[f"n_{low}"] = len(some)
    return result


def at_over_mask(scenes, wanted, vehicles=0.25, margin=0):
    """Thresholds that put `over_mask` at or just below `wanted`.

    The vehicle threshold is the lowest that alone spends at most the share
    `vehicles` of it; the person threshold is then the lowest that keeps both
    together below. Found by halving, since over_mask falls as thresholds rise.
    """

    def lowest(over_at, limit):
        low, high = 0.001, 0.999
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if over_at(middle) > limit else (low, middle)
        return round(high, 3)

    vehicle = lowest(lambda t: measure_over(scenes, 1, t, margin), wanted * vehicles)
    person = lowest(lambda t: measure_over(scenes, t, vehicle, margin), wanted)
    return person, vehicle


def measure_over(scenes, person, vehicle, margin):
    """over_mask alone, for searches."""
    over = clear = 0.0
    for s in scenes:
        covered = covering(s.scores, person, vehicle, margin)
        over += float((covered * s.clear).sum())
        clear += float(s.clear.sum())
    return over / clear
