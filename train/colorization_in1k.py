"""Colorization, VGG-16 or AlexNet, ImageNet and Places.

    sslzoo train colorization_in1k --workdir runs/vgg
    sslzoo train colorization_in1k backbone=alexnet --workdir runs/alexnet

backbone=resnet101slim target=bins hypercolumn=false points=0 margin=0 hidden=0 scale=1
is the head of Zhang et al. on the multi-task paper's trunk: behind its last BN and ReLU
a linear layer says of each cell of a map of stride 8 which of 313 colours its pixel
has; rebalance=true gray_below=5 weigh them as theirs. The optimizer stays Larsson's:
Zhang's is Adam of 3e-5, the multi-task paper's is not recorded.

The data is TFDS' imagenet2012 and the 2.4 million pictures of Places205, which are
downloaded by hand; gray ones stay. Batches of 8, SGD of momentum 0.9, decay 5e-4 on
kernels alone. Images are scaled to 352 to 600 pixels and cut to 352; 128 places of each
are asked, 96 pixels off the border. AlexNet has batch normalisation without scale and
shift, and no LRN: how the authors had both is not recorded.

As theirs, biases learn at twice the rate: `biases`. It drops after two of three epochs,
and where it drops again is not recorded: `drops` are parts of the run.
`scale` 0 makes the step of another target as large as that of histograms, at first.

The paper reports, as mIU on VOC 2012 with gray input: of VGG-16 56.0 % after 10 epochs,
52.9 after 3, of which two had the first rate, both with layers that see more (+FoV);
48.0 of regression, of which it does not say; of AlexNet 38.4, without them.
Not run to the end by us.
"""

from sslzoo import backbones
from sslzoo.data import pipeline, sources
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.methods import colorization, colour_targets
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Recipe, probes

FORMS = {
    "vgg16": {},
    "alexnet": {"form": "larsson", "norm": "bn"},
    # Not Larsson's: the multi-task paper's trunk, with scales and shifts that learn.
    "resnet101slim": {"output_stride": 8, "pixels": "l"},
}
LAST = {"vgg16": {"fc7": 32}, "alexnet": {"fc7": 32}, "resnet101slim": {"postnorm": 8}}
SMALL = dict(
    data="synthetic:8",
    backbone="alexnet",  # The 16 taps of VGG-16 are long to trace.
    width=1 / 32,
    image_size=32,
    batch_size=4,
    epochs=1,
    points=4,
    margin=4,
    hidden=8,
)


def recipe(
    data="tfds:imagenet2012/train+folder:places205/train",
    backbone="vgg16",
    width=1.0,
    dropout=0.5,
    target="histograms",
    hypercolumn=True,
    image_size=352,
    largest=600 / 352,
    batch_size=8,
    epochs=10,
    rate=1e-3,
    drops="0.667,0.833",
    decay=5e-4,
    biases=2.0,
    points=128,
    margin=96,
    spacing=8,
    hidden=1024,
    scale=0.0,
    rebalance=False,
    gray_below=0.0,
    precision="float32",
    labelled="",
    unseen="",
    probe_every=1,
    seed=0,
):
    """`largest`: scale of the image to begin with, in sizes of what is shown.

    `target`: histograms, regression of a and b, regression_lab of L too, or bins.
    `hypercolumn`: false asks the last map alone, fc7; the ResNet has no hypercolumn.

    `points` 0 asks all places, `spacing` apart. `rebalance`: bins, by how often each is
    found in 64 of the images. `gray_below`: of bins, pictures whose a and b are nowhere
    beyond it count nothing; 5 in the code of Zhang et al.
    """
    if backbone not in FORMS:
        raise UnknownName(
            f"backbone={backbone}.{nearest(backbone, FORMS)} There are: "
            f"{', '.join(FORMS)}; and `colorization_r152_in1k` has a ResNet."
        )
    form = dict(width=width, **FORMS[backbone])
    ours = backbone != "resnet101slim"
    if ours:
        form["dropout"] = dropout
    elif hypercolumn:
        raise BadInput(
            f"backbone={backbone} hypercolumn=true: its last map alone is asked. Say "
            "hypercolumn=false."
        )
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
            backbones.build(backbone, **form),
            example,
            colorization.HYPERCOLUMNS[backbone] if hypercolumn else LAST[backbone],
            colour_targets.named(target, images, scale, rebalance, gray_below),
            points,
            margin,
            spacing,
            hidden=hidden,
            affine=not ours,
            absorb=ours,
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
