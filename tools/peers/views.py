"""Two BYOL views of a JPEG by lightly's transform, on one core.

    taskset -c 0 python tools/peers/views.py PHOTO.jpg [PAIRS]

In an environment with lightly and torchvision, not in ours. The photo is first brought
to 500 x 375 and encoded at quality 90; each pair decodes it anew, as training would.
Prints the median of five rounds, in pairs per second.
"""

import argparse
import io
import statistics
import time

import torchvision_shim  # noqa: F401, before what imports torchvision.

# isort: split
import torch
from lightly.transforms import BYOLTransform
from PIL import Image


def encoded(path):
    """The photo as training would find it on a disk."""
    stream = io.BytesIO()
    photo = Image.open(path).convert("RGB").resize((500, 375))
    photo.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def rate(make, pairs):
    """Calls of `make` per second."""
    start = time.perf_counter()
    for _ in range(pairs):
        make()
    return pairs / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("pairs", type=int, nargs="?", default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    photo, transform = encoded(args.photo), BYOLTransform()

    def make():
        return transform(Image.open(io.BytesIO(photo)).convert("RGB"))

    make()
    rounds = [rate(make, max(1, args.pairs // 5)) for _ in range(5)]
    print(f"lightly BYOL views: {statistics.median(rounds):.1f} pairs/s on one core")


if __name__ == "__main__":
    main()
