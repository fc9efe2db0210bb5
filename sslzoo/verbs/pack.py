"""Put images, as JPEGs with their labels, into one file for npz:FILE#SPLIT."""

import contextlib
import os

from sslzoo.errors import BadInput
from sslzoo.verbs import common

EXAMPLE = "sslzoo pack folder:photos/train photos.npz#train --size 224"


def arguments(verb):
    verb.add_argument("data", metavar="SPEC", help="of images, like tfds:cifar10/train")
    verb.add_argument(
        "out",
        metavar="FILE.npz#SPLIT",
        help="file, made or added to; name of the images",
    )
    verb.add_argument("--size", type=int, help="side of squares to make of them")
    verb.add_argument(
        "--each", type=int, metavar="N", help="images of each class (all)"
    )
    verb.add_argument("--quality", type=int, default=90, help="of the JPEGs (90)")
    verb.add_argument(
        "--seed", type=common.at_least(0), default=0, help="of choice and order (0)"
    )


def run(args):
    from sslzoo.data import pack as packing
    from sslzoo.data import sources
    from sslzoo.show import progress
    from sslzoo.zoo import files

    path, _, split = args.out.rpartition("#")
    if not path:
        raise BadInput(f"{args.out!r} names no images: write {args.out}#train.")
    source = sources.from_spec(args.data)
    with (
        contextlib.closing(progress.Count("images packed", quiet=args.json)) as count,
        files.writing(path, "Give another file."),
    ):
        images = packing.pack(
            *(source, path, split, args.size, args.each, args.quality, args.seed),
            progress=count,
        )
    result = {
        "images": images,
        "bytes": os.path.getsize(path),
        "spec": f"npz:{args.out}",
    }
    common.show(args, result, progress.packed_line)
