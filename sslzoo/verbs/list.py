"""List the models that there are, by name, method, backbone or licence."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo list 'byol_*' --license permissive"
LATE = "filter"
TENSORFLOW = False


def arguments(verb):
    verb.add_argument("filter", nargs="?", default="", help="a part of names, or *")
    verb.add_argument("--method", help="such as byol")
    verb.add_argument("--backbone", help="such as r50")
    verb.add_argument(
        "--license",
        "--licence",
        help="of code and weights: permissive, noncommercial, or as 'CC-BY*'",
    )
    verb.add_argument("--registry", **common.REGISTRY)


def run(args):
    from sslzoo.show import models
    from sslzoo.zoo import listing

    names = ("filter", "method", "backbone", "license", "registry")
    wanted = {name: getattr(args, name) for name in names}
    rows = listing.list_models(**wanted, as_table=True)
    why = "" if rows else listing.unknown(**wanted)
    common.show(args, rows, lambda rows: models.models_table(rows, why=why))
