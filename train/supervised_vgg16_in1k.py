"""Classification, VGG-16, ImageNet in gray: the other side of the colour proxy's study.

    sslzoo train supervised_vgg16_in1k labels=H16 tree=wordnet.json --workdir runs/h16
    sslzoo train supervised_vgg16_in1k per_class=100 epochs=250 --workdir runs/c100k

Larsson et al. (2017), Table 4, from scratch with batch normalisation, mIU on VOC 2012
in gray after 20 epochs: C1000 62.0, E10 61.8, E50 59.4, H16 60.0, H2 46.1, R50 57.3,
R16 42.6; 100 of each class 57.1, and 10 of each 44.4, after 250 epochs. How they were
optimized is not recorded: it is the colorizer's way here. Not run to the end by us.
"""

from sslzoo import backbones
from sslzoo.data import labels as label_spaces
from sslzoo.data import pipeline, sources
from sslzoo.methods import supervised
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    width=1 / 32,
    image_size=32,
    batch_size=4,
    epochs=1,
)


def recipe(
    data="tfds:imagenet2012/train",
    per_class=0,
    labels="",
    tree="",
    width=1.0,
    pixels="gray",
    dropout=0.5,
    image_size=224,
    largest=2.0,
    batch_size=64,
    epochs=20,
    rate=1e-2,
    drops="0.5,0.75,0.875",
    decay=5e-4,
    precision="float32",
    labelled="",
    unseen="",
    probe_every=1,
    seed=0,
):
    """`largest`: scale of the image to begin with, in sizes of what is shown.

    `labels`: E10, H16, R50 ...; `tree`: a JSON file of the classes, for H.

    `pixels`: gray, or imagenet to see colours. `per_class`: images of each; 0 is all.
    """
    source = label_spaces.per_class(sources.from_spec(data), per_class, seed)
    source = label_spaces.spaced(source, labels, tree or None, seed)
    steps = epochs * (source.count // batch_size)
    example = supervised.example(image_size, (image_size, round(largest * image_size)))
    form = dict(width=width, dropout=dropout, pixels=pixels)
    return Recipe(
        streams=pipeline.Stream(source, example, batch_size),
        method=lambda: supervised.Supervised(
            backbones.build("vgg16", **form),
            example,
            label_spaces.count(source),
            absorb=True,
        ),
        optimizer=lambda: sgd.SGD(schedules.drops(rate, drops, steps), decay=decay),
        steps=steps,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
    )
