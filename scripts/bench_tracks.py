"""Tracks and a public tracker on the same degraded boxes, with one definition of every figure for both.

Relies on numpy, `trackers` and `supervision` (both by Roboflow; Apache-2.0 and MIT); called by scripts/bench-tracks.
Never looks at a picture: boxes are made from a clip's truth, and a seed gives the same boxes to everybody.

Boxes, drawn for every frame of the truth, of which passes then see each EVERY-th:
- missing: a person's boxes are missing in bursts of 0.25 s in the mean, 20 % of the time (Gilbert's two-state chain);
- jitter: each edge is off by 1 px and 4 % of the root of the box's area (one deviation), then the box is snapped
  outward to cells of 8 px, as a sighting is, and cut at the picture;
- score: 0.85, 0.08 up or down for each person and 0.10 for each frame, kept within 0.56 to 0.99; below 0.68 it is low;
- false alarms: as many as a tenth of the persons in the mean, anywhere, of a person's size, 0.15 s long in the mean,
  jittering like the rest, score 0.56 to 0.90.

The sighting knows which person it was made from, so that no figure depends on matching boxes to people:
- switch: a sighting of a person has another number than the last numbered sighting of that person;
- swap: a switch to a number that was another person's before;
- tracked: a person's own sighting has a number, or half of the person's box lies in coasting boxes. A coasting box is
  where a living track that got no sighting in this pass has been predicted;
- fragment: a person who was tracked is not, and later is again;
- miss: a person without a box, once they have had one. "Short" ones are at most 0.35 s after the last one;
- head covered: 99 % of the head (upper quarter, middle 60 % of the width) in sightings or coasting boxes, whosoever;
- false area: how much of the picture outside of all truth boxes, grown by an eighth, coasting boxes cover and sightings
  do not;
- CPU-ms: mean thread CPU time of a step, with what to cover. Python's carries Python.

With `--camera moving` voile gets a row more, in which it is told how the camera moved, as the pipeline tells it:
a similarity fitted to the middles of everything in the truth that is whole in both pictures. ByteTrack takes none.

Persons (MOT classes 1, 2, 7; conf above 0) of at least 8 px height and 4 px width within the picture are judged.
"""

import argparse
import collections
import csv
import dataclasses
import subprocess
import time
import warnings

import numpy as np

CELL = 8
MISSING, BURST_S = 0.20, 0.25
EDGE_PX, EDGE_SHARE = 1.0, 0.04
SCORE, SCORE_PERSON, SCORE_FRAME, SCORES = 0.85, 0.08, 0.10, (0.56, 0.99)
ALARMS, ALARM_S, ALARM_SCORES = 0.1, 0.15, (0.56, 0.90)
# What Policy::default() says: the score that gives birth to a track, and the longest coast.
HIGH, COAST_S = 173 / 255, 0.6
SHORT_S = 0.35
PERSON = {-1, 0, 1, 2, 7}


@dataclasses.dataclass
class Pass:
    """What one pass of the detector saw, and what was there."""

    frame: int
    boxes: np.ndarray  # whole pixels: left, top, right, bottom
    scores: np.ndarray
    owners: list  # the person of each box, None for a false alarm
    people: dict  # all who are judged
    background: np.ndarray  # what is outside of every box


@dataclasses.dataclass
class Answer:
    """What a tracker said of one pass."""

    numbers: dict  # of each sighting that has one
    coasting: list


def read(path, size):
    """Judged persons of each frame, the grown boxes of everything, and the middles of what is whole."""
    people, everything, middles = (collections.defaultdict(kind) for kind in (dict, list, dict))
    limits = np.array([*size, *size], float)
    for row in csv.reader(open(path)):
        if not row or not row[0].strip().isdigit():
            continue
        frame, number = int(row[0]), int(row[1])
        x, y, w, h = (float(value) for value in row[2:6])
        confidence = float(row[6]) if len(row) > 6 else 1.0
        kind = int(row[7]) if len(row) > 7 else -1
        everything[frame].append((x - w / 8, y - h / 8, x + w * 9 / 8, y + h * 9 / 8))
        box = np.clip([x, y, x + w, y + h], 0, limits)
        if min(x, y, size[0] - x - w, size[1] - y - h) > 2:
            middles[frame][number] = complex(x + w / 2, y + h / 2)
        if kind in PERSON and confidence != 0 and box[3] - box[1] >= 8 and box[2] - box[0] >= 4:
            people[frame][number] = box
    return people, everything, middles


def motion(before, now):
    """A similarity z -> k z + t in complex numbers, fitted to the steadier half; none where too little is there."""
    shared = sorted(before.keys() & now.keys())
    if len(shared) < 6:
        return 1.0 + 0j, 0j
    here, there = (np.array([side[number] for number in shared]) for side in (before, now))
    keep = np.ones(len(shared), bool)
    for _ in range(5):
        middle, mean = here[keep].mean(), there[keep].mean()
        off = here[keep] - middle
        turn = (np.conj(off) * (there[keep] - mean)).sum() / max(1e-9, (abs(off) ** 2).sum())
        rest = abs(there - mean - turn * (here - middle))
        keep = rest <= np.median(rest)
    return turn, mean - turn * middle


def cut(box, size):
    """Rows and columns of the whole pixels that a box touches."""
    x0, y0 = (max(0, int(np.floor(edge))) for edge in box[:2])
    x1, y1 = (min(side, int(np.ceil(edge))) for side, edge in zip(size, box[2:]))
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def drawn(boxes, size):
    picture = np.zeros((size[1], size[0]), bool)
    for box in boxes:
        picture[cut(box, size)] = True
    return picture


def seen(box, size, rng):
    """A box as a sighting of it would be."""
    deviation = EDGE_PX + EDGE_SHARE * np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    box = box + rng.normal(0, deviation, 4)
    centre = (box[:2] + box[2:]) / 2
    low, high = np.minimum(box[:2], centre - 1), np.maximum(box[2:], centre + 1)
    low, high = np.floor(low / CELL) * CELL, np.ceil(high / CELL) * CELL
    limits = np.array(size, float)
    low, high = np.clip(low, 0, limits - 1), np.clip(high, 1, limits)
    return np.concatenate([low, high])


def passes(truth, size, rate, every, seed):
    """The degraded boxes of each pass."""
    people, everything, _ = truth
    rng = np.random.default_rng(seed)
    end = 1 / max(1.0, BURST_S * rate)
    begin = end * MISSING / (1 - MISSING)
    missing, liking, alarms = {}, {}, []
    sizes = [box for frame in people.values() for box in frame.values()]
    last = max(everything)
    stay = 1 - 1 / max(1.0, ALARM_S * rate)
    births = ALARMS * len(sizes) / last * (1 - stay)
    for frame in range(1, last + 1):
        boxes, scores, owners = [], [], []
        for person, box in sorted(people.get(frame, {}).items()):
            before = missing.get(person)
            chance = MISSING if before is None else 1 - end if before else begin
            missing[person] = rng.random() < chance
            liking.setdefault(person, SCORE + rng.normal(0, SCORE_PERSON))
            place, score = seen(box, size, rng), np.clip(liking[person] + rng.normal(0, SCORE_FRAME), *SCORES)
            if not missing[person]:
                boxes.append(place), scores.append(score), owners.append(person)
        alarms = [alarm for alarm in alarms if rng.random() < stay]
        for _ in range(rng.poisson(births)):
            like = sizes[rng.integers(len(sizes))]
            sides = like[2:] - like[:2]
            corner = rng.random(2) * np.maximum(np.array(size) - sides, 1)
            alarms.append(np.concatenate([corner, corner + sides]))
        for alarm in alarms:
            boxes.append(seen(alarm, size, rng)), scores.append(rng.uniform(*ALARM_SCORES)), owners.append(None)
        if (frame - 1) % every == 0:
            background = ~drawn(everything.get(frame, []), size)
            boxes = np.array(boxes, float).reshape(-1, 4)
            yield Pass(frame, boxes, np.array(scores, float), owners, people.get(frame, {}), background)


def ours(run, rate, binary, middles=None):
    """Answers with the margin and without, and CPU-ms for each pass."""
    lines = []
    for last, one in zip([None, *run], run):
        if last and middles:
            turn, shift = motion(middles[last.frame], middles[one.frame])
            lines.append(f"K {turn.real:.9f} {turn.imag:.9f} {shift.real:.6f} {shift.imag:.6f}")
        begun = f"{one.frame} {round((one.frame - 1) * 1e6 / rate)}"
        lines += [begun] if not len(one.boxes) else [
            f"{begun} {round(score * 255)} {x0:.0f} {y0:.0f} {x1 - x0:.0f} {y1 - y0:.0f}"
            for score, (x0, y0, x1, y1) in zip(one.scores, one.boxes)
        ]
    told = subprocess.run([binary], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    answers = {letter: {one.frame: Answer({}, []) for one in run} for letter in "BC"}
    cost = 0.0
    for line in told.splitlines():
        letter, *words = line.split()
        frame, *rest = (int(word) for word in words)
        if letter == "T":
            cost = frame / 1e6 / max(1, rest[0])
        elif letter == "N":
            for answer in answers.values():
                answer[frame].numbers[rest[0]] = rest[1]
        else:
            x, y, w, h = rest
            answers[letter][frame].coasting.append((x, y, x + w, y + h))
    return list(answers["C"].values()), list(answers["B"].values()), cost


def theirs(run, tracker, coasting):
    """Answers of a tracker of the `update` family, and CPU-ms for each pass."""
    import supervision

    update = getattr(tracker, "update_with_detections", None) or tracker.update
    answers, spent = [], 0.0
    for one in run:
        given = supervision.Detections(
            xyxy=one.boxes.astype(np.float32).reshape(-1, 4),
            confidence=one.scores.astype(np.float32),
            class_id=np.arange(len(one.boxes)),
        )
        begun = time.thread_time()
        told = update(given)
        boxes = [tuple(box) for box in coasting(tracker)]
        spent += time.thread_time() - begun
        numbers = {} if told.class_id is None or told.tracker_id is None else {
            int(index): int(number) for index, number in zip(told.class_id, told.tracker_id) if number >= 0
        }
        answers.append(Answer(numbers, boxes))
    return answers, spent * 1e3 / max(1, len(run))


def byte_port(rate, told):
    """supervision's, a port of the authors' code. Told: births from our score, a coast of ours at its longest."""
    import supervision

    if not told:
        return supervision.ByteTrack(frame_rate=rate)
    tracker = supervision.ByteTrack(HIGH, lost_track_buffer=round(30 * COAST_S), frame_rate=rate)
    # It asks for 0.1 more for a birth than for a pair of the first stage; ours does not.
    tracker.det_thresh = HIGH
    return tracker


def byte_new(rate, told):
    """That of trackers, written anew from the paper. Told: the same, overlap as in ours, and births at once."""
    import trackers

    if not told:
        return trackers.ByteTrackTracker(frame_rate=rate)
    return trackers.ByteTrackTracker(
        lost_track_buffer=round(30 * COAST_S),
        frame_rate=rate,
        track_activation_threshold=HIGH,
        high_conf_det_threshold=HIGH,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=0.2,
    )


def lost_port(tracker):
    return [track.tlbr for track in tracker.lost_tracks]


def lost_new(tracker):
    return [track.get_state_bbox() for track in tracker.tracks if track.time_since_update > 0]


FIGURES = ["switches", "swaps", "fragments", "sightings", "numbered", "misses", "tracked", "heads", "short",
           "short_tracked", "short_heads", "false", "outside"]


def judged(run, answers, rate, size):
    """The counts of FIGURES."""
    count = collections.Counter(dict.fromkeys(FIGURES, 0))
    last, owner_of, state, sighted = {}, {}, {}, {}
    for one, answer in zip(run, answers):
        coasting, sightings = drawn(answer.coasting, size), drawn(one.boxes, size)
        own = {person: index for index, person in enumerate(one.owners) if person is not None}
        for person, index in own.items():
            number = answer.numbers.get(index)
            count["sightings"] += 1
            sighted[person] = one.frame
            if number is None:
                continue
            count["numbered"] += 1
            if last.setdefault(person, number) != number:
                count["switches"] += 1
                count["swaps"] += owner_of.get(number, person) != person
            last[person], owner_of[number] = number, person
        for person, box in one.people.items():
            index = own.get(person)
            tracked = index in answer.numbers or bool(coasting[cut(box, size)].mean() >= 0.5)
            before = state.get(person)
            if tracked:
                count["fragments"] += before == "lost"
                state[person] = "tracked"
            elif before is not None:
                state[person] = "lost"
            if index is not None or person not in sighted:
                continue
            x0, y0, x1, y1 = box
            width, height = x1 - x0, y1 - y0
            head = cut((x0 + 0.2 * width, y0, x0 + 0.8 * width, y0 + height / 4), size)
            covered = bool((coasting[head] | sightings[head]).mean() >= 0.99)
            short = (one.frame - sighted[person]) / rate <= SHORT_S + 1e-9
            for name, holds in [("misses", True), ("tracked", tracked), ("heads", covered)]:
                count[name] += holds
            for name, holds in [("short", True), ("short_tracked", tracked), ("short_heads", covered)]:
                count[name] += holds and short
        count["false"] += int((coasting & ~sightings & one.background).sum())
        count["outside"] += int(one.background.sum())
    return count


def row(name, count, cost):
    def share(part, whole, digits=1):
        return "-" if not count[whole] else f"{count[part] / count[whole]:.{digits}%}"

    cells = [name, count["switches"], count["swaps"], count["fragments"], share("numbered", "sightings"),
             share("tracked", "misses"), share("short_tracked", "short"), share("heads", "misses"),
             share("short_heads", "short"), share("false", "outside", 2), "-" if cost is None else f"{cost:.3f}"]
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("binary", help="benches/tracks.rs, built")
    parser.add_argument("--size", required=True, help="of the picture, as 1280x720")
    parser.add_argument("--rate", required=True, type=float, help="frames per second")
    parser.add_argument("--every", default="1,3", help="passes on each n-th frame")
    parser.add_argument("--camera", default="still", choices=["still", "moving"])
    parser.add_argument("--seeds", default=3, type=int)
    told = parser.parse_args()
    warnings.filterwarnings("ignore")
    size = tuple(int(side) for side in told.size.split("x"))
    truth = read(told.truth, size)
    for every in (int(word) for word in told.every.split(",")):
        rate = told.rate / every
        total, costs, frames = collections.defaultdict(collections.Counter), collections.defaultdict(list), 0
        for seed in range(1, told.seeds + 1):
            run = list(passes(truth, size, told.rate, every, seed))
            frames += len(run)
            total["no tracks"].update(judged(run, [Answer({}, [])] * len(run), told.rate, size))
            margin, plain, cost = ours(run, told.rate, told.binary)
            total["voile"].update(judged(run, margin, told.rate, size))
            total["voile, without its margin"].update(judged(run, plain, told.rate, size))
            costs["voile"].append(cost)
            if told.camera == "moving":
                margin, plain, _ = ours(run, told.rate, told.binary, truth[2])
                total["voile, told the camera's motion"].update(judged(run, margin, told.rate, size))
                total["the same, without its margin"].update(judged(run, plain, told.rate, size))
            for package, make, lost in [("supervision", byte_port, lost_port), ("trackers", byte_new, lost_new)]:
                for name, same in [("its defaults", False), ("told as ours", True)]:
                    name = f"ByteTrack of {package}, {name}"
                    answers, cost = theirs(run, make(rate, same), lost)
                    total[name].update(judged(run, answers, told.rate, size))
                    costs[name].append(cost)
        first = total["voile"]
        print(f"\n{told.truth}, {told.rate:g} fps, detect.every = {every}: {frames} passes over {told.seeds} seeds, "
              f"{first['sightings']} sightings of persons, {first['misses']} misses ({first['short']} short)\n")
        print("| | switches | swaps | fragments | sightings numbered | misses tracked | short ones | head covered | "
              "short ones | false area | CPU-ms |\n|---|---|---|---|---|---|---|---|---|---|---|")
        for name, count in total.items():
            row(name, count, float(np.mean(costs[name])) if costs[name] else None)


if __name__ == "__main__":
    main()
