"""What may be done with known images, and what a network that saw them is not for.

The cards of models take it from here, so that nobody types it. Images are known by the
name of a TFDS dataset or of a .npz file; the licence of any others is "not stated", and
who publishes what was learned from them says more.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Terms:
    """Of one set of images.

    Args:
        name: in words.
        licence: of the images.
        weights: the licence under which this project gives away what it learned from
            them.
        limits: sentences: what such weights and their scores are not for.
    """

    name: str = ""
    licence: str = "not stated"
    weights: str = "not stated"
    limits: tuple[str, ...] = ()


CIFAR10 = Terms(
    "CIFAR-10",
    "none published; offered for research, cite Krizhevsky 2009",
    "Apache-2.0",
    (
        "It has seen pictures of 32 x 32 pixels of ten kinds of animals and vehicles: "
        "it is not for large photographs, for telling finer kinds apart, nor for "
        "faces, text, medical or aerial pictures.",
    ),
)
IMAGENETTE = Terms(
    "Imagenette",
    "ImageNet's photographs: non-commercial research and education only, copyright "
    "stays with the photographers (their choice, fastai/imagenette: Apache-2.0)",
    "Apache-2.0",
    (
        "It has seen photographs of ten easily told kinds of things: it is not for "
        "telling finer kinds apart, nor for faces, text, medical or aerial pictures.",
        "The photographs are for non-commercial use. What that means for weights "
        "learned from them is not settled: where it matters, ask a lawyer.",
    ),
)
KNOWN = {
    "npz:cifar10_jpeg.npz": dataclasses.replace(
        CIFAR10,
        name="CIFAR-10 (JPEG copies)",
        limits=(
            *CIFAR10.limits,
            "The pictures are JPEG copies of CIFAR-10: scores on them are not results "
            "on the original files.",
        ),
    ),
    "npz:imagenette224_jpeg.npz": dataclasses.replace(
        IMAGENETTE,
        name="Imagenette (4,000 of its photographs)",
        limits=(
            *IMAGENETTE.limits,
            "The photographs are a part of Imagenette: scores on them are not results "
            "on the whole of it, nor on ImageNet.",
        ),
    ),
    "rgbd:nyu_depth_sample.npz": Terms(
        "NYU Depth v2 (120 of its frames)",
        "none published; offered for research, cite Silberman et al. 2012",
        "Apache-2.0",
        (
            "It has seen 120 photographs of rooms, whose depth is told in steps of "
            "4 cm: it is not for outdoors, and its scores are not results on NYUD.",
        ),
    ),
    "tfds:cifar10": CIFAR10,
    "tfds:imagenette": IMAGENETTE,
    "tfds:imagenet2012": Terms("ImageNet", "non-commercial research and education"),
    "toyworld": Terms(
        "toy world",
        "Apache-2.0",
        "Apache-2.0",
        (
            "It has seen nothing but drawn scenes, to try this library with: it is not "
            "for photographs.",
        ),
    ),
}


def of(spec):
    """The `Terms` of the images that a data spec names, or that a source is called."""
    return KNOWN.get(_parts(spec)[0], Terms())


def words(spec):
    """What a card calls those images: "CIFAR-10, test"; "" if they are not known."""
    name, split = of(spec).name, _parts(spec)[1]
    return f"{name}, {split}" if name and split else name


def _parts(spec):
    """(key of `KNOWN`, split). Several sets in one are none that we know."""
    kind, _, rest = spec.partition(":")
    if kind == "toyworld":
        return ("" if "+" in rest else kind), rest.partition("?")[0]
    if kind == "rgbd" and rest.startswith("toyworld"):
        return _parts(rest)
    if kind == "rgbd":
        rest = rest.partition("?")[0]
    if kind in ("npz", "rgbd"):
        path, _, split = rest.partition("#")
        name = re.split(r"[/\\]", path)[-1]
    else:
        name, _, split = rest.rpartition("/")
        name = re.split(r"[/@:]", name)[0]
    return ("" if "+" in name + split else f"{kind}:{name}"), split
