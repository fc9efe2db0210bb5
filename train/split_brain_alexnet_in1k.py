"""Split-brain, AlexNet, ImageNet-1k: every row of Table 2.

    sslzoo train split_brain_alexnet_in1k --workdir runs/split
    sslzoo train split_brain_alexnet_in1k row=L_ab ab=reg --workdir runs/single

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or a folder of
folders: data=folder:imagenet/train. The paper says of its training: AlexNet without LRN
and with batch normalisation, images stretched to 256, windows of 180, 12 x 12 cells.
The rest was never published; it is that of the authors' colorization by AlexNet, Adam
and its schedule, biases at twice the rate (`biases`), batches of 80, mirrors. A linear
classifier on conv3 of the row "split" had 35.4 %. Not run to the end by us.
"""

import keras

from sslzoo import backbones
from sslzoo.backbones import alexnet
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import split_brain
from sslzoo.optim import adam
from sslzoo.recipe import Recipe, probes

# Where a gradient is but rounding, Adam makes a whole step of it, unless epsilon is
# larger: then two replicas do the same as one.
SMALL = dict(
    data="synthetic:8",
    width=1 / 32,
    image_size=49,
    stored=64,
    batch_size=4,
    steps=2,
    epsilon=1e-2,
)


def recipe(
    data="tfds:imagenet2012/train",
    row="split",
    ab="cl",
    light="cl",
    mix=1 / 3,
    width=1.0,
    image_size=180,
    stored=256,
    batch_size=80,
    steps=450_000,
    rate=3e-5,
    decay=1e-3,
    biases=2.0,
    epsilon=1e-8,
    stride=16,
    unit=1.0,
    drop="element",
    keep_scale=True,
    literal=False,
    augment="host",
    precision="float32",
    jit=False,
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    """The rate falls after 240, 300 and 400 of 450 parts, to 1/3, 1/10 and 1/30."""
    source = sources.from_spec(data)
    example = split_brain.example(image_size, stored)
    apart = row in ("split", "ensemble")
    pixels = split_brain.sees(row)
    options = dict(width=width, pixels=pixels)
    evaluated = alexnet.Evaluated(layout="split" if apart else "grouped", **options)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [steps * part // 450 for part in (240, 300, 400)],
        [rate, rate / 3, rate / 10, rate / 30],
    )
    theirs = (data, row, ab, light, width, image_size, stored, batch_size, steps)
    repeats = theirs == (
        *("tfds:imagenet2012/train", "split", "cl", "cl", 1.0, 180, 256, 80, 450_000),
    )
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: split_brain.SplitBrain(
            backbones.build("alexnet", form="split" if apart else "single", **options),
            example,
            row=row,
            ab=ab,
            light=light,
            mix=mix,
            stride=stride,
            unit=unit,
            drop=drop,
            keep_scale=keep_scale,
            literal=literal,
            evaluated=evaluated,
        ),
        optimizer=lambda: adam.Adam(
            schedule, decay=decay, epsilon=epsilon, rates={"*bias": biases}
        ),
        steps=steps,
        precision=precision,
        jit=jit,
        probes=probes(labelled, unseen, 227),
        probe_every=probe_every,
        seed=seed,
        setting="AlexNet, ImageNet" if repeats else "",
    )
