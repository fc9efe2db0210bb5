"""Split-brain of depth (its section 4.2): RGB says what HHA is, or HHA what RGB is.

    sslzoo train split_brain_alexnet_rgbd --workdir runs/hha
    sslzoo train split_brain_alexnet_rgbd row=HHA_Lab --workdir runs/colours
    sslzoo train split_brain_alexnet_rgbd data=rgbd:nyu_depth_sample.npz width=1 ...

Scenes of the toy world are made here. In a file of NYU Depth v2, every second pixel is
shown of it, in windows: image_size=180. The paper had 10,000 of its frames, AlexNets of
full width, one for each, and weighs ab 200 times as L; the rest it does not say, and is
that of `split_brain_alexnet_in1k`, faster.
"""

from sslzoo import backbones
from sslzoo.backbones import cut
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import split_brain
from sslzoo.optim import adam, schedules
from sslzoo.recipe import Recipe

# Where a gradient is but rounding, Adam makes a whole step of it, unless epsilon is
# larger: then two replicas do the same as one.
SMALL = dict(
    data="rgbd:toyworld:train?count=8&size=48",
    width=1 / 32,
    hidden=8,
    image_size=33,
    batch_size=4,
    epochs=1,
    epsilon=1e-2,
)


def recipe(
    data="rgbd:toyworld:train?count=4096&size=64",
    count=0,
    row="RGB_HHA",
    width=0.25,
    hidden=512,
    geometry="dense",
    image_size=49,
    batch_size=64,
    epochs=20,
    rate=1e-3,
    decay=1e-3,
    epsilon=1e-8,
    momentum=0.95,
    stride=16,
    unit=0.0,
    precision="float32",
    jit=False,
    seed=0,
):
    """`count`: the first pictures alone; 0 is all.

    `hidden`: channels of the two branches of row=HHA_Lab. `unit`: of the numbers that
    regression is of; 0 is 1 of L, which the weight 200 of ab fits, and 50 of HHA, whose
    numbers go to 255: a last layer that begins at zero then comes there in a short run.
    """
    source = sources.from_spec(data)
    if count:
        source = sources.Subset(source, range(count))
    example = split_brain.example(image_size, 0)
    steps = epochs * (source.count // batch_size)
    options = dict(form="single", geometry=geometry, width=width, momentum=momentum)

    def method():
        net, top = backbones.build("alexnet", pixels="centred", **options), "fc7"
        if row == "HHA_Lab":  # It branches behind pool5.
            net, top = cut.cut_behind(net, "pool5"), "pool5"
        return split_brain.SplitBrain(
            net,
            example,
            row=row,
            top=top,
            stride=stride,
            unit=unit or (1.0 if row == "HHA_Lab" else 50.0),
            hidden=hidden,
            momentum=momentum,
        )

    return Recipe(
        streams=Stream(source, example, batch_size),
        method=method,
        optimizer=lambda: adam.Adam(
            schedules.WarmupCosine(rate, steps, steps // 20),
            decay=decay,
            epsilon=epsilon,
        ),
        steps=steps,
        precision=precision,
        jit=jit,
        seed=seed,
    )
