"""Put models, whole, into a folder or file for a machine without network."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo bundle byol_r18w16 --out models.zip"
TENSORFLOW = False


def arguments(verb):
    verb.add_argument(
        "names", nargs="+", metavar="NAME", help="of a model, or ./FOLDER"
    )
    verb.add_argument(
        "--out",
        required=True,
        metavar="DIR|FILE",
        help="a folder, a .zip or a .tar; there, SSLZOO_CACHE names the folder",
    )
    verb.add_argument("--registry", **common.REGISTRY)


def run(args):
    from sslzoo.show import models
    from sslzoo.zoo import cache, files

    out = cache.bundle(args.names, args.out, registry=args.registry)
    result = {"models": args.names, "out": str(out), "folder": out.is_dir()}
    result["bytes"] = files.size(out) if out.is_dir() else out.stat().st_size
    common.show(args, result, models.bundled)
