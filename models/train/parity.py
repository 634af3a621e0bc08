"""Pictures and what ONNX Runtime says of them, for the program's own test.

    python models/train/parity.py OUT --data DATA

Writes OUT/pictures.rgb (interleaved bytes, 100 middles of training pictures,
WIDTH x HEIGHT) and OUT/logits.f32, one map of persons and one of vehicles for
each. `cargo test --release parity` runs it and compares.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from score import opened

MODEL = Path(__file__).resolve().parents[1] / "veil.onnx"
COUNT, HEIGHT, WIDTH = 100, 384, 640  # the size that the file names


def pictures(root):
    """Pictures of the training sets, cut or filled to one size."""
    paths = sorted(Path(root).glob("visdrone_train/images/*"))
    paths += sorted(Path(root).glob("extra_hituav_thermal/images/*"))
    for path in paths[:: max(1, len(paths) // COUNT)][:COUNT]:
        image = cv2.imread(str(path))
        image = image[: HEIGHT * (image.shape[0] // HEIGHT or 1), :]
        yield cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[:, :, ::-1]


def main():
    """Run the model over all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    asked = parser.parse_args()
    session = opened(MODEL, 2)
    name = session.get_inputs()[0].name
    with open(asked.out / "pictures.rgb", "wb") as rgb, open(asked.out / "logits.f32", "wb") as logits:
        for picture in pictures(asked.data):
            planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
            rgb.write(np.ascontiguousarray(picture).tobytes())
            logits.write(session.run(None, {name: planes})[0].astype("<f4").tobytes())


if __name__ == "__main__":
    main()
