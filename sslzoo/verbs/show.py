"""Draw what a model or a run says of images, its filters, or what excites it."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo show runs/color photos/ --out sheet.png"
LATE = "images"


def arguments(verb):
    verb.add_argument("name", help="of a model with heads, or the workdir of a run")
    verb.add_argument("images", nargs="?", help="a folder, or a spec: toyworld:test")
    verb.add_argument(
        "--out", default="show.png", metavar="FILE", help="the picture (show.png)"
    )
    verb.add_argument("--count", type=int, default=8, metavar="N", help="of images (8)")
    what = verb.add_mutually_exclusive_group()
    what.add_argument(
        "--filters", action="store_true", help="the first layer's; needs no images"
    )
    what.add_argument("--top", metavar="LAYER", help="the windows that excite it most")
    verb.add_argument("--registry", **common.REGISTRY)


def run(args):
    from sslzoo.show import models, pictures

    images = pictures.images_of(args.images) if args.images else None
    page = pictures.of(
        args.name, images, args.filters, args.top, args.count, args.registry
    )
    result = {"out": str(page.write(args.out)), "figures": page.figures}
    common.show(args, result, models.pictured)
