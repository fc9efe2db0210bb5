"""Tell what is known of a model: its input, features, scores and licences."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo info byol_r18w16"
TENSORFLOW = False


def arguments(verb):
    verb.add_argument("name", help="of a model, or ./FOLDER")
    verb.add_argument("--registry", **common.REGISTRY)
    verb.add_argument("--revision", **common.REVISION)


def run(args):
    from sslzoo.show import models
    from sslzoo.zoo import listing

    found = listing.info(args.name, args.registry, args.revision)
    common.show(args, found.to_dict(), lambda _: models.card(found))
