"""Each check can fail: the mistakes that are known to have been made, and a few more.

A row for each mistake: the check that finds it, and what is put in whose place. It lies
here, or in the `SABOTEURS` of the file of the check.
"""

import functools
import importlib
import inspect
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo.methods
from sslzoo import color, verify
from sslzoo.augment import crops, grid, ops, permutations
from sslzoo.backbones import fold, layers, nine
from sslzoo.color import histograms
from sslzoo.data import pipeline
from sslzoo.evaluation import knn, linear
from sslzoo.heads import hypercolumns
from sslzoo.losses import classification, contrastive, regression, triplet
from sslzoo.losses import colorization as losses
from sslzoo.methods import (
    barlow_twins,
    base,
    byol,
    colorization,
    exemplar,
    info_nce,
    moco,
    momentum,
    random,
    relative_patch,
    rotation,
    simclr,
    simsiam,
    split_brain,
    supervised,
    vicreg,
)
from sslzoo.optim import decay, lars, schedules, sgd
from sslzoo.zoo import input as inputs
from sslzoo.zoo import load


def halved(p, y):
    return 0.5 * COSINE(p, y)


def in_half_precision(p, y):
    return COSINE(tf.cast(p, tf.bfloat16), tf.cast(y, tf.bfloat16))


def counted_from_one(self, step):
    return SCHEDULE(self, step + 1)


def linear_tau(self):
    done = float(self.optimizer.iterations) / self.steps
    return self.base_tau + (1 - self.base_tau) * done


def blue_is_green(rgb):
    return HUE_CHROMA(np.asarray(rgb)[..., [0, 2, 1]])


def rounded(values, bins):
    return tf.cast(tf.round((bins - 1.5) * values), tf.int32)


def cross_entropy(target, logits):
    return -tf.reduce_sum(target * tf.nn.log_softmax(logits), axis=-1)


def nearest_cell(maps, y, x):
    return SAMPLED(maps, tf.round(y), tf.round(x))


def anywhere(self, seeds, size):
    return PLACES(self, seeds, size) - self.margin


def by_place_in_the_batch(self, batch):
    return SEEDS_OF(self, {"n": tf.range(len(batch["n"]))})


def first_channel(self, images):
    return images[..., :1]


def summed(self, batch, training):
    loss, accuracy = CLASSIFIED(self, batch, training)
    return 3 * loss, accuracy


def softened(self, gradient, variable):
    size, slope = (tf.norm(x) for x in (variable, gradient))
    return gradient * self.trust * size / (slope + 1e-6)


def rate_inside_the_momentum(self, gradient, variable, rate):
    index = self._get_variable_index(variable)
    velocity, gradient = self.velocities[index], tf.cast(gradient, tf.float32)
    if not self.excluded[index]:
        gradient = self.direction(gradient + self.decay * variable, variable)
    step = tf.cast(rate, tf.float32) * gradient
    self.assign(velocity, self.momentum * velocity + step)
    self.assign_sub(variable, velocity)


def target_infers(self, images, training=True):
    return TARGET_OF(self, images, training=False)


def target_infers_in_the_step(self, batch):
    return self.report(
        loss=sum(
            byol.cosine_distance(
                self.predict_from(self.pooled(batch[seen])),
                self.target_of(batch[other], training=False),
            )
            for seen, other in (("view1", "view2"), ("view2", "view1"))
        )
    )


def frozen_layers(model, fresh=False):
    twin = FROZEN_COPY(model, fresh)
    twin.trainable = False
    return twin


def not_frozen(model, fresh=False):
    twin = FROZEN_COPY(model, fresh)
    for weight in twin.weights:
        weight.trainable = "moving" not in weight.path
    return twin


def moved_the_other_way(twin, model, tau, when=None):
    MOVE(twin, model, 1 - tau, when)


def not_stopped(self, images, training=True):
    pooled = self.target_backbone(images, training=training)["pooled"]
    return self.target_projector(pooled, training=training)


def probe_teaches(self, pooled1, batch, training=True):
    return tf.reduce_mean(self.classifier(pooled1)), {}


def views_in_one_batch(self, batch):
    both = tf.concat([batch["view1"], batch["view2"]], 0)
    self.predict_from(self.pooled(both))


def added_not_averaged(self, gradients, weights):
    return ADD_UP(self, [2 * g for g in gradients], weights)


def half_a_prediction(self, pooled, training=True):
    return tf.cast(PREDICT_FROM(self, pooled, training), tf.bfloat16)


def in_order(n, count, seed):
    return n % count


def with_replacement(n, count, seed):
    draws = np.random.default_rng(0).integers(0, count, n.shape)
    return tf.constant(draws)


def from_the_start(*args, step=0, **options):
    return BATCHES(*args, **options)


def one_aside(size, height, width):
    return CENTRE(size, height, width) + np.array([0, 1, 0, 0])


def antialiased(extent, size, interpolation, antialias):
    return TAPS(extent, size, interpolation, True)


def only_counted(*args, temperature=None, **options):
    return NEAREST(*args, **options, temperature=None)


def twice_as_weak(x, y, C, **options):
    return FIT(x, y, C=2 * C, **options)


def without_the_mean(norm):
    a, b = LINE(norm)
    return a, 0 * b


def bins_of_the_cell_beside(ab):
    return CELL(ab) + 1


def bins_of_one(light):
    return tf.cast(tf.minimum(light, 49), tf.int32)


def flatter(ab, nearest=5, sigma=5.0):
    return SOFT(ab, nearest, 2 * sigma)


def without_half(prediction, target, known=None):
    return 2 * HALF_SQUARES(prediction, target, known)


def one_class_at_most(logits, bins, weights=None, counts=None):
    return CROSS_ENTROPY(logits, bins if weights is None else bins[..., 0])


def up_side_down(depth, camera, measured=None, down=None):
    return HHA(depth, camera, measured, -down)


def leaking(self, colours, shown, batch, training):
    return colours


def mixed(self, top):
    trunk = BEHIND(self, top)
    cells = trunk.output + keras.ops.flip(trunk.output, -1)
    return keras.Model(trunk.input, cells)


def averaged(self, batch, training):
    loss, told = GUESS(self, batch, training)
    return loss / 2, told


def dropped_by_place(self, n, colours):
    return KEPT(self, tf.range(len(n), dtype=n.dtype), colours)


def nothing_filled(backbone, path):
    pass


def with_the_clock(images):
    turned = [tf.image.rot90(images, -k) for k in range(4)]
    return tf.reshape(tf.stack(turned, axis=1), (-1, *images.shape[1:]))


def added_up(self, turned, training):
    loss, accuracy = ROTATED(self, turned, training)
    return 4 * loss, accuracy


def not_squared(a, b, squared=True):
    return DISTANCES(a, b, False)


def each_copy_by_itself(self, begun, seed):
    gray = {
        name: ops.grayscale(view, seed + i, self.gray)
        for i, (name, view) in enumerate(begun.items())
    }
    found = self.views.finish(gray, seed)
    return {"copies": tf.stack([found[n] for n in self.views.names], axis=-4)}


def others_as_far(count=100):
    return FARTHEST(count)[:, ::-1]


def one_aside_in_cells(square, places, patch):
    return CUT(square, np.minimum(places + 1, 1), patch)


def corner_nine_times(self, images):
    patch = images[:, : self.patch, : self.patch]
    return tf.repeat(patch, 9, axis=0)


ROTATED, DISTANCES = rotation.Rotation.guess, triplet.distances
FARTHEST, CUT = permutations.farthest, grid.cut


def like_itself(phi1, phi2, psi1, psi2):
    first, second, other = COSINES(phi1, phi2, psi1, psi2)
    return tf.maximum(first, 1), tf.maximum(second, 1), other


def online_always(self, views, training=True):
    z = [self.project(view, training) for view in views]
    return z, z


def one_direction(z1, z2, temperature):
    loss, found = NT_XENT(z1, z2, temperature)
    return loss / 2, found


def by_view(self, batch, training=True):
    views = batch["view1"], batch["view2"]
    pooled = (self.backbone(view, training=training)["pooled"] for view in views)
    return [self.projector(each, training=training) for each in pooled]


def not_averaged(p, z):
    return 2 * COSINE(p, z)


def never_stopped(self, batch, training=True):
    z1, z2 = (self.project(batch[v], training) for v in ("view1", "view2"))
    p1, p2 = (self.predictor(z, training=training) for z in (z1, z2))
    return (COSINE(p1, z2) + COSINE(p2, z1)) / 4


def nudged(self, batch):
    self.backbone.trainable_weights[0].assign_add(self.backbone.trainable_weights[0])
    return self.report(loss=tf.zeros(()))


def seen_in_training(self, batch):
    self.backbone(batch["view1"], training=True)
    return self.report(loss=tf.zeros(()))


COSINE, SCHEDULE = regression.cosine_distance, schedules.WarmupCosine.__call__
COLORIZATION, CLASSIFIED = colorization.Colorization, supervised.Supervised.guess
PLACES, SEEDS_OF = COLORIZATION.places, COLORIZATION.seeds
HUE_CHROMA, SAMPLED = color.hue_chroma, hypercolumns.sampled
TARGET_OF, PREDICT_FROM = byol.BYOL.target_of, byol.BYOL.predict_from
FROZEN_COPY, MOVE, ADD_UP = momentum.frozen_copy, momentum.move, base.Method._add_up
BATCHES, CENTRE, TAPS = pipeline.training_batches, crops.centre_window, inputs.taps
NEAREST, FIT, LINE = knn.predict, linear.fit, fold._line
CELL, SOFT, HHA = color.bins._cell, color.soft_ab_bins, color.hha
HALF_SQUARES = regression.half_squares
CROSS_ENTROPY = classification.cross_entropy
BEHIND, GUESS = split_brain.SplitBrain.behind_colours, split_brain.SplitBrain.guess
KEPT = split_brain.SplitBrain.kept
BATCH_NORM = layers.BatchNorm.__init__

COSINES, NT_XENT = contrastive.cosines, simclr.nt_xent
TWINS, VICREG = barlow_twins.barlow_twins, vicreg.vicreg
SPLIT = split_brain.SplitBrain

SABOTEURS = [
    (verify.losses.loss_values, regression, "cosine_distance", halved),
    (verify.color.lab_values, color.spaces, "rgb_to_linear", lambda rgb: rgb**2.2),
    (verify.color.colour_bins, color.bins, "_cell", bins_of_the_cell_beside),
    (verify.color.colour_bins, color, "l_bin", bins_of_one),
    (verify.color.colour_bins, color, "soft_ab_bins", flatter),
    (verify.color.bin_losses, regression, "half_squares", without_half),
    (verify.color.bin_losses, classification, "cross_entropy", one_class_at_most),
    (verify.color.depth_as_hha, color, "hha", up_side_down),
    (verify.color.depth_as_hha, color.depth, "NEAREST", 1000.0),
    (verify.split_brain.knows_nothing_at_first, SPLIT, "guess", averaged),
    (verify.split_brain.halves_apart, SPLIT, "behind_colours", mixed),
    (verify.split_brain.weighs_by_lambda, SPLIT, "guess", averaged),
    (verify.split_brain.drops_by_the_counters, SPLIT, "visible", leaking),
    (verify.split_brain.drops_by_the_counters, SPLIT, "kept", dropped_by_place),
    (verify.optim.learning_rates, schedules.WarmupCosine, "__call__", counted_from_one),
    (verify.byol.taus, byol.BYOL, "tau", linear_tau),
    (verify.optim.lars_by_hand, lars.LARS, "direction", softened),
    (verify.optim.lars_by_hand, sgd.SGD, "update_step", rate_inside_the_momentum),
    (verify.optim.lars_by_hand, decay, "excluded", lambda path, patterns: False),
    (verify.optim.lars_by_hand, decay, "excluded", lambda path, _: "bias" in path),
    (verify.byol.both_directions, byol, "cosine_distance", halved),
    (verify.byol.both_directions, byol.BYOL, "train_step", target_infers_in_the_step),
    (verify.byol.target_in_training_mode, byol.BYOL, "target_of", target_infers),
    (verify.byol.target_in_training_mode, momentum, "frozen_copy", frozen_layers),
    (verify.byol.target_outside_the_optimizer, momentum, "frozen_copy", not_frozen),
    (verify.byol.target_outside_the_optimizer, momentum, "move", moved_the_other_way),
    (verify.byol.stopped_gradients, byol.BYOL, "target_of", not_stopped),
    (verify.byol.stopped_gradients, byol.BYOL, "probe", probe_teaches),
    (verify.byol.two_passes, byol.BYOL, "train_step", views_in_one_batch),
    (verify.byol.two_passes, BATCH_NORM, "__defaults__", (0.99, 1e-5)),
    (verify.byol.full_precision_loss, regression, "cosine_distance", in_half_precision),
    (verify.byol.full_precision_loss, byol.BYOL, "predict_from", half_a_prediction),
    (verify.colorization.hues_and_chromas, color, "hue_chroma", blue_is_green),
    (verify.colorization.hues_and_chromas, histograms, "histogram_bin", rounded),
    (verify.colorization.histogram_loss, losses, "kl", cross_entropy),
    (verify.colorization.few_places, hypercolumns, "sampled", nearest_cell),
    (verify.colorization.few_places, COLORIZATION, "places", anywhere),
    (verify.colorization.counters_decide, COLORIZATION, "seeds", by_place_in_the_batch),
    (verify.colorization.gray_alone, layers.Gray, "call", first_channel),
    (verify.supervised.softmax_by_hand, supervised.Supervised, "guess", summed),
    (verify.rotation.turns_to_the_pixel, rotation, "quarter_turns", with_the_clock),
    (verify.rotation.turns_by_hand, rotation.Rotation, "guess", added_up),
    (verify.exemplar.semi_hard_by_hand, triplet, "distances", not_squared),
    (
        verify.exemplar.copies_share_their_gray,
        exemplar.Copies,
        "finish",
        each_copy_by_itself,
    ),
    (verify.jigsaw.orders_as_published, permutations, "farthest", others_as_far),
    (verify.jigsaw.patches_to_the_pixel, grid, "cut", one_aside_in_cells),
    (verify.jigsaw.mean_over_nine, nine.Nine, "call", corner_nine_times),
    (verify.relative_patch.pairs_with_the_middle, relative_patch, "MIDDLE", 0),
    (
        verify.relative_patch.pairs_with_the_middle,
        relative_patch,
        "AROUND",
        (1, 0, 2, 3, 5, 6, 7, 8),
    ),
    (verify.info_nce.negatives, contrastive, "cosines", like_itself),
    (verify.info_nce.only_online_sides_learn, info_nce.InfoNCE, "sides", online_always),
    (verify.simclr.told_apart, simclr, "nt_xent", one_direction),
    (verify.simclr.one_pass, simclr.SimCLR, "project", by_view),
    (verify.moco.queue_of_keys, moco, "unit", lambda x: x),
    (verify.random.left_as_it_is, random.Random, "train_step", seen_in_training),
    (verify.random.left_as_it_is, random.Random, "train_step", nudged),
    (verify.simsiam.mean_of_both, simsiam, "cosine_distance", not_averaged),
    (verify.simsiam.stopped_gradient, simsiam.SimSiam, "loss_of", never_stopped),
    (
        *(verify.barlow_twins.correlations, barlow_twins, "barlow_twins"),
        lambda z1, z2, redundancy: TWINS(z1, z2, 2 * redundancy),
    ),
    (
        *(verify.vicreg.three_terms, vicreg, "vicreg"),
        lambda z1, z2, s, v, c: VICREG(z1, z2, s, 2 * v, c),
    ),
    (verify.steps.accumulation, base.Method, "_add_up", added_not_averaged),
    (verify.backbones.fused_batch_norm, BATCH_NORM, "__defaults__", (0.9, 1e-3)),
    (verify.backbones.fused_batch_norm, BATCH_NORM, "__defaults__", (0.99, 1e-5)),
    (verify.backbones.folding, fold, "_line", without_the_mean),
    (verify.data.order_of_images, pipeline, "shuffled", in_order),
    (verify.data.order_of_images, pipeline, "shuffled", with_replacement),
    (verify.data.any_position_at_once, pipeline, "training_batches", from_the_start),
    (verify.data.views_of_fixed_seeds, ops, "blur", lambda image, *_: image),
    (verify.data.views_of_fixed_seeds, ops, "solarize", lambda image, *_: image),
    (verify.data.evaluation_view, crops, "centre_window", one_aside),
    (verify.data.evaluation_view, inputs, "taps", antialiased),
    (verify.evaluation.neighbours_by_hand, knn, "predict", only_counted),
    (verify.evaluation.regression_by_hand, linear, "fit", twice_as_weak),
    (verify.zoo.round_trip, load, "fill", nothing_filled),
    *(row for s in verify.SUBJECTS for row in getattr(s, "SABOTEURS", ())),
]


def named(value):
    return getattr(value, "__name__", "value").strip("<>")


@functools.cache
def unharmed(check):
    return verify.tried(check)["passed"]


@pytest.mark.parametrize("check, place, name, mistake", SABOTEURS, ids=named)
def test_a_mistake_is_found(monkeypatch, check, place, name, mistake):
    assert unharmed(check)
    monkeypatch.setattr(place, name, mistake)
    row = verify.tried(check)
    assert not row["passed"] and "did not come to an end" not in row["failure"]


def test_every_check_has_a_saboteur():
    elsewhere = {verify.steps.two_replicas_as_one}
    for check in {*verify.CHECKS} - {row[0] for row in SABOTEURS} - elsewhere:
        file = check.__module__.replace(".", "/")
        raise AssertionError(
            f"{check.__name__} may be true whatever happens: add to {file}.py "
            f"SABOTEURS = (({check.__name__}, module, 'name', mistake),), what is put "
            "in whose place that it must find."
        )


def test_every_method_has_checks_of_its_own():
    subjects = {s.__name__.rpartition(".")[2] for s in verify.SUBJECTS if s.CHECKS}
    for file in pathlib.Path(sslzoo.methods.__path__[0]).glob("*.py"):
        module = importlib.import_module(f"sslzoo.methods.{file.stem}")
        kinds = [k for k in vars(module).values() if inspect.isclass(k)]
        ours = [k for k in kinds if k.__module__ == module.__name__]
        if any(issubclass(k, base.Method) and k is not base.Method for k in ours):
            assert file.stem in subjects, (
                f"Add one file, sslzoo/verify/{file.stem}.py, with CHECKS and "
                "SABOTEURS; nothing else names it. docs/method.md has one whole."
            )


def test_the_subjects_are_the_files_that_have_checks():
    folder = pathlib.Path(verify.__file__).parent
    have = {f.stem for f in folder.glob("*.py") if "\nCHECKS = (" in f.read_text()}
    assert have - {"__init__"} == {*verify.names()}
