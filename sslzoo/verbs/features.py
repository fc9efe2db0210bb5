"""Write the features of a folder of pictures to a .npz or .parquet file."""

import contextlib

from sslzoo.verbs import common

EXAMPLE = "sslzoo features byol_r18w16 photos/ photos.npz"


def arguments(verb):
    verb.add_argument("name", help="of a model, or ./FOLDER")
    verb.add_argument("folder", help="of pictures, or a data spec like npz:FILE#train")
    verb.add_argument("out", help="a .npz or .parquet file")
    verb.add_argument("--endpoint", metavar="NAME", help="of another feature (pooled)")
    verb.add_argument("--l2", action="store_true", help="vectors of length 1")
    verb.add_argument("--append", action="store_true", help="add to the file")
    verb.add_argument(
        "--quick", action="store_true", help="decode large JPEGs at reduced size"
    )
    verb.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 where the processor has units for it",
    )
    verb.add_argument("--batch-size", type=int, default=64, metavar="N", help="(64)")
    verb.add_argument("--registry", **common.REGISTRY)
    verb.add_argument("--revision", **common.REVISION)


def run(args):
    from sslzoo.evaluation import embeddings
    from sslzoo.show import models, progress

    with contextlib.closing(progress.Count("images", quiet=args.json)) as count:
        made = embeddings.features(
            args.name,
            args.folder,
            batch_size=args.batch_size,
            endpoint=args.endpoint,
            l2=args.l2,
            out=args.out,
            append=args.append,
            quick=args.quick,
            precision=args.precision,
            progress=count,
            registry=args.registry,
            revision=args.revision,
        )
    result = {"images": len(made.files), "dimensions": made.vectors.shape[1]}
    result |= {"out": args.out, "skipped": made.skipped, **made.provenance}
    common.show(args, result, models.written)
