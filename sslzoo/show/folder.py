"""A file of `sslzoo features`: what made it, and which of its pictures are alike."""

from sslzoo.data import base, sources
from sslzoo.errors import BadInput, MissingFile
from sslzoo.evaluation import embeddings
from sslzoo.show import neighbours
from sslzoo.show.tiles import SIDE, spread, tile


def of_file(path, method=None):
    """What the page says of the features in `path`; the pictures lie in their folder.

    Args:
        method: of the run that the page is about, to say whether it made them.
    """
    found = embeddings.read(path)
    if len(found.files) < 2:
        raise BadInput(
            f"{path} is of {len(found.files)} picture, and neighbours are others. "
            f"{_again(found)}"
        )
    asked = spread(len(found.files), neighbours.ASKED).tolist()
    try:
        rows = neighbours.nearest(found.vectors, found.vectors[asked], asked)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    picture = _pictures(found, path, {*asked, *(j for row in rows for j, _ in row)})
    about = found.provenance
    revision = f", revision {about['revision']}" if about["revision"] else ""
    return {
        "name": about["model"] + revision,
        "path": path,
        "folder": _folder(found),
        "count": len(found.files),
        "dimensions": found.vectors.shape[1],
        "own": None if method is None else about["weights"] == _weights(method),
        "facts": _facts(about, len(found.skipped)),
        "cards": [_card(found, picture, i, row) for i, row in zip(asked, rows)],
        "shown": sum(map(len, rows)),
        **_score(found.labels, asked, rows),
    }


def _pictures(found, path, wanted):
    """From the number of a picture its pixels; those `wanted` are known to be there."""
    spec = found.provenance["source"]
    if not spec.startswith("folder:"):
        raise BadInput(
            f"The pictures of {path} are those of {spec!r}, which is no folder to read "
            f"them from. {_again(found)}"
        )
    try:
        source = sources.from_spec(spec)
    except (MissingFile, BadInput) as error:
        raise MissingFile(
            f"The pictures of {path} are not found from here. {error} {_again(found)}"
        ) from None
    places = {base.file_of(source, i): i for i in range(source.count)}
    gone = [found.files[i] for i in sorted(wanted) if found.files[i] not in places]
    if gone:
        raise MissingFile(
            f"{len(gone)} of the {len(wanted)} pictures of {path} that are to be shown "
            f"are not in {_folder(found)}, such as {gone[0]!r}. {_again(found)}"
        )

    def picture(i):
        place = places[found.files[i]]
        return source.read(place, smallest=2 * SIDE, only=("image",))["image"]

    return picture


def _again(found):
    model = found.provenance["model"]
    return f"Features of what there is: sslzoo features {model} FOLDER FILE."


def _folder(found):
    """The folder, or several, where what was added came from others."""
    folders = found.provenance["source"].split("+folder:")
    return ", ".join(folder.removeprefix("folder:") for folder in folders)


def _weights(method):
    """As the provenance of features has it."""
    return base.sha256(*method.deployable().get_weights())


def _facts(about, skipped):
    """How they were made, in few words: name -> words."""
    shown = about["input"]
    view = f"{shown['size']} × {shown['size']} pixels, {shown['interpolation']}"
    view += f", the middle {100 * shown['crop']:g} %" if shown["crop"] < 1 else ""
    view += ", decoded small" if shown["quick"] else ""
    facts = {
        "Feature": about["endpoint"] + (", of length 1" if about["l2"] else ""),
        "Each picture shown at": view,
        "Weights, sha256": f"{about['weights'][:12]} ...",
        "Made by": f"sslzoo {about['sslzoo']}",
    }
    return facts | ({"Left out, unreadable": skipped} if skipped else {})


def _card(found, picture, asked, row):
    name, words, tiles = found.files[asked], "", []
    if found.labels is not None:
        words = neighbours.named(found.classes, found.labels[asked])
    for n, (j, cosine) in enumerate(row, 1):
        alt, same = f"Neighbour {n} of {name}: {found.files[j]}", None
        if found.labels is not None:
            same = bool(found.labels[j] == found.labels[asked])
            alt += f", {'right' if same else 'another'} class"
        tiles.append({**tile(picture(j), alt, f"{cosine:.2f}"), "right": same})
    return {"asked": tile(picture(asked), name, words), "rows": {name: tiles}}


def _score(labels, asked, rows):
    """How many neighbours are of the class asked for, and would be if drawn by lot."""
    if labels is None:
        return {"right": None, "chance": None}
    same = [labels == labels[i] for i in asked]
    right = sum(int(of[j]) for of, row in zip(same, rows) for j, _ in row)
    others = len(labels) - 1
    chance = sum(len(row) * (of.sum() - 1) / others for of, row in zip(same, rows))
    return {"right": right, "chance": chance}
