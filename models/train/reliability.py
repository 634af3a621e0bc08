"""How far the scores are probabilities: score against share of cells with a person.

    python models/train/reliability.py

Held-out pictures, 16 px cells outside ignore regions. A cell has a person (or
vehicle) if a box covers a quarter of it; cells that a box only grazes are left
out. Prints a table and writes reliability.svg beside the card.
"""

import argparse
from pathlib import Path

import numpy as np

import data
import figures
from passes import score_maps
from score import runner

EDGES = np.linspace(0, 1, 11)


def cells(scene, channel):
    """Scores and labels of the judged 16 px cells of one picture."""
    rows, columns = scene.scores.shape[1:]
    share = np.zeros((2 * rows, 2 * columns), np.float32)
    boxes = scene.vehicles if channel else [body for _, _, body in scene.persons]
    for place, pixels in boxes:
        share[place] = np.maximum(share[place], pixels / figures.CELL**2)
    share = share.reshape(rows, 2, columns, 2).mean((1, 3))
    background = scene.clear.reshape(rows, 2, columns, 2).sum((1, 3)) > 0
    judged = (share >= 0.25) | (background & (share == 0))
    return scene.scores[channel][judged], (share >= 0.25)[judged]


def plot(table, path):
    """The table as a small picture, without a plotting library."""
    side, lines = 240, []
    for channel, colour in enumerate(("#c0392b", "#2471a3")):
        points = [(s, p) for s, p, n in table[channel] if n >= 20]
        path_text = " ".join(f"{30 + s * side:.0f},{10 + side - p * side:.0f}" for s, p in points)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path_text}"/>')
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side + 60}" height="{side + 50}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="M30 10V{10 + side}H{30 + side}" fill="none" stroke="#444"/>'
        f'<path d="M30 {10 + side}L{30 + side} 10" stroke="#aaa" stroke-dasharray="4"/>' + "".join(lines)
        + f'<text x="34" y="22" fill="#c0392b">person</text><text x="34" y="36" fill="#2471a3">vehicle</text>'
        f'<text x="{side // 2 - 30}" y="{side + 40}">score, 0 to 1 (up: share of cells that hold one, 0 to 1)</text></svg>\n'
    )


def main():
    """Score the held-out pictures and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=data.DATA)
    parser.add_argument("--model", default=data.REPOSITORY / "models/veil.onnx")
    parser.add_argument("--svg", type=Path, default=data.REPOSITORY / "models/reliability.svg")
    asked = parser.parse_args()
    run = runner(asked.model, threads=2)
    found = [[], []]
    for still in data.side(asked.data, True):
        maps = score_maps(run, still.image)
        scene = figures.scene(maps, still.boxes, still.image.shape[1], still.image.shape[0])
        for channel in (0, 1):
            if channel == 0 or still.source.vehicles:
                found[channel].append(cells(scene, channel))
    table = []
    print("| score | person: share | cells | vehicle: share | cells |\n|---|---|---|---|---|")
    for channel in (0, 1):
        scores, labels = (np.concatenate(part) for part in zip(*found[channel]))
        place = np.digitize(scores, EDGES[1:-1])
        table.append([
            (scores[place == i].mean(), labels[place == i].mean(), int((place == i).sum()))
            if (place == i).any() else (0.0, 0.0, 0) for i in range(10)
        ])
    for i in range(10):
        (_, p, n), (_, v, m) = table[0][i], table[1][i]
        print(f"| {EDGES[i]:.1f} to {EDGES[i + 1]:.1f} | {p:.3f} | {n} | {v:.3f} | {m} |")
    plot(table, asked.svg)


if __name__ == "__main__":
    main()
