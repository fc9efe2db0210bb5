"""Speed of the parts, on this machine: `sslzoo bench views | step | features ...`.

A figure is the median over several turns, and depends on the machine and on what else
it does. What compares is a ratio to another program in the same minutes: the programs
of tools/peers/, and tools/compare.py which runs them in turn with these.
"""

import collections
import copy
import datetime
import inspect
import io
import json
import pathlib
import pickle
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

from sslzoo import recipe, watch, workdir
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.zoo import registry


def run(what, **knobs):
    """One of `BENCHES` by its name; its arguments are the knobs."""
    if what not in BENCHES:
        raise UnknownName(
            f"No bench {what!r}.{nearest(what, BENCHES)} "
            f"There are: {', '.join(BENCHES)}."
        )
    parameters = inspect.signature(BENCHES[what]).parameters
    for knob in knobs:
        if knob not in parameters:
            raise UnknownName(
                f"bench {what} has no knob {knob!r}.{nearest(knob, parameters)} "
                f"It has: {', '.join(parameters)}."
            )
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    values = {k: recipe.like(k, defaults[k], v) for k, v in knobs.items()}
    return {"bench": what, **defaults, **values, **BENCHES[what](**values)}


def views(photo="", size=224, turns=100, augment="host"):
    """Two BYOL views of a 500x375 JPEG, decoding included; on "device", crops alone.

    One element at a time, as one core of the pipeline works: pin it with taskset.
    """
    import tensorflow as tf

    from sslzoo.augment import views as augment_views
    from sslzoo.data import pipeline, sources

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    jpeg = np.frombuffer(_photo(photo), np.uint8)
    source = sources.Encoded(jpeg, [0, len(jpeg)])
    stream = pipeline.Stream(source, augment_views.Views(size), 1, augment)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    batches = pipeline.training_batches(stream).with_options(options)
    seconds = _times(iter(batches).__next__, turns, skip=20)
    return {"pairs_per_second": 1 / float(np.mean(seconds))}


def scenes(size=64, images=400):
    """Pictures of the toy world, drawn one by one: pin it with taskset to one core."""
    from sslzoo.data.toyworld import ToyWorld

    world = ToyWorld("train", images, size)
    start = time.perf_counter()
    for i in range(images):
        watch.tell(i, images)
        world.read(i, only=("image",))
    return {"images_per_second": images / (time.perf_counter() - start)}


def startup(turns=5):
    """`import sslzoo`, and `sslzoo --help`, each in a new process."""
    said = "import sslzoo.cli; sslzoo.cli.main(['--help'])"
    return {
        "import_seconds": _process(turns, "import sslzoo"),
        "help_seconds": _process(turns, said),
    }


def input(name="byol_r18w16_toyworld", batches=50):
    """Batches of a recipe's own pipeline, with nobody training on them."""
    from sslzoo.data import pipeline

    plan = recipe.load(name)
    turns = iter(pipeline.training_batches(plan.streams))
    start = None
    for turn in range(batches + 3):
        watch.tell(turn, batches + 3)
        next(turns)
        if turn == 2:  # The first wait for compilation.
            start = time.perf_counter()
    size = plan.streams.batch_size
    return {"images_per_second": size * batches / (time.perf_counter() - start)}


def step(
    backbone="resnet50",
    image_size=224,
    batch_size=16,
    precision="float32",
    jit=False,
    turns=5,
    optimizer="lars",
    operations=False,
):
    """One BYOL step on images that are there: forward, backward, weights, target.

    Args:
        optimizer: "lars", or "sgd" without momentum, as the peer of tools/ has it.
        operations: also the seconds that each kind of operation took in one step, the
            longest first; several run at once.
    """
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.methods import byol
    from sslzoo.optim import lars

    keras.config.set_dtype_policy(precision)
    method = byol.BYOL(
        backbones.build(backbone), 1000, byol.example(image_size), hidden=4096
    )
    kinds = {"lars": lars.LARS, "sgd": keras.optimizers.SGD}
    if optimizer not in kinds:
        raise UnknownName(
            f"bench step has no optimizer {optimizer!r}.{nearest(optimizer, kinds)} "
            f"It has: {', '.join(kinds)}."
        )
    method.compile(kinds[optimizer](0.1))
    shape = (batch_size, image_size, image_size, 3)
    batch = {f"view{i}": tf.random.stateless_uniform(shape, (0, i)) for i in (1, 2)}
    train = tf.function(method.train_step, jit_compile=jit)

    def action():
        train(batch)["loss"].numpy()

    seconds = _times(action, turns, skip=2)
    result = {"images_per_second": batch_size / float(np.median(seconds))}
    return result | ({"seconds_in": _operations(action)} if operations else {})


def forward(
    backbone="resnet50",
    image_size=224,
    batch_size=32,
    precision="auto",
    turns=9,
):
    """Features of images that are there, as `sslzoo.features` takes them.

    Beside them how far they are from those of the network as it was trained: the
    largest difference over the largest feature, and the least cosine.
    """
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.zoo import serving

    model = backbones.build(backbone)
    _lived_in(model)
    shape = (batch_size, image_size, image_size, 3)
    images = tf.random.stateless_uniform(shape, (0, 1))
    quick = serving.quick(model)
    precision = serving.known_precision(precision)
    with serving.computing_in(precision):
        run = tf.function(lambda: quick(images, training=False)["pooled"])
        seconds = _times(lambda: run().numpy(), turns, skip=2)
        found = run().numpy()
    plain = tf.function(lambda: model(images, training=False)["pooled"])().numpy()
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(plain, axis=1)
    return {
        "images_per_second": batch_size / float(np.median(seconds)),
        "computed_in": precision,
        "difference": float(np.abs(found - plain).max() / np.abs(plain).max()),
        "cosine": float(np.min(np.sum(found * plain, axis=1) / norms)),
    }


def _lived_in(model):
    """Statistics of batch norms as if it had been trained: folding must show."""
    for seed, weight in enumerate(model.non_trainable_weights):
        random = np.random.default_rng(seed)
        if weight.name == "moving_mean":
            weight.assign(random.normal(0, 0.1, weight.shape))
        elif weight.name == "moving_variance":
            weight.assign(random.uniform(0.5, 2, weight.shape))


def supervised(
    backbone="resnet50",
    image_size=224,
    batch_size=32,
    precision="float32",
    jit=False,
    turns=5,
):
    """One supervised step on images that are there: forward, backward, plain SGD."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(precision)
    step = tf.function(_supervised_step(backbone), jit_compile=jit)
    shape = (batch_size, image_size, image_size, 3)
    images = tf.random.stateless_uniform(shape, (0, 1))
    labels = tf.zeros(batch_size, tf.int32)
    seconds = _times(lambda: step(images, labels).numpy(), turns, skip=2)
    return {"images_per_second": batch_size / float(np.median(seconds))}


def _supervised_step(backbone, **options):
    """(images, labels) -> loss, with 1000 classes and plain SGD."""
    import keras
    import tensorflow as tf

    from sslzoo import backbones

    trunk = backbones.build(backbone, **options)
    logits = keras.layers.Dense(1000, dtype="float32")(trunk.output["pooled"])
    model = keras.Model(trunk.input, logits)
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(model.trainable_variables)

    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, model(images, training=True)
            )
            loss = tf.reduce_mean(loss)
        values = [weight.value for weight in model.trainable_variables]
        gradients = tape.gradient(loss, values)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return step


def memory(
    backbone="revnet50",
    image_size=224,
    batch_size=16,
    units=1,
    save_memory=True,
    turns=3,
    steps=4,
):
    """What one supervised step adds to the memory in use, at most, and its seconds.

    Plain backprop and, with `save_memory`, the same network without its maps in turn,
    each in processes of its own; the medians are told. What a first step on 32 pixels
    takes for good, such as code, is not counted; gradients of weights are.

    Args:
        units: how many times more of them each block has than a RevNet50.
        turns: processes of each kind; `steps`, whose seconds are taken in each.
    """
    counts = [units * count for count in (3, 4, 6, 3)]
    work = dict(backbone=backbone, image_size=image_size, batch_size=batch_size)
    found = {"plain": [], **({"saving": []} if save_memory else {})}
    for turn in range(turns):
        for done, (kind, told) in enumerate(found.items()):
            watch.tell(turn * len(found) + done, turns * len(found))
            options = dict(units=counts, save_memory=kind == "saving")
            words = json.dumps({**work, "options": options, "steps": steps})
            code = "import sys; from sslzoo import bench; bench._one_step(sys.argv[1])"
            told.append(json.loads(_said(code, words)))
    result = {
        f"{kind}_{what}": float(np.median([each[what] for each in told]))
        for kind, told in found.items()
        for what in told[0]
    }
    if save_memory:
        for what in ("mebibytes", "seconds"):
            part = result[f"saving_{what}"] / result[f"plain_{what}"]
            result[f"part_of_plain_{what}"] = part
    return result


def _one_step(words):
    """Prints, as JSON, what a step of a new network takes; for a process of its own."""
    import tensorflow as tf

    said = json.loads(words)
    step = tf.function(
        _supervised_step(said["backbone"], **said["options"]),
        input_signature=[
            tf.TensorSpec((None, None, None, 3)),
            tf.TensorSpec((None,), tf.int32),
        ],
    )

    def action(side=said["image_size"]):
        images = tf.random.stateless_uniform(
            (said["batch_size"], side, side, 3), (0, 1)
        )
        step(images, tf.zeros(said["batch_size"], tf.int32)).numpy()

    action(32)
    before = _mebibytes("VmRSS")
    action()
    most = _mebibytes("VmHWM") - before
    seconds = float(np.median(_times(action, said["steps"], skip=0)))
    print(json.dumps({"mebibytes": most, "seconds": seconds}))


def hypercolumns(
    width=1.0,
    image_size=224,
    batch_size=1,
    points=128,
    spacing=1,
    hidden=1024,
    draws=20,
    turns=1,
    steps=1,
):
    """What a colorizer's step, VGG-16 with hypercolumn, adds to the memory in use.

    Sparse, `points` places of each image; and dense, all places `spacing` pixels apart
    (1 is all pixels, 4 how the authors test), each in processes of its own. What the
    networks have for good is not counted; gradients of weights are. And the loss of
    both with the same weights, before the first step: of the sparse, over `draws` draws
    of places, the mean and its standard error.
    """
    work = dict(width=width, image_size=image_size, batch_size=batch_size, draws=draws)
    work |= dict(spacing=spacing, hidden=hidden, steps=steps)
    found = {"dense": [], "sparse": []}
    for turn in range(turns):
        for done, (kind, told) in enumerate(found.items()):
            watch.tell(turn * len(found) + done, turns * len(found))
            asked = points if kind == "sparse" else 0
            words = json.dumps({**work, "points": asked})
            code = "import sys; from sslzoo import bench as b; b._colour(sys.argv[1])"
            told.append(json.loads(_said(code, words)))
    result = {
        f"{kind}_{what}": float(np.median([each[what] for each in told]))
        for kind, told in found.items()
        for what in told[0]
    }
    del result["dense_loss_error"]
    for what in ("mebibytes", "seconds"):
        result[f"part_of_dense_{what}"] = (
            result[f"sparse_{what}"] / result[f"dense_{what}"]
        )
    return result


def _colour(words):
    """Prints, as JSON, a colorizer's loss and what a step takes; like `_one_step`."""
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.data.toyworld import ToyWorld
    from sslzoo.methods import colorization
    from sslzoo.optim import sgd

    said = json.loads(words)
    keras.utils.set_random_seed(0)
    method = colorization.Colorization(
        backbones.build("vgg16", width=said["width"]),
        None,
        colorization.HYPERCOLUMNS["vgg16"],
        points=said["points"],
        spacing=said["spacing"],
        hidden=said["hidden"],
    )
    method.compile(sgd.SGD(1e-3))

    @tf.function
    def step(images, n):
        return method.train_step({"image": images, "n": n})["loss"]

    @tf.function
    def loss(images, n):
        seeds = method.seeds({"n": n})
        return method.loss_of(images, seeds, training=False)

    count = said["batch_size"]
    world = ToyWorld("test", count, said["image_size"])
    pictures = [world.read(i, only=("image",))["image"] for i in range(count)]
    images = tf.constant(np.stack(pictures), tf.float32) / 255
    n = tf.range(count)
    start = method.get_weights()
    step(images[:, :32, :32], n).numpy()
    before = _mebibytes("VmRSS")
    step(images, n).numpy()
    most = _mebibytes("VmHWM") - before
    method.set_weights(start)
    draws = said["draws"] if said["points"] else 1
    losses = [float(loss(images, n + i * count)) for i in range(draws)]
    seconds = _times(lambda: step(images, n).numpy(), said["steps"], skip=0)
    result = {"mebibytes": most, "seconds": float(np.median(seconds))}
    result["loss"] = float(np.mean(losses))
    result["loss_error"] = float(np.std(losses) / max(draws - 1, 1) ** 0.5)
    print(json.dumps(result))


def _mebibytes(what):
    """Of this process: "VmRSS", what it has in memory; "VmHWM", the most it had."""
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        raise BadInput("bench memory reads /proc/self/status: Linux has it.") from None
    (line,) = (line for line in lines if line.startswith(what))
    return int(line.split()[1]) / 1024


def cifar(data="", batches=20, precision="float32", augment="host"):
    """Steps of byol_r18w16_cifar10 end to end: decode, augment, train."""
    from sslzoo.data import pipeline
    from sslzoo.runner import _policy

    if not data:
        raise BadInput(
            "bench cifar wants data=npz:cifar10_jpeg.npz#train, or tfds:cifar10/train."
        )
    start = time.perf_counter()
    plan = recipe.load("byol_r18w16_cifar10", data=data, test=data)
    decoding = time.perf_counter() - start
    with _policy(precision):
        method = plan.method()
        method.compile(plan.optimizer())
        turns = iter(pipeline.training_batches(plan.streams))
        method.make_train_function()
        seconds = _times(
            lambda: float(np.ravel(method.train_function(turns)["loss"])[0]),
            batches,
            skip=3,
        )
    return {
        "images_per_second": 256 / float(np.median(seconds)),
        "seconds_to_decode_all_once": decoding,
    }


def color(images=256, image_size=180, width=0.25, batch_size=32, turns=5, jit=True):
    """RGB to Lab to the 313 bins of ab, of every pixel, beside a split-brain step.

    The step is that of an AlexNet of `width`, not compiled, which turns its images to
    Lab itself. And, on Linux, what the bins take of memory, over the size of the
    planes a and b.
    """
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo import color as colours
    from sslzoo.methods import split_brain

    def encode(images):
        return colours.ab_bin(colours.rgb_to_lab(images)[..., 1:])

    shape = (image_size, image_size, 3)
    many = tf.random.stateless_uniform((images, *shape), (0, 1))
    encoded = tf.function(encode, jit_compile=jit)
    seconds = _times(lambda: encoded(many).numpy(), turns, skip=2)
    milliseconds = 1000 * float(np.median(seconds)) / images

    net = backbones.build("alexnet", form="split", width=width)
    method = split_brain.SplitBrain(net, split_brain.example(image_size, image_size))
    method.compile(keras.optimizers.Adam(1e-4))
    train = tf.function(method.train_step)  # As recipes run it by default.
    batch = {"image": many[:batch_size]}
    seconds = _times(lambda: train(batch)["loss"].numpy(), turns, skip=2)
    step = 1000 * float(np.median(seconds)) / min(batch_size, images)
    memory = {
        "bins_over_ab": float(_said(BINS, str(images), str(image_size), str(jit)))
    }
    return {
        "milliseconds_per_image": milliseconds,
        "step_milliseconds_per_image": step,
        "part_of_step": milliseconds / step,
        **(memory if LINUX else {}),
    }


def features(
    backbone="resnet50",
    width=1.0,
    stem="imagenet",
    image_size=224,
    images=2000,
    batch_size=64,
    quick=False,
    precision="auto",
    photo="",
):
    """Features of a folder of 500x375 JPEGs, and the network alone on ready images."""
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.evaluation import embeddings
    from sslzoo.zoo import serving

    model = backbones.build(backbone, width=width, stem=stem)
    contract = {"size": image_size, "crop": 0.875, "interpolation": "bicubic"}
    contract["antialias"] = False
    with tempfile.TemporaryDirectory() as folder:
        jpeg = _photo(photo)
        for i in range(images):
            pathlib.Path(folder, f"{i:05d}.jpg").write_bytes(jpeg)
        start = time.perf_counter()
        embeddings.features(
            *(model, folder, batch_size),
            quick=quick,
            contract=contract,
            precision=precision,
            progress=watch.tell,
        )
        seconds = time.perf_counter() - start
    ready = tf.random.uniform((batch_size, image_size, image_size, 3))
    network, precision = serving.quick(model), serving.known_precision(precision)
    with serving.computing_in(precision):
        forward = tf.function(lambda: network(ready, training=False)["pooled"])
        turns = _times(lambda: forward().numpy(), 9, skip=2)
    bare = batch_size / float(np.median(turns))
    rate = images / seconds
    return {
        "images_per_second": rate,
        "computed_in": precision,
        "bare_images_per_second": bare,
        "part_of_bare": rate / bare,
    }


def linear(rows=50_000, dimensions=2048, classes=10, C=1.0, seed=0):
    """One fit of the linear probe, on made-up features."""
    from sslzoo.evaluation import linear as protocol

    watch.tell(0, 1)
    x, y = made_up_features(rows, dimensions, classes, seed)
    start = time.perf_counter()
    fit = protocol.fit(x, y, C=C)
    return {
        "seconds": time.perf_counter() - start,
        "objective": fit.objective,
        "iterations": fit.iterations,
    }


def load(name="byol_r18w16", turns=3, backbone="", width=1.0):
    """A model by its name, from `import sslzoo` to the features of one image.

    And, on Linux, the peak of memory while it is loaded, over the size of its weights'
    file: beside what Keras, TensorFlow and another model have taken before.

    Args:
        backbone: with `width`: instead, an untrained model that is made for this.
    """
    with tempfile.TemporaryDirectory() as folder:
        name = _untrained(folder, backbone, width) if backbone else name
        weights = registry.find(name).path / "backbone.weights.h5"
        size = weights.stat().st_size
        return {
            "seconds": _process(turns, LOAD, name),
            "megabytes": size / 1e6,
            **({"peak_over_file": int(_said(PEAK, name)) / size} if LINUX else {}),
        }


LINUX = sys.platform == "linux"
LOAD = """
import sys, numpy as np, sslzoo
model = sslzoo.load(sys.argv[1])
model(np.zeros((1, model.card.input["size"], model.card.input["size"], 3), "float32"))
"""
PEAK = """
import pathlib, re, sys, sslzoo
def peak():  # Of this process alone: that of getrusage begins with its parent's.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
sslzoo.load("byol_r18w16")
before = peak()
model = sslzoo.load(sys.argv[1])
print(peak() - before)
"""


# What the first few images take for good, such as code, is not counted.
BINS = """
import sys, tensorflow as tf
from sslzoo import bench, color
count, side, jit = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
encoded = tf.function(color.ab_bin, jit_compile=jit)
encoded(tf.zeros((1, side, side, 2))).numpy()
ab = tf.fill((count, side, side, 2), 33.0)  # Made without more memory than its own.
encoded(ab[:1]).numpy()
before = bench._mebibytes("VmRSS")
bins = encoded(ab)
_ = bins[0, 0, 0].numpy()
print((bench._mebibytes("VmHWM") - before) / (8 * count * side**2 / 2**20))
"""


def _untrained(folder, backbone, width):
    """The path of a model with a network as it begins, but for training."""
    from sslzoo import backbones
    from sslzoo.methods import byol

    network = backbones.build(backbone, width=width)
    method = byol.BYOL(network, 1, byol.example(64), hidden=8, outputs=8)
    return str(method.export("bench_r1.made", registry=folder, heads=False).path)


def convert(turns=3, whole=False):
    """`sslzoo.load` of a ResNet-50 out of a file as DeepMind's, of random weights.

    The seconds, and on Linux the peak of memory over the size of the file, beside what
    a process has that built such a network before; medians of new processes.

    Args:
        whole: with the target network and the optimizer's momentum in the file, as in
            the published ones; else the online network alone, which is a smaller file
            for the same network.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = _checkpoint(pathlib.Path(folder, "r50.pkl"), whole)
        size = path.stat().st_size
        for turn in range(turns):
            watch.tell(turn, turns)
            found.append(json.loads(_said(CONVERT, str(path))))
    told = {key: float(np.median([each[key] for each in found])) for key in found[0]}
    if "peak" in told:
        told["peak_over_file"] = told.pop("peak") / size
    return {"megabytes": size / 1e6, **told}


CONVERT = """
import json, pathlib, re, sys, time, sslzoo
def memory(of):
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(of + r":\\s+(\\d+) kB", status)[1])
linux, told = sys.platform == "linux", {}
first = sslzoo.load("byol_r50", pretrained=False, accept_license=True)
if linux:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak starts anew.
    before = memory("VmRSS")
start = time.perf_counter()
sslzoo.load("byol_r50", checkpoint=sys.argv[1])
told["seconds"] = time.perf_counter() - start
if linux:
    told["peak"] = memory("VmHWM") - before
print(json.dumps(told))
"""


def _checkpoint(path, whole):
    """Writes it by the names that the converter wants, in plain dicts."""
    from sslzoo import backbones
    from sslzoo.converters import deepmind_byol

    backbone = backbones.build("resnet50")
    arrays = {weight.path: np.asarray(weight) for weight in backbone.weights}
    names = deepmind_byol.table(backbone, "res_net50", "res_net50/~/initial_conv/w")
    trees = {"online_params": {}, "online_state": {}}
    for ours, (name, _) in names.items():
        module, _, weight = name.rpartition("/")
        tree = trees["online_state" if weight == "average" else "online_params"]
        tree.setdefault(module, {})[weight] = arrays[ours]
    if whole:
        for name in ("target_params", "opt_state"):
            trees[name] = copy.deepcopy(
                trees["online_params"]
            )  # Else it is stored once.
    path.write_bytes(pickle.dumps({"experiment_state": trees}))
    return path


def listing(cards=500, turns=3):
    """`sslzoo.list_models()` of a registry with many cards, from `import sslzoo` on."""
    (card, *_) = registry.cards()
    code = "import sys, sslzoo; assert len(sslzoo.list_models(registry=sys.argv[1]))"
    with tempfile.TemporaryDirectory() as folder:
        text = (registry.find(card.name).path / "card.json").read_text()
        for i in range(cards):
            name = f"{card.name}{i}"
            pathlib.Path(folder, name).mkdir()
            found = text.replace(f'"{card.name}"', f'"{name}"')
            pathlib.Path(folder, name, "card.json").write_text(found)
        code += f"== {cards}"
        return {"seconds": _process(turns, code, folder)}


def _operations(action):
    """Kind of TensorFlow operation -> seconds spent in it, by its profiler."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        action()
        tf.profiler.experimental.stop()
        (trace,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space, spent = XSpace.FromString(trace.read_bytes()), collections.Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            # Those of operations are called name:Kind, and #details# may follow.
            name = plane.event_metadata[event.metadata_id].name.split("#")[0]
            kind = re.fullmatch(r"[^:]+:(_?[A-Z]\w+)", name)
            if kind:
                spent[kind[1]] += event.duration_ps / 1e12
    return dict(spent.most_common(12))


def _process(turns, code, *words):
    """Seconds that new processes of Python took for it, the median."""
    return float(np.median(_times(lambda: _said(code, *words), turns, skip=1)))


def _said(code, *words):
    """What a new process of Python printed."""
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BadInput(done.stderr.strip().splitlines()[-1])
    return done.stdout


def made_up_features(n, d, classes, seed=0):
    """Features like those of a ResNet after its last ReLU and pooling.

    Non-negative and correlated, the variances of their 256 hidden directions fall as
    1 / rank^1.2; classes overlap.
    """
    random = np.random.default_rng(seed)
    hidden = min(256, d)
    sizes = np.arange(1, hidden + 1, dtype=np.float32) ** -0.6
    y = random.integers(0, classes, n)
    centres = 0.25 * random.standard_normal((classes, hidden), dtype=np.float32) * sizes
    mixing = random.standard_normal((hidden, d), dtype=np.float32)
    x = random.standard_normal((n, hidden), dtype=np.float32) * sizes + centres[y]
    x = np.maximum(x @ mixing - 1, 0)
    for some in np.array_split(np.arange(n), max(1, n // 4096)):
        x[some] += 0.05 * np.abs(random.standard_normal((len(some), d), np.float32))
    return x, y


BENCHES = {
    "views": views,
    "input": input,
    "step": step,
    "supervised": supervised,
    "forward": forward,
    "memory": memory,
    "hypercolumns": hypercolumns,
    "cifar": cifar,
    "color": color,
    "features": features,
    "linear": linear,
    "load": load,
    "convert": convert,
    "scenes": scenes,
    "startup": startup,
    "listing": listing,
}


def record(result, words, path):
    """Writes a result as docs/measured has them: with the day, and the machine.

    Args:
        words: of the command, behind `sslzoo bench`.
    """
    path = pathlib.Path(path)
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": workdir.machine(),
        "command": f"sslzoo bench {' '.join(words)} --out {path.name}",
    }
    path.write_text(json.dumps({**about, **result}, indent=1) + "\n")


def show(result):
    """Prints a result, the knobs first."""
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{key:>28}")
            show(value)
            continue
        print(
            f"{key:>28}  {value:.4g}"
            if isinstance(value, float)
            else f"{key:>28}  {value}"
        )


def _times(action, turns, skip):
    seconds = []
    for turn in range(skip + turns):
        watch.tell(turn, skip + turns)
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds[skip:]


def _photo(path):
    """500x375 of a picture of yours at quality 90, or of a scene of the toy world."""
    from PIL import Image

    from sslzoo.data.toyworld import ToyWorld

    if path:
        image = Image.open(path).convert("RGB")
    else:
        image = Image.fromarray(
            ToyWorld("test", 1, 384).read(0, only=("image",))["image"]
        )
    buffer = io.BytesIO()
    image.resize((500, 375)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
