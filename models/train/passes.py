"""The passes of the network over one picture: native and half size."""

import cv2
import numpy as np


def planar(image):
    """BGR picture as the network's input, its edge repeated to fill 32s."""
    height, width = image.shape[:2]
    image = cv2.copyMakeBorder(
        image, 0, -height % 32, 0, -width % 32, cv2.BORDER_REPLICATE
    )
    rgb = image[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(rgb, np.float32) / 255


def score_maps(run, image, half=True):
    """Logits [2, h, w] of the native and the half-size pass (None if off)."""
    native = run(planar(image))[0]
    if not half:
        return native, None
    height, width = image.shape[:2]
    small = cv2.resize(
        image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA
    )
    return native, run(planar(small))[0]
