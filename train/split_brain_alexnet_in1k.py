"""Split-brain, AlexNet, ImageNet-1k: every row of Table 2 that is its own.

    sslzoo train split_brain_alexnet_in1k --workdir runs/split
    sslzoo train split_brain_alexnet_in1k row=L_ab ab=reg --workdir runs/single
    sslzoo train split_brain_alexnet_in1k row=L_ab half=true --workdir runs/first
    sslzoo train split_brain_alexnet_in1k backbone=resnet50 --workdir runs/resnet

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or a folder of
folders: data=folder:imagenet/train. The paper says of its training: AlexNet without LRN
and with batch normalisation, images stretched to 256, windows of 180, 12 x 12 cells.
The rest was never published; it is that of the authors' colorization by AlexNet, Adam
and its schedule, biases at twice the rate (`biases`), batches of 80, mirrors, conv1 to
conv5 begun by k-means on 160 images of `data` (start=kmeans; start=drawn leaves them as
Krizhevsky's). A linear classifier on conv3 of the row "split" had 35.4 %. Not run to
the end by us.

half=true, of the rows L_ab and ab_L, trains that half of "split" alone, as the authors
did; docs/colour.md makes one network of two. backbone=resnet50, and any other of one
row of blocks, stands for two of half its width, side by side, and has "split" alone:
its cells are of stride 32, as many as its last map has.
"""

import inspect

import keras

from sslzoo import backbones
from sslzoo.backbones import alexnet, alexnet_start
from sslzoo.backbones.layers import known
from sslzoo.data import pipeline, sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput
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
    start="drawn",
    epsilon=1e-2,
)
# What a run may have otherwise and still be the paper's.
FREE = ("augment", "precision", "jit", "labelled", "unseen", "probe_every", "seed")
SHOWN = 160  # Images to begin by.


def recipe(
    data="tfds:imagenet2012/train",
    backbone="alexnet",
    row="split",
    half=False,
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
    start="kmeans",
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
    """The rate falls after 240, 300 and 400 of 450 parts, to 1/3, 1/10 and 1/30.

    `stride`: pixels from cell to cell; those of a ResNet lie twice as far apart. 0: the
    means of a smaller picture are asked. `start`: of an AlexNet, "kmeans" or "drawn".
    """
    knobs = dict(locals())
    known(start, ("kmeans", "drawn"), "start")
    if half and row not in ("L_ab", "ab_L"):
        raise BadInput(f"half=true of row={row}: it is of row=L_ab or row=ab_L alone.")
    source = sources.from_spec(data)
    example = split_brain.example(image_size, stored)
    apart = row in ("split", "ensemble")
    pixels = split_brain.sees(row)
    if backbone == "alexnet":
        options = dict(width=width, pixels=pixels)
        form = "split" if apart else "half" if half else "single"
        layout = {"single": "grouped"}.get(form, form)
        trunk, top = dict(name="alexnet", form=form, **options), "fc7"
        evaluated = alexnet.Evaluated(layout=layout, **options)
    elif row == "split":
        trunk, top = dict(name="split", half=backbone, width=width / 2), "block4"
        evaluated, stride = None, 2 * stride
    else:
        raise BadInput(f"row={row}: of backbone={backbone} there is row=split alone.")
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [steps * part // 450 for part in (240, 300, 400)],
        [rate, rate / 3, rate / 10, rate / 30],
    )
    usual = inspect.signature(recipe).parameters
    repeats = all(knobs[k] == usual[k].default for k in usual if k not in FREE)
    stream = Stream(source, example, batch_size, augment)

    def network():
        net = backbones.build(**trunk)
        if start == "kmeans" and trunk["name"] == "alexnet":
            images = pipeline.first(stream, SHOWN, seed)["image"]
            begin = {key: value for key, value in trunk.items() if key != "name"}
            alexnet_start.kmeans(net, images, seed=seed, **begin)
        return net

    return Recipe(
        streams=stream,
        method=lambda: split_brain.SplitBrain(
            network(),
            example,
            row=row,
            ab=ab,
            light=light,
            mix=mix,
            top=top,
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
