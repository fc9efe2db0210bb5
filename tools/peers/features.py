"""Features of a folder of JPEGs by a plain loop of Pillow, NumPy and Keras.

    python tools/peers/features.py [--photo PHOTO.jpg] [--images 2000]
        [--backbone resnet18 --width 0.25 --stem small --image-size 32]

What one would write without sslzoo.features, for the same network on the same files as
`sslzoo bench features`. Prints images per second.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

from sslzoo import backbones
from sslzoo.bench import timing


def prepared(path, size):
    image = Image.open(path).convert("RGB")
    side = int(0.875 * min(image.size))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / 255


def features(model, folder, size, batch_size):
    paths, vectors = sorted(pathlib.Path(folder).iterdir()), []
    for i in range(0, len(paths), batch_size):
        batch = np.stack([prepared(path, size) for path in paths[i : i + batch_size]])
        vectors.append(model.predict(batch, verbose=0)["pooled"])
    return np.concatenate(vectors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", default="")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--stem", default="imagenet")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    args = parser.parse_args()
    model = backbones.build(args.backbone, width=args.width, stem=args.stem)
    jpeg = timing.photo(args.photo)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(args.images):
            pathlib.Path(folder, f"{i:05d}.jpg").write_bytes(jpeg)
        start = time.perf_counter()
        found = features(model, folder, args.image_size, args.batch_size)
        rate = len(found) / (time.perf_counter() - start)
    print(f"plain loop features: {rate:.1f} images/s")


if __name__ == "__main__":
    main()
