"""The passes of the network over one picture: native, half and quarter size."""

import cv2
import numpy as np


# What each pass's logits are lowered by before their odds are added. A cell of
# the quarter-size pass covers 16 times the ground, so it has to be surer; chosen
# on held-out pictures (LOG.md). `src/detect/mod.rs` has the same.
SURER = (0.0, 1.6, 2.2)

CELL = 8  # pixels of the picture per score of the native pass, each way


def planar(image):
    """BGR picture as the network's input, its edge repeated to fill 32s."""
    height, width = image.shape[:2]
    image = cv2.copyMakeBorder(
        image, 0, -height % 32, 0, -width % 32, cv2.BORDER_REPLICATE
    )
    rgb = image[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(rgb, np.float32) / 255


def raised(native, rows):
    """Logits [2, h, w] at native size, a person's with the odds of the cell below added.

    A head is the smallest part of a person and lies at its top; chosen on held-out
    pictures (LOG.md). `src/detect/odds.rs` does the same. Rows from `rows` on are
    not of the picture.
    """
    native = native.copy()
    native[0, : rows - 1] = np.logaddexp(native[0, : rows - 1], native[0, 1:rows])
    return native


def score_maps(run, image, passes=3, lowered=SURER):
    """Logits [2, h, w] of each pass, lowered, the native one first."""
    rows = -(-image.shape[0] // CELL)
    maps = []
    for scale in range(passes):
        if scale:
            height, width = image.shape[:2]
            image = cv2.resize(
                image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA
            )
        maps.append(run(planar(image))[0] - lowered[scale])
    return [raised(maps[0], rows), *maps[1:]]
