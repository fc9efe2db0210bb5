"""Colorization, an AlexNet of a quarter of the width, CIFAR-10, minutes on a CPU.

    sslzoo train colorization_alexnet_cifar10 target=bins --workdir runs/color

For studies: four targets (histograms, regression, regression_lab, bins), with and
without hypercolumn.
The data is TFDS' cifar10, or files that you have: data=npz:cifar10_jpeg.npz#train
test=npz:cifar10_jpeg.npz#test. The network is that of `split_brain_alexnet_cifar10`,
undivided and, as its study has it, of a quarter of the channels: 32 pixels make 5 x 5
cells. Labels are used by the probes alone.
"""

from sslzoo import backbones
from sslzoo.data import labels, pipeline, sources
from sslzoo.methods import colorization, colour_targets
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

STRIDES = {"data": 1, "conv1": 2, "conv2": 4}
STRIDES |= {"conv3": 8, "conv4": 8, "conv5": 8, "fc6": 8, "fc7": 8}
SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    count=0,
    width=1 / 16,
    batch_size=4,
    epochs=1,
    points=4,
    hidden=8,
)


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    count=10_000,
    width=0.25,
    target="histograms",
    hypercolumn=True,
    image_size=32,
    largest=1.33,
    batch_size=128,
    epochs=10,
    rate=0.05,
    drops="0.667,0.833",
    decay=5e-4,
    points=16,
    margin=4,
    spacing=8,
    hidden=128,
    spread=0.01,
    scale=0.0,
    rebalance=False,
    cache=True,
    probe_every=0,
    seed=0,
):
    """`count`: the first images alone; 0 is all. `largest`: scale of the image to begin
    with, in sizes of what is shown. `hypercolumn` false asks fc7 alone.
    """
    source = labels.first(sources.from_spec(data, cache), count)
    steps = epochs * (source.count // batch_size)
    form = dict(form="single", width=width, geometry="small", pixels="gray")
    example = colorization.example(
        image_size, (image_size, round(largest * image_size))
    )
    stream = pipeline.Stream(source, example, batch_size)
    held_out = sources.from_spec(test, cache)

    def some():
        return pipeline.first(stream, 256, seed)["image"]

    return Recipe(
        streams=stream,
        method=lambda: colorization.Colorization(
            backbones.build("alexnet", momentum=0.95, **form),
            example,
            STRIDES if hypercolumn else {"fc7": 8},
            colour_targets.named(target, some, scale, rebalance),
            points,
            margin,
            spacing,
            hidden,
            spread,
            dropout=0,
        ),
        optimizer=lambda: sgd.SGD(schedules.drops(rate, drops, steps), decay=decay),
        steps=steps,
        probes={"cifar10": Probe(source, held_out, image_size, crop=1.0)},
        probe_every=probe_every,
        seed=seed,
    )
