"""Self-supervised models for images, in Keras 3: train them, load them, use them."""

import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# TensorFlow takes the convolutions of oneDNN by itself on the newest processors alone:
# on others small networks train at a quarter of the speed. Read when it is imported.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

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

if TYPE_CHECKING:  # The same for editors, which read and do not run.
    from sslzoo.evaluation.embeddings import features as features
    from sslzoo.recipe import of_model as load_recipe  # noqa: F401
    from sslzoo.zoo.cache import bundle as bundle
    from sslzoo.zoo.cache import clear as clear_cache  # noqa: F401
    from sslzoo.zoo.cache import info as cache_info  # noqa: F401
    from sslzoo.zoo.export import export as export
    from sslzoo.zoo.layer import FeatureLayer as FeatureLayer
    from sslzoo.zoo.listing import info as info
    from sslzoo.zoo.listing import is_model as is_model
    from sslzoo.zoo.listing import is_pretrained as is_pretrained
    from sslzoo.zoo.listing import list_backbones as list_backbones
    from sslzoo.zoo.listing import list_methods as list_methods
    from sslzoo.zoo.listing import list_models as list_models
    from sslzoo.zoo.listing import list_pretrained as list_pretrained
    from sslzoo.zoo.load import load_preprocessor as load_preprocessor


# What `load(heads=True)` takes: which model and where, and how its training goes on.
WHERE = ("registry", "revision", "verify", "cache_dir", "offline", "allow_http")
RESUMES = ("steps", "rate", "example")


def load(
    name,
    *,
    pretrained=True,
    num_classes=None,
    pooling="avg",
    in_chans=None,
    features_only=False,
    out_indices=None,
    input_size=None,
    trainable=True,
    dtype=None,
    checkpoint=None,
    accept_license=False,
    cache_dir=None,
    offline=None,
    allow_http=False,
    revision=None,
    verify=True,
    registry=None,
    heads=False,
    steps=None,
    rate=None,
    example=None,
):
    """The model `name`, a `keras.Model` of RGB images in [0, 1], `[n, h, w, 3]`.

        model = sslzoo.load("byol_r18w16")                  # -> [n, d]
        sslzoo.load("byol_r18w16", features_only=True)      # -> {"block1": ..., ...}
        sslzoo.load("byol_r18w16", num_classes=10)          # -> [n, 10], to be trained

    Args:
        name: see `list_models()`; or a folder, "./mine"; or an address with a sha256.
        pretrained: False gives the same network with random weights; nothing else does.
        num_classes: adds a dense head, new and random, to be trained: logits. None or
            0 gives the features.
        pooling: "avg", the vector that the paper uses ("pooled"); None, the last map.
        in_chans: channels of the images, if not those it was trained on. 1 is gray,
            shown as RGB: as if the first kernels were summed over their channels. For n
            the kernels are repeated, R, G, B, R ..., and scaled by 3 / n.
        features_only: gives a dict of features by name, from the first to the last.
        out_indices: which of them: an int, the last so many maps; ints, places among
            the maps, from the end if negative; names, also "pooled".
        input_size: a side, or (height, width), that is then the only one.
        trainable: False freezes all of it; batch norms then only infer.
        dtype: Keras' name or policy: "bfloat16", "mixed_bfloat16", "float16" ...
        checkpoint: the path of a published file that you have, for models whose card
            names a converter; the model's `conversion` tells what of it went where.
        accept_license: True says that you know the licence; without, one that forbids
            commercial use is told of.
        cache_dir, offline: where fetched models lie; whether none may be fetched.
        allow_http: True lets a file come by plain http, too; its sha256 is checked.
        revision: an older one, by its number.
        verify: False leaves checksums, and the test of the model's answer, undone.
        registry: the folder to look in, in place of the usual ones.
        heads: True gives the method itself in place of its features, with its heads and
            its optimizer, compiled to go on pretraining:
            `sslzoo.load(name, heads=True).fit(images)`. With it go registry, revision,
            verify, cache_dir, offline, allow_http and accept_license; and these three:
        steps: begins anew: a schedule of so many steps, from the weights that are
            there and with nothing in the optimizer.
        rate: the peak of the new schedule; without, that of the old.
        example: what the network is shown, in place of what it was shown before.

    Returns:
        The model; its `card` says all that is known of it. It refuses images that
        cannot be RGB in [0, 1], in arrays and in datasets of tf.data.
    """
    given = _given(locals())
    if heads:
        return _with_heads(**given)
    if other := sorted(set(given) & {*RESUMES}):
        from sslzoo.errors import BadInput

        raise BadInput(
            f"{', '.join(other)} say how training goes on: say heads=True too, or "
            "leave them out."
        )
    from sslzoo.zoo.load import load

    return load(**given)


def _given(values):
    """Those that are not the defaults of `load`."""
    defaults = load.__kwdefaults__
    return {
        k: v for k, v in values.items() if k not in defaults or v is not defaults[k]
    }


def _with_heads(name, heads, accept_license=False, **options):
    from sslzoo.errors import BadInput

    if other := sorted(set(options) - {*WHERE, *RESUMES}):
        raise BadInput(
            f"heads=True gives the method as it was exported, and takes no "
            f"{', '.join(other)}: leave that out, or leave heads=True out for a model "
            f"of features. With heads there are: {', '.join(WHERE + RESUMES)}."
        )
    from sslzoo.zoo import licences, registry, resume

    going_on = {k: options.pop(k) for k in RESUMES if k in options}
    card, method = registry.whole(
        name,
        lambda entry: (entry.card, resume.load(entry, **going_on)),
        weights=False,  # What authors publish has no heads: it need not be fetched.
        **options,
    )
    licences.notice(card, accept_license)
    return method


def __getattr__(name):
    if name not in _HOMES:
        said = f"module 'sslzoo' has no attribute {name!r}"
        # By these Python finds the nearest name itself.
        raise AttributeError(said, name=name, obj=sys.modules[__name__])
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__():
    return sorted({*globals(), *_HOMES})


class _AfterKeras:
    """Finds keras as others do, and has our layers imported as soon as it has been."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "keras":
            return None
        others = (one for one in sys.meta_path if one is not cls)
        found = (one.find_spec(name, path, target) for one in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = cls._followed(spec.loader.exec_module)
        return spec

    @staticmethod
    def _followed(execute):
        def followed(module):
            execute(module)
            _register()

        return followed


def _register():
    """Keras then reads models of a user that hold layers of ours."""
    importlib.import_module("sslzoo.zoo.layer")


if "keras" in sys.modules:
    _register()
else:  # To import it now would cost seconds of those who never ask for it.
    sys.meta_path.insert(0, _AfterKeras)
