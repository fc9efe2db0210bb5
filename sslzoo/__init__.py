"""Self-supervised models for images, in Keras 3: train them, load them, use them."""

import importlib

__version__ = "0.1.0"

_HOMES = {  # Imported when first asked for, so that `import sslzoo` costs nothing.
    "export": "sslzoo.zoo.export:export",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'sslzoo' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__():
    return sorted({*globals(), *_HOMES})
