"""BYOL's views less some of their changes: Table 17, of which Figure 3b shows some."""

import dataclasses

from sslzoo.augment import views
from sslzoo.errors import BadInput, UnknownName, nearest

CHANGES = ("flip", "jitter", "gray", "blur", "solarize")


def _without(*names):
    return dict.fromkeys(names, 0.0)


def _only(*names):
    return _without(*(name for name in CHANGES if name not in names))


# What is changed of the first view, and of the second.
ROWS = {
    "baseline": ({}, {}),
    "no_flip": (_without("flip"),) * 2,
    "no_blur": (_without("blur"),) * 2,
    "no_color": (_without("jitter", "gray"),) * 2,
    "no_jitter": (_without("jitter"),) * 2,
    "no_grayscale": (_without("gray"),) * 2,
    "no_blur_in_2": ({}, _without("blur")),
    "no_solarize_in_2": ({}, _without("solarize")),
    "no_blur_no_solarize_in_2": ({}, _without("blur", "solarize")),
    "symmetric": ({"blur": 0.5, "solarize": 0.2},) * 2,
    "crop_only": (_only(),) * 2,
    "crop_flip": (_only("flip"),) * 2,
    "crop_color": (_only("jitter", "gray"),) * 2,
    "crop_blur": (_only("blur"),) * 2,
}


def _is_of_blur(row):
    """Whether, of no blur, it is an earlier row, or no row at all."""
    bare = [tuple({**less, "blur": 0.0} for less in each) for each in ROWS.values()]
    earlier = bare[: [*ROWS].index(row)]
    return bare[len(earlier)] in earlier or any(less.get("blur") for less in ROWS[row])


def pair(row="baseline", blur=1.0, brighten="add"):
    """The `views.Changes` of both views in that row of the table.

    Args:
        blur: a part of how often the row blurs: small images lose too much by it.
        brighten: of both, as `views.Changes` takes it.

    That a row of "crop and ..." has no flip and no solarizing is how we read its name;
    what the authors kept there is not recorded.
    """
    if row not in ROWS:
        raise UnknownName(
            f"views={row!r}.{nearest(row, ROWS)} There are: {', '.join(ROWS)}."
        )
    if not blur and _is_of_blur(row):
        raise BadInput(
            f"views={row!r} is of blur, and blur=0 leaves that out of every row. Give "
            "blur=1, and the same to the row that you compare it with."
        )
    families = (views.BYOL_T, views.BYOL_T_PRIME)
    of_row = (
        dataclasses.replace(family, **less) for family, less in zip(families, ROWS[row])
    )
    return tuple(
        dataclasses.replace(view, blur=view.blur * blur, brighten=brighten)
        for view in of_row
    )
