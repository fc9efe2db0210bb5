"""What a model may be called: by its name, by a folder, by an address.

byol_r50.in1k_ep300            a name: <method>_<arch>.<tag>
byol_r50                       the default tag of that name
./mine, /data/mine, local:mine a folder, or an archive that `sslzoo bundle` made
https://...#sha256=...         such an archive, elsewhere
"""

import dataclasses
import os
import re
import warnings

from sslzoo.errors import BadInput

RENAMED = {}  # Old name -> new name, with its tag or without. The old one still works.

WORDS = re.compile("[a-z0-9]+(?:_[a-z0-9]+)*")
WHOLE = re.compile(rf"[a-z0-9]+_{WORDS.pattern}\.{WORDS.pattern}")

_NOT_READ = {  # Scheme -> how to have such a folder here.
    "hf": "hf download {rest} --local-dir DIR",
    "gs": "gcloud storage cp -r {text} DIR",
    "kaggle": 'python -c "import kagglehub; print(kagglehub.model_download({rest!r}))"',
}


@dataclasses.dataclass(frozen=True)
class Handle:
    """What a text means."""

    kind: str  # "name", "folder" or "url"
    value: str  # the name, the path, or the address without its fragment
    tag: str | None = None  # of a name that has one
    sha256: str | None = None  # of what is at a url


def check(name):
    """Raises if no model may have this name."""
    if not WHOLE.fullmatch(name):
        raise BadInput(
            f"A model cannot be called {name!r}. Give <method>_<arch>.<tag>, of "
            "lower-case letters, digits and single '_', like byol_r50.in1k_ep300."
        )


def parse(text, renamed=RENAMED):
    """The handle that `text`, or a pathlib.Path, is."""
    if isinstance(text, os.PathLike):
        return Handle("folder", os.fspath(text))
    if not isinstance(text, str) or not text:
        raise BadInput(f"A model's name is a text like 'byol_r50', not {text!r}.")
    scheme, colon, rest = text.partition(":")
    if scheme == "local" and rest:
        return Handle("folder", os.path.expanduser(rest))
    if text in (".", "..") or text.startswith(("./", "../", "/", "~")):
        return Handle("folder", os.path.expanduser(text))
    if colon and rest.startswith("//"):
        return _address(scheme, text)
    if any(sign in text for sign in "/\\:"):
        name = re.split(r"[/\\:]", text.rstrip("/\\:"))[-1]
        raise BadInput(
            f"{text!r} is neither a name nor plainly a folder. For the folder pass "
            f"'{'local:' if colon else './'}{text}', for the model of that name "
            f"{name!r}."
        )
    return _name(text, renamed)


def _name(text, renamed):
    bare, _, tag = text.partition(".")
    if text in renamed:
        new = renamed[text]
    elif bare in renamed:
        new = f"{renamed[bare]}.{tag}" if tag else renamed[bare]
    else:
        return Handle("name", text, tag or None)
    warnings.warn(
        f"{text!r} is now called {new!r}; the old name will go.",
        FutureWarning,
        stacklevel=2,
    )
    return Handle("name", new, new.partition(".")[2] or None)


def _address(scheme, text):
    if scheme in _NOT_READ:
        command = _NOT_READ[scheme].format(text=text, rest=text.partition("//")[2])
        raise BadInput(
            f"{scheme}:// is not read by sslzoo itself. Have the folder here first "
            f"(`{command}`), then pass './DIR'. Received: {text!r}."
        )
    if scheme not in ("https", "http"):
        raise BadInput(
            f"{text!r}: models come from https://, not from {scheme}://. For a folder "
            "pass './DIR'."
        )
    url, _, fragment = text.partition("#")
    found = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if not found:
        raise BadInput(
            f"{text!r} does not say what is expected there. Give "
            f"'{url}#sha256=...', with the 64 digits that sha256sum prints of that "
            "archive."
        )
    return Handle("url", url, sha256=found.group(1).lower())
