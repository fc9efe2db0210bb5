"""Classification, an AlexNet of a quarter of the width, CIFAR-10, minutes on a CPU.

    sslzoo train supervised_alexnet_cifar10 labels=R5 --workdir runs/classes

What colorizers are measured against, on the same images and the same budget: see
`colorization_alexnet_cifar10`. It learns from its labels, or from poorer ones: labels=
E10, E50, H2, H4, R5 ... (sslzoo/data/labels.py); and sees gray, or colours:
pixels=centred.
"""

from sslzoo import backbones
from sslzoo.data import labels as label_spaces
from sslzoo.data import pipeline, sources
from sslzoo.methods import supervised
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    count=0,
    width=1 / 16,
    batch_size=4,
    epochs=1,
)


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    count=10_000,
    per_class=0,
    labels="",
    tree="",
    width=0.25,
    pixels="gray",
    image_size=32,
    largest=1.33,
    batch_size=128,
    epochs=10,
    rate=0.05,
    drops="0.667,0.833",
    decay=5e-4,
    cache=True,
    probe_every=0,
    seed=0,
):
    """`count`: the first images alone, `per_class`: so many of each; 0 is all.

    `tree`: a JSON file of the classes, for H; without one that of CIFAR-10.
    """
    source = label_spaces.first(sources.from_spec(data, cache), count)
    source = label_spaces.per_class(source, per_class, seed)
    tree = tree or label_spaces.CIFAR10
    shown = label_spaces.spaced(source, labels, tree, seed)
    steps = epochs * (shown.count // batch_size)
    form = dict(form="single", width=width, geometry="small", pixels=pixels)
    example = supervised.example(image_size, (image_size, round(largest * image_size)))
    held_out = sources.from_spec(test, cache)
    return Recipe(
        streams=pipeline.Stream(shown, example, batch_size),
        method=lambda: supervised.Supervised(
            backbones.build("alexnet", momentum=0.95, **form),
            example,
            label_spaces.count(shown),
            feature="fc7",
        ),
        optimizer=lambda: sgd.SGD(schedules.drops(rate, drops, steps), decay=decay),
        steps=steps,
        probes={"cifar10": Probe(source, held_out, image_size, crop=1.0)},
        probe_every=probe_every,
        seed=seed,
    )
