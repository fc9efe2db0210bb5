"""Small pictures, as text that a page holds inside."""

import base64
import io

import numpy as np
from PIL import Image

from sslzoo.show.sheet import as_bytes

SIDE = 96


def tile(pixels, alt, caption=""):
    """A picture `[h, w, 3]` made small: {"src", "alt", "caption"}."""
    picture = Image.fromarray(as_bytes(pixels))
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, format="png")
    return {"src": inline(file), "alt": alt, "caption": caption}


def inline(file):
    """The address that is the PNG in a `io.BytesIO`, whole."""
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def spread(count, most):
    """At most `most` of `count` indices, evenly far apart."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))
