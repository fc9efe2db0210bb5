"""How many layers need fine-tuning (Larsson et al., 2017, Table 6), arXiv:1703.04044.

All below a layer stays as it was; that layer, what follows it and a new classifier
learn. A representation that is of use as it is gains little by more; one that is only
latent gains much.

The schedule is the paper's, section 4.1, which suits starts that differ as much as
random and trained ones: a tenth of the training images is held out, and when the score
on it has not grown in an epoch the rate drops to a tenth; at the third time it ends.

The paper's task is segmentation by hypercolumns; here it is classification.

    sslzoo evaluate RUN --protocol finetune --depths none,fc6,conv4,all
"""

import keras
import numpy as np

from sslzoo.augment import patches
from sslzoo.data import pipeline
from sslzoo.data.base import labelled
from sslzoo.data.combined import Subset
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.evaluation import feature_shift, ladder
from sslzoo.evaluation.features import features
from sslzoo.optim import sgd
from sslzoo.zoo.load import known_feature


def evaluate(
    model,
    train,
    test,
    size,
    depths=("none", "fc6", "conv4_1", "all"),
    feature=None,
    scales=(1.0, 1.5),
    rate=1e-3,
    decay=5e-4,
    batch_size=16,
    epochs=100,
    seed=0,
    shift=(),
):
    """Accuracy on the test for each depth.

    Args:
        model: functional, to a dict of features; it is left as it is. Its batch
            normalisation is absorbed, or else keeps its statistics where it is frozen.
        train, test: sources with labels.
        size: of the images shown; in training they are random squares of images that
            are as much larger as `scales` says, least and most, and mirrored.
        depths: the first layer that learns, by its name; "none" and "all".
        feature: what is classified, of a map the mean over all places: `last` of the
            model, unless it is said.
        epochs: at most.
        shift: features of which is told how far they moved: see `feature_shift`.

    Returns:
        {depth: {"top1", "validation_top1", "epochs"}}; and "shift" where it is asked.
    """
    feature = feature or last(model)
    for name in (feature, *shift):
        known_feature(name, model.output)
    for depth in depths:
        known_depth(model, depth, feature)
    order = np.random.default_rng(seed).permutation(train.count)
    held = max(1, train.count // 10)
    known, asked = Subset(train, order[held:]), Subset(train, order[:held])
    shortest = tuple(round(size * scale) for scale in scales)
    stream = pipeline.Stream(known, patches.Patch(size, shortest), batch_size)
    classes = 1 + int(np.max(labelled(train)))
    result = {}
    for depth in depths:
        keras.utils.set_random_seed(seed)
        twin = frozen(model, depth)
        network = classifier(twin, feature, classes)
        optimizer = sgd.SGD(rate, decay=decay)
        network.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
        scores, stalls = [0.0], 0
        while stalls < 3 and len(scores) <= epochs:
            step = (len(scores) - 1) * stream.steps_per_epoch
            batches = pipeline.training_batches(stream, ("label",), seed, step)
            batches = batches.map(lambda batch: (batch["image"], batch["label"]))
            network.fit(
                batches,
                steps_per_epoch=stream.steps_per_epoch,
                shuffle=False,  # The pipeline has shuffled.
                verbose=0,
            )
            scores.append(top1(network, asked, size))
            if scores[-1] <= max(scores[:-1]):
                stalls += 1
                optimizer.learning_rate = rate * 0.1**stalls
        result[depth] = {
            "top1": top1(network, test, size),
            "validation_top1": scores[-1],
            "epochs": len(scores) - 1,
        }
        if shift:
            moved = feature_shift.evaluate(model, twin, test, size, shift, crop=1.0)
            result[depth]["shift"] = moved
    return result


def compare(runs, probes, depths, epochs=100, say=lambda words: None):
    """Runs beside their beginning for each depth, as `ladder.evaluate` has it.

    Args:
        runs: (name, trained model, untrained model) of each.
        probes: name -> a dataclass with `train`, `test` and `size`.
    """
    results = {}
    for name, probe in probes.items():
        probe, rows = ladder.guarded(probe), {depth: [] for depth in depths}
        for run, *models in runs:
            found = []
            for model, start in zip(models, ("as it was trained", "at random")):
                say(f"{run}: fine-tuned on {name}, from {start}: {', '.join(depths)}")
                maps = [k for k, v in model.output.items() if len(v.shape) == 4]
                sets = probe.train, probe.test, probe.size
                found.append(evaluate(model, *sets, depths, epochs=epochs, shift=maps))
            for depth in depths:
                trained, random = (each[depth] for each in found)
                rows[depth].append({"run": run, "trained": trained, "random": random})
        results[name] = {f"fine-tuned: {d}": ladder.summary(rows[d]) for d in depths}
    return results


def last(model):
    """The feature behind all layers: "pooled" of an AlexNet is before its fc6."""
    return "fc7" if "fc7" in model.output else "pooled"


def known_depth(model, depth, feature):
    names = [layer.name for layer in model.layers if layer.weights]
    if depth not in ("none", "all", *(layer.name for layer in model.layers)):
        raise UnknownName(
            f"{model.name} has no layer {depth!r} to fine-tune from."
            f"{nearest(depth, names)} Give none, all, or one of: {', '.join(names)}."
        )
    below = keras.Model(model.input, model.output[feature]).layers
    if depth not in ("none", "all", *(layer.name for layer in below)):
        raise BadInput(
            f"{feature!r} of {model.name} is before its layer {depth!r}, of which "
            "nothing would learn. Give a depth before it, or a later feature."
        )


def frozen(model, depth):
    """A twin of the model, of which all below `depth` is frozen."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    names = [layer.name for layer in twin.layers]
    first = {"none": len(names), "all": 0}.get(depth)
    first = names.index(depth) if first is None else first
    for layer in twin.layers[:first]:
        layer.trainable = False
    return twin


def classifier(twin, feature, classes):
    """The twin with a softmax on it."""
    x = twin.output[feature]
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    softmax = keras.layers.Dense(classes, "softmax", dtype="float32", name="classes")
    return keras.Model(twin.input, softmax(x))


def top1(network, source, size):
    found = features(network, source, size, crop=1.0)
    return float(np.mean(found["pooled"].argmax(axis=1) == found["label"]))
