"""Split-brain, a small AlexNet, CIFAR-10: every row of Table 2, on a CPU.

    sslzoo train split_brain_alexnet_cifar10 --workdir runs/split
    sslzoo train split_brain_alexnet_cifar10 row=equation5 count=10000 --workdir runs/5
    sslzoo train split_brain_alexnet_cifar10 backbone=resnet18 --workdir runs/resnet

The data is TFDS' cifar10, or files that you have: data=npz:cifar10_jpeg.npz#train
test=npz:cifar10_jpeg.npz#test. The AlexNet has an eighth of the channels and half of
the strides, so that 32 pixels make 5 x 5 cells. backbone=resnet18, and any other of one
row of blocks, stands for two of half its width, side by side, and has "split" alone.
Labels are used by the probes alone.
"""

from sslzoo import backbones
from sslzoo.backbones import alexnet
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput
from sslzoo.methods import split_brain
from sslzoo.optim import adam, schedules
from sslzoo.recipe import Probe, Recipe

# Where a gradient is but rounding, Adam makes a whole step of it, unless epsilon is
# larger: then two replicas do the same as one.
SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    width=1 / 16,
    batch_size=4,
    epochs=1,
    epsilon=1e-2,
)


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    count=0,
    backbone="alexnet",
    row="split",
    ab="cl",
    light="cl",
    mix=1 / 3,
    width=0.125,
    image_size=32,
    batch_size=128,
    epochs=10,
    rate=1e-3,
    decay=1e-4,
    epsilon=1e-8,
    momentum=0.95,
    stride=8,
    unit=20.0,
    drop="element",
    keep_scale=True,
    literal=False,
    precision="float32",
    jit=False,
    cache=True,
    probe_every=0,
    seed=0,
):
    """`count`: the first images alone; 0 is all.

    For a run so short regression is of L, a and b in twenties, near to 1 as the network
    begins, the rate is 30 times the authors' and falls by a cosine, and the running
    averages of batch normalisation forget sooner.
    """
    source = sources.from_spec(data, cache)
    if count:
        source = sources.Subset(source, range(count))
    held_out = sources.from_spec(test, cache)
    example = split_brain.example(image_size, image_size)
    steps = epochs * (source.count // batch_size)
    apart = row in ("split", "ensemble")
    pixels = split_brain.sees(row)
    if backbone == "alexnet":
        options = dict(width=width, pixels=pixels, geometry="small")
        kind = dict(form="split" if apart else "single", momentum=momentum)
        trunk = dict(name="alexnet", **kind, **options)
        layout = "split" if apart else "grouped"
        evaluated, top = alexnet.Evaluated(layout=layout, size=0, **options), "fc7"
    elif row == "split":
        trunk = dict(name="split", half=backbone, width=width / 2, stem="small")
        evaluated, top = None, "block4"
    else:
        raise BadInput(f"row={row}: of backbone={backbone} there is row=split alone.")
    return Recipe(
        streams=Stream(source, example, batch_size),
        method=lambda: split_brain.SplitBrain(
            backbones.build(**trunk),
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
            schedules.WarmupCosine(rate, steps, steps // 20),
            decay=decay,
            epsilon=epsilon,
        ),
        steps=steps,
        precision=precision,
        jit=jit,
        probes={"cifar10": Probe(source, held_out, image_size, crop=1.0)},
        probe_every=probe_every,
        seed=seed,
    )
