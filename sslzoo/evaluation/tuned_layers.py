"""How many layers need fine-tuning (Larsson et al., 2017, Table 6), arXiv:1703.04044.

All below a layer stays as it was; that layer, what follows it and a new classifier
learn. A representation that is of use as it is gains little by more; one that is only
latent gains much.

The schedule is the paper's, section 4.1, which suits starts that differ as much as
random and trained ones: a tenth of the training images is held out, and when the score
on it has not grown in an epoch the rate drops to a tenth; at the third time it ends.

The paper's task is segmentation by hypercolumns; here it is classification.
"""

import keras
import numpy as np

from sslzoo.augment import patches
from sslzoo.data import pipeline
from sslzoo.data.combined import Subset
from sslzoo.errors import UnknownName, nearest
from sslzoo.evaluation.features import features
from sslzoo.optim import sgd
from sslzoo.zoo.load import known_feature


def evaluate(
    model,
    train,
    test,
    size,
    depths=("none", "fc6", "conv4_1", "all"),
    feature="pooled",
    scales=(1.0, 1.5),
    rate=1e-3,
    decay=5e-4,
    batch_size=16,
    epochs=100,
    seed=0,
):
    """Accuracy on the test for each depth.

    Args:
        model: functional, to a dict of features; it is left as it is. Its batch
            normalisation is absorbed, or else keeps its statistics where it is frozen.
        train, test: sources with labels.
        size: of the images shown; in training they are random squares of images that
            are as much larger as `scales` says, least and most, and mirrored.
        depths: the first layer that learns, by its name; "none" and "all".
        feature: what is classified; of a map the mean over all places.
        epochs: at most.

    Returns:
        {depth: {"top1", "validation_top1", "epochs"}}
    """
    known_feature(feature, model.output)
    order = np.random.default_rng(seed).permutation(train.count)
    held = max(1, train.count // 10)
    known, asked = Subset(train, order[held:]), Subset(train, order[:held])
    shortest = tuple(round(size * scale) for scale in scales)
    stream = pipeline.Stream(known, patches.Patch(size, shortest), batch_size)
    classes = 1 + int(np.max(train.labels))
    result = {}
    for depth in depths:
        keras.utils.set_random_seed(seed)
        network = classifier(model, depth, feature, classes)
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
    return result


def classifier(model, depth, feature, classes):
    """A twin of the model with a softmax on it; all below `depth` is frozen."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    names = [layer.name for layer in twin.layers]
    if depth not in ("none", "all", *names):
        raise UnknownName(
            f"{model.name} has no layer {depth!r} to fine-tune from."
            f"{nearest(depth, names)} Give the name of one, 'none' or 'all'."
        )
    first = {"none": len(names), "all": 0}.get(depth)
    first = names.index(depth) if first is None else first
    for layer in twin.layers[:first]:
        layer.trainable = False
    x = twin.output[feature]
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    softmax = keras.layers.Dense(classes, "softmax", dtype="float32", name="classes")
    return keras.Model(twin.input, softmax(x))


def top1(network, source, size):
    found = features(network, source, size, crop=1.0)
    return float(np.mean(found["pooled"].argmax(axis=1) == found["label"]))
