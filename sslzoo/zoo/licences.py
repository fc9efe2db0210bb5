"""What may be done with a model: the filter of lists, and the notice of loads.

Said of the code and of the weights, which are what a user of features copies. What
the licence of the data means for those who use the weights, nobody has settled; the
card names it, so that each may decide.
"""

import fnmatch
import functools
import logging
import os
import pathlib
import re

PERMISSIVE = {  # SPDX; whoever keeps the notice may do nearly all.
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unlicense",
    "Zlib",
}
KINDS = ("permissive", "noncommercial")  # Of licences, as `matches` knows them.
_NONCOMMERCIAL = re.compile(
    r"\bNC\b|non-?\s?commercial|research (use )?only|academic", re.IGNORECASE
)


def permissive(licence):
    """Whether all that an SPDX expression names is permissive."""
    named = set(re.split(r"\s+(?:AND|OR)\s+|[()\s]+", licence)) - {""}
    return bool(named) and named <= PERMISSIVE


def noncommercial(licence):
    return bool(_NONCOMMERCIAL.search(licence))


def matches(card, wanted):
    """Whether a card belongs into a list by licence.

    Args:
        wanted: "permissive" (code and weights), "noncommercial" (either of them), or
            the licence of the weights, in which * may stand: "cc-by*".
    """
    code, weights = card.licences.get("code", ""), card.licences.get("weights", "")
    if wanted == "permissive":
        return permissive(code) and permissive(weights)
    if wanted == "noncommercial":
        return noncommercial(code) or noncommercial(weights)
    return fnmatch.fnmatchcase(weights.lower(), wanted.lower())


def notice(card, accepted=False):
    """Warns, once in a process for each licence, that a model is non-commercial.

    Args:
        accepted: True where the user has said so; or SSLZOO_ACCEPT_LICENSES, a list
            of licences with commas, or "all".
    """
    words = os.environ.get("SSLZOO_ACCEPT_LICENSES", "").split(",")
    accepts = {word.strip().lower() for word in words}
    licence = card.licences.get("weights", "")
    if not noncommercial(licence) or accepted or accepts & {"all", licence.lower()}:
        return
    _warn(licence, card.licences.get("notice", "its card names no page"))


@functools.cache
def _warn(licence, url):
    logging.getLogger("sslzoo").warning(
        "These weights are for non-commercial use only: %s (%s). To say that you know: "
        "accept_license=True, or SSLZOO_ACCEPT_LICENSES=%s.",
        licence,
        url,
        licence,
    )


def text(weights):
    """The text of LICENSE."""
    if weights == "Apache-2.0":
        return _our_licence()
    return (
        f"Licence of the weights in this folder: {weights}\n\n"
        'An SPDX name has its text at https://spdx.org/licenses/. "not stated" means '
        "that\nwho published them has given no licence: ask before you use them.\n"
    )


def _our_licence():
    """Apache-2.0, as this package carries it: installed, or in a checkout."""
    import importlib.metadata  # Slow to import, and lists do without.

    try:
        files = importlib.metadata.files("sslzoo") or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    for file in files:
        if file.name == "LICENSE" and ".dist-info" in file.parts[0]:
            return file.read_text(encoding="utf-8")
    return (pathlib.Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
