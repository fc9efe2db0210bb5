"""Self-supervised models for images, in Keras 3: train them, load them, use them."""

import importlib
import sys

__version__ = "0.1.0"

_HOMES = {  # Imported when first asked for, so that `import sslzoo` costs nothing.
    "FeatureLayer": "sslzoo.zoo.layer:FeatureLayer",
    "bundle": "sslzoo.zoo.cache:bundle",
    "cache_info": "sslzoo.zoo.cache:info",
    "clear_cache": "sslzoo.zoo.cache:clear",
    "export": "sslzoo.zoo.export:export",
    "features": "sslzoo.evaluation.embeddings:features",
    "info": "sslzoo.zoo.listing:info",
    "is_model": "sslzoo.zoo.listing:is_model",
    "is_pretrained": "sslzoo.zoo.listing:is_pretrained",
    "list_backbones": "sslzoo.zoo.listing:list_backbones",
    "list_methods": "sslzoo.zoo.listing:list_methods",
    "list_models": "sslzoo.zoo.listing:list_models",
    "list_pretrained": "sslzoo.zoo.listing:list_pretrained",
    "load_preprocessor": "sslzoo.zoo.load:load_preprocessor",
    "load_recipe": "sslzoo.recipe:of_model",
}


# What `load(heads=True)` takes: which model and where, and how its training goes on.
WHERE = ("registry", "revision", "verify", "cache_dir", "offline", "allow_http")
RESUMES = ("steps", "rate", "example")


def load(name, *, heads=False, accept_license=False, **options):
    """The model `name`, a `keras.Model` of RGB images in [0, 1].

        model = sslzoo.load("byol_r18w16")      # images [n, h, w, 3] -> features [n, d]

    Args:
        heads: True gives the method itself, with its heads and its optimizer, compiled
            to go on pretraining: `sslzoo.load(name, heads=True).fit(images)`.
        accept_license: see `sslzoo.zoo.load.load`, where all options are told.
        options: with heads, only those that say which model and where: registry,
            revision, verify, cache_dir, offline, allow_http; and how it goes on:
            steps, rate, example, as `sslzoo.zoo.resume.load` has them.
    """
    _fit(heads, options)
    if heads:
        from sslzoo.zoo import licences, registry, resume

        going_on = {k: options.pop(k) for k in RESUMES if k in options}
        card, method = registry.whole(
            name, lambda entry: (entry.card, resume.load(entry, **going_on)), **options
        )
        licences.notice(card, accept_license)
        return method
    from sslzoo.zoo import load

    return load.load(name, accept_license=accept_license, **options)


def _fit(heads, options):
    """Refuses options of the method where features are asked for, and vice versa."""
    from sslzoo.errors import BadInput

    if heads and (other := sorted(set(options) - {*WHERE, *RESUMES})):
        raise BadInput(
            f"heads=True gives the method as it was exported, and takes no "
            f"{', '.join(other)}: leave that out, or leave heads=True out for a model "
            f"of features. With heads there are: {', '.join(WHERE + RESUMES)}."
        )
    if not heads and (other := sorted(set(options) & {*RESUMES})):
        raise BadInput(
            f"{', '.join(other)} say how training goes on: say heads=True too, or "
            "leave them out."
        )


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'sslzoo' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__():
    return sorted({*globals(), *_HOMES})


if "keras" in sys.modules:  # It then reads models of a user that hold layers of ours.
    importlib.import_module("sslzoo.zoo.layer")
