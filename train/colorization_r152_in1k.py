"""Colorization, ResNet-152, ImageNet and Places.

    sslzoo train colorization_r152_in1k --workdir runs/color

The data is TFDS' imagenet2012 and the 2.4 million pictures of Places205, which are
downloaded by hand; gray ones stay. Batches of 8, SGD of momentum 0.9, decay 5e-4 on
kernels alone. 35 epochs of images of 224 pixels, without hypercolumn: what the authors
put on the last map is not recorded, and neither is the scale of such images.

As theirs, biases learn at twice the rate: `biases`. It drops after two of three epochs,
and where it drops again is not recorded: `drops` are parts of the run.
`scale` 0 makes the step of another target as large as that of histograms, at first.
The paper reports 60.0 % mIU on VOC 2012, with layers that see more (+FoV). Not run to
the end by us.
"""

from sslzoo import backbones
from sslzoo.data import pipeline, sources
from sslzoo.methods import colorization, colour_targets
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="resnet18",
    width=1 / 16,
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=8,
)


def recipe(
    data="tfds:imagenet2012/train+folder:places205/train",
    backbone="resnet152",
    width=1.0,
    target="histograms",
    image_size=224,
    largest=600 / 352,
    batch_size=8,
    epochs=35,
    rate=1e-3,
    drops="0.667,0.833",
    decay=5e-4,
    biases=2.0,
    points=0,
    margin=0,
    spacing=32,
    hidden=1024,
    scale=0.0,
    rebalance=False,
    precision="float32",
    labelled="",
    unseen="",
    probe_every=1,
    seed=0,
):
    """`largest`: scale of the image to begin with, in sizes of what is shown.

    `target`: histograms, regression of a and b, regression_lab of L too, or bins.

    `points` 0 asks all places, `spacing` apart. `rebalance`: by how often each bin is
    found in 64 of the images.
    """
    source = sources.from_spec(data)
    steps = epochs * source.count // batch_size
    example = colorization.example(
        image_size, (image_size, round(largest * image_size))
    )
    stream = pipeline.Stream(source, example, batch_size)

    def images():
        return pipeline.first(stream, 64, seed)["image"]

    return Recipe(
        streams=stream,
        method=lambda: colorization.Colorization(
            backbones.build(backbone, width=width, style="caffe"),
            example,
            {"block4": 32},
            colour_targets.named(target, images, scale, rebalance),
            points,
            margin,
            spacing,
            hidden=hidden,
            absorb=False,
        ),
        optimizer=lambda: sgd.SGD(
            schedules.drops(rate, drops, steps), decay=decay, rates={"*bias": biases}
        ),
        steps=steps,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
    )
