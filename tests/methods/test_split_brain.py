"""Split-brain: its losses in NumPy, and that its halves know nothing of each other."""

import keras
import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from sslzoo import backbones, color
from sslzoo.backbones import alexnet, cut, fold
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import split_brain
from sslzoo.methods.split_brain import ROWS, SplitBrain

SIDE, CELLS = 33, 5
SINGLE = [row for row in ROWS if row not in ("split", "ensemble")]
IMAGES = [row for row in ROWS if "HHA" not in row]


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images, hha = rng.random((2, 4, SIDE, SIDE, 3)) * rng.random((2, 4, 1, 1, 3))
    return {
        "image": tf.constant(images, tf.float32),
        "hha": tf.constant(hha, tf.float32),
        "n": tf.range(4, dtype=tf.int64),
    }


def network(row, **options):
    """A small AlexNet that sees what the row does."""
    apart, sees = row in ("split", "ensemble"), split_brain.sees(row, depth=True)
    form = "split" if apart else "single"
    pixels = "centred" if sees in ("rgb", "hha") else sees
    options = dict(form=form, pixels=pixels, momentum=0.9) | options
    net = backbones.build("alexnet", geometry="small", width=1 / 16, **options)
    return cut.cut_behind(net, "pool5") if row == "HHA_Lab" else net


def make(row="split", net=None, optimizer=None, told=True, **settings):
    """One whose heads are not all zero, where they are `told`."""
    top = "pool5" if row == "HHA_Lab" else "fc7"
    settings = dict(row=row, stride=8, hidden=8, top=top) | settings
    method = SplitBrain(
        net or network(row), split_brain.example(SIDE, SIDE), **settings
    )
    method.compile(optimizer or keras.optimizers.SGD(0.1))
    rng = np.random.default_rng(1)
    for weight in method.trainable_variables if told else ():
        if "fc8" in weight.path:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return method


def lab_of(images):
    """L, a and b at pixel (8 i, 8 j), by scikit-image."""
    return skimage.color.rgb2lab(np.asarray(images, "float64")[:, ::8, ::8])


def cross_entropy(logits, bins):
    z = np.float64(logits)
    z = (
        z
        - np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - z.max(-1, keepdims=True)
    )
    return -np.take_along_axis(z, bins[..., None], -1).mean()


def classes(lab, target):
    if target == "L":
        return np.minimum(lab[..., 0] // 2, 49).astype(int)
    far = np.linalg.norm(lab[..., None, 1:] - color.AB_BINS, axis=-1)
    return far.argmin(-1)


def expected_score(answer, said, images, hha, shared=False):
    if answer.target == "HHA":
        target = 255 * np.float64(hha)[:, ::8, ::8] - split_brain.HHA_MEAN
        return 0.5 * np.square(said - target).sum(-1).mean()
    lab = lab_of(images)
    if answer.loss == "cl":
        return cross_entropy(said, classes(lab, answer.target))
    parts = {"L": [0], "ab": [1, 2], "Lab": [0, 1, 2]}[answer.target]
    said = np.float64(said)[..., parts] if shared else np.float64(said)
    return 0.5 * np.square(said - (lab - [50, 0, 0])[..., parts]).sum(-1).mean()


WEIGHTS = {"HHA_Lab": [1, 200], "equation5": [1 / 3] * 3}


@pytest.mark.parametrize("row", ROWS)
def test_the_loss_of_each_row_is_its_equation(row, batch):
    method = make(row)
    found = {k: float(v) for k, v in method.test_step(batch).items()}
    total = 0
    answers = method.answers(batch)
    weights = WEIGHTS.get(row, [1] * len(answers))
    for (answer, said), weight in zip(answers, weights, strict=True):
        assert said.shape[:3] == (4, CELLS, CELLS)
        images, hha = batch["image"], batch["hha"]
        value = expected_score(answer, said, images, hha, method.row.shared)
        np.testing.assert_allclose(found[answer.name], value, rtol=1e-4)
        total += weight * value
    np.testing.assert_allclose(found["loss"], total, rtol=1e-4)


@pytest.mark.parametrize(
    "row, asked",
    [
        ("split", {"ab_cl": 313, "L_cl": 50}),
        ("ensemble", {"ab_cl": 313, "ab_reg": 2}),
        ("L_ab", {"ab_cl": 313}),
        ("ab_L", {"L_cl": 50}),
        ("Lab_Lab", {"Lab_reg": 3}),
        ("drop50", {"Lab_reg": 3}),
        ("equation4", {"ab_reg": 3, "L_reg": 3}),
        ("equation5", {"ab_reg": 3, "L_reg": 3, "Lab_reg": 3}),
        ("RGB_HHA", {"HHA_reg": 3}),
        ("HHA_Lab", {"L_reg": 1, "ab_cl": 313}),
    ],
)
def test_each_row_asks_what_the_paper_asks(row, asked, batch):
    said = {answer.name: x.shape[-1] for answer, x in make(row).answers(batch)}
    assert said == asked


@pytest.mark.parametrize("ab", ["cl", "reg"])
@pytest.mark.parametrize("light", ["cl", "reg"])
def test_classes_and_regression_can_be_mixed(ab, light, batch):
    method = make(ab=ab, light=light)
    names = [answer.name for answer, _ in method.answers(batch)]
    assert names == [f"ab_{ab}", f"L_{light}"]
    assert make("L_ab", ab=ab).meters[2] == f"ab_{ab}"
    assert make("ab_L", light=light).meters[2] == f"L_{light}"


def test_an_untrained_network_takes_all_classes_for_equally_likely(batch):
    method = make(told=False)
    loss = float(method.train_step(batch)["loss"])
    np.testing.assert_allclose(loss, np.log(313) + np.log(50), rtol=1e-6)


def test_it_learns(batch):
    method = make(optimizer=keras.optimizers.Adam(1e-2), told=False)
    step = tf.function(method.train_step)
    for _ in range(15):
        method.reset_metrics()
        loss = float(step(batch)["loss"])
    assert loss < 0.7 * (np.log(313) + np.log(50))


def near(found, expected, part=1e-5):
    """To that part of the largest."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, atol=part * np.abs(expected).max())


# The halves.


def of_half(method, path):
    """0 or 1 where a weight is of one half alone, None where both have channels."""
    if "conv1_" in path or "fc8" in path:
        return int("rest" in path or "L_cl" in path)
    return None


def test_neither_loss_reaches_the_other_half(batch):
    method = make()
    weights = method.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        each = [
            method.score(answer, said, batch)[0]
            for answer, said in method.answers(batch, training=True)
        ]
    for number, loss in enumerate(each):
        slopes = tape.gradient(
            loss, [w.value for w in weights], unconnected_gradients="zero"
        )
        for weight, slope in zip(weights, slopes):
            owner = of_half(method, weight.path)
            if owner is None:
                halves = np.split(np.asarray(slope), 2, axis=-1)
                own, other = halves[number], halves[1 - number]
            else:
                own, other = (slope, 0) if owner == number else (1, slope)
            assert not np.any(other), weight.path
            # Before a normalisation a bias is no matter.
            assert np.any(own) or weight.path.endswith("bias"), weight.path


def apart(method):
    """Two methods of half a network each, with the weights of one that is split."""
    pair = []
    for number, (row, stem) in enumerate({"L_ab": "first", "ab_L": "rest"}.items()):
        net = network(row, form="half")
        known = {w.path: np.asarray(w) for w in method.backbone.weights}
        for weight in net.weights:
            path = weight.path
            if path.startswith("conv1"):
                weight.assign(known[path.replace("conv1", f"conv1_{stem}")])
            else:
                weight.assign(np.split(known[path], 2, axis=-1)[number])
        one = make(row, net)
        (head,), (name,) = one.heads.values(), one.heads
        head.set_weights(method.heads[name].get_weights())
        pair.append(one)
    return pair


def test_a_step_together_is_two_steps_apart(batch):
    """Weights and running averages; and so the halves may be trained apart.

    To 1e-5, where kernels move by 6e-3 or more. Larger steps let the rounding of sums
    in another order choose other maxima to pool.
    """
    method = make(optimizer=keras.optimizers.SGD(1e-3, momentum=0.9))
    pair = apart(method)
    for one in pair:
        one.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    for _ in range(2):
        losses = [float(one.train_step(batch)["loss"]) for one in pair]
        loss = float(method.train_step(batch)["loss"])
        for each in (method, *pair):
            each.reset_metrics()
        np.testing.assert_allclose(loss, sum(losses), rtol=1e-6)
    halves = [{w.path: np.asarray(w) for w in one.backbone.weights} for one in pair]
    for weight in method.backbone.weights:
        path = weight.path
        for number, stem in enumerate(("first", "rest")):
            if f"_{stem}" in path:
                expected = halves[number][path.replace(f"_{stem}", "")]
        if "conv1_" not in path:
            expected = np.concatenate([half[path] for half in halves], axis=-1)
        np.testing.assert_allclose(weight, expected, 1e-5, 1e-5, err_msg=path)
    for one in pair:
        (head,), (name,) = one.heads.values(), one.heads
        for a, b in zip(head.weights, method.heads[name].weights):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_halves_that_were_trained_apart_make_one_evaluation_network(batch):
    """With zeros where the published file has no groups."""
    method = make()
    pair = apart(method)
    for one in (method, *pair):
        one.train_step(batch)
    merged = alexnet.alexnet(
        "evaluation", geometry="small", width=1 / 16, layout="grouped", size=0
    )
    alexnet.carry([one.backbone for one in pair], merged)
    found, expected = merged(batch["image"]), method.backbone(batch["image"])
    for name, value in expected.items():
        near(found[name], value, 1e-4)  # Of weights that a step has rounded apart.


def test_a_network_that_is_not_split_is_refused():
    with pytest.raises(BadInput, match="is not split: the half"):
        make("split", network("split", form="single", pixels="lab"))


@pytest.mark.parametrize(
    "first, rest, asked", [(1, 3, "what L is sees it"), (2, 2, "what a and b are")]
)
def test_either_half_that_sees_what_it_is_asked_is_refused(first, rest, asked):
    """Of the first so many of L, a, b the one, of the last so many the other."""
    images = keras.Input((None, None, 3))
    lab = backbones.layers.Lab(name="lab")(images)
    how = dict(kernel_size=3, strides=8)
    one = keras.layers.Conv2D(4, **how)(lab[..., :first])
    other = keras.layers.Conv2D(4, **how)(lab[..., -rest:])
    top = keras.layers.Concatenate()([one, other])
    pooled = keras.layers.GlobalAveragePooling2D()(top)
    net = keras.Model(images, {"fc7": top, "pooled": pooled})
    with pytest.raises(BadInput, match=f"the half that is asked {asked}"):
        make(net=net)


def test_an_ensemble_of_one_network_is_refused():
    with pytest.raises(BadInput, match="the halves of an ensemble.* share its weights"):
        make("ensemble", network("ensemble", form="single"))


@pytest.mark.parametrize(
    "row, pixels", [("L_ab", "lab"), ("ab_L", "l"), ("split", "l")]
)
def test_a_network_that_sees_what_it_is_asked_is_refused(row, pixels):
    with pytest.raises(
        BadInput, match=f'Build it with pixels="{split_brain.sees(row, depth=True)}"'
    ):
        make(row, network(row, pixels=pixels))


# Each row's own.


@pytest.mark.parametrize("row", ["equation4", "equation5"])
def test_what_a_pass_leaves_out_is_zero_and_changes_nothing(row, batch):
    """L lies around zero there; other images of the same L, or ab, say the same."""
    method = make(row)
    lab = method.lab(batch["image"])
    shown = {one.shown: method.visible(lab, one.shown, batch, True) for one in
             method.row.passes}  # fmt: skip
    np.testing.assert_array_equal(shown["L"][..., 0], lab[..., 0])
    np.testing.assert_array_equal(shown["ab"][..., 1:], lab[..., 1:])
    assert not np.any(shown["L"][..., 1:]) and not np.any(shown["ab"][..., 0])
    if row == "equation5":
        np.testing.assert_array_equal(shown["all"], lab)
    light = np.array(color.rgb_to_lab(batch["image"])) * np.float32([1, 0, 0])
    gray = {**batch, "image": color.lab_to_rgb(light)}
    told, same = (method.answers(each) for each in (batch, gray))
    passes = [one.shown for one in method.row.passes for _ in one.asked]
    apart = {
        shown: np.abs(said - of_gray).max()
        for shown, (_, said), (_, of_gray) in zip(passes, told, same)
    }
    assert apart["L"] < 0.05 * apart["ab"]  # Lab to RGB and back is rounded.


def test_equation_5_weighs_by_lambda(batch):
    for mix in (0.0, 0.2, 0.5):
        found = make("equation5", mix=mix).test_step(batch)
        expected = mix * (found["ab_reg"] + found["L_reg"])
        expected += (1 - 2 * mix) * found["Lab_reg"]
        np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


def test_read_to_the_letter_equation_4_holds_the_rest_to_zero(batch):
    method = make("equation4", literal=True)
    found = method.test_step(batch)
    (_, of_ab), (_, of_light) = method.answers(batch)
    lab = lab_of(batch["image"]) - [50, 0, 0]
    for name, said, asked in (
        ("ab_reg", of_ab, [0, 1, 1]),
        ("L_reg", of_light, [1, 0, 0]),
    ):
        expected = 0.5 * np.square(said - lab * asked).sum(-1).mean()
        np.testing.assert_allclose(found[name], expected, rtol=1e-4)


@pytest.mark.parametrize("drop, keep_scale", [("element", True), ("pixel", False)])
def test_drop50_drops_half_by_the_counters(drop, keep_scale, batch):
    method = make("drop50", drop=drop, keep_scale=keep_scale)
    ones = tf.ones((4, 60, 60, 3))
    kept = method.visible(ones, "dropped", batch, training=True).numpy()
    assert set(np.unique(kept)) == {0, 2 if keep_scale else 1}
    # Of 21600 or 14400 / 3 draws in each image; four deviations are 0.02 and 0.034.
    np.testing.assert_allclose((kept > 0).mean((1, 2, 3)), 0.5, atol=0.034)
    together = (kept[..., :1] == kept).all()
    assert together == (drop == "pixel")
    later = {**batch, "n": batch["n"] + 1}
    moved = method.visible(ones, "dropped", later, training=True).numpy()
    np.testing.assert_array_equal(moved[:3], kept[1:])
    assert (moved[3] != kept[3]).any()
    held_out = method.visible(ones, "dropped", batch, training=False)
    np.testing.assert_array_equal(held_out, ones)


@pytest.mark.parametrize("row", ROWS)
def test_black_images_make_no_nan(row, batch):
    black = {**batch, "image": 0 * batch["image"], "hha": 0 * batch["hha"]}
    method = make(row)
    for _ in range(2):
        assert np.isfinite([float(v) for v in method.train_step(black).values()]).all()
    assert all(np.isfinite(w).all() for w in method.get_weights())


def test_the_unit_divides_what_regression_is_of(batch):
    near, far = (make("Lab_Lab", unit=unit, told=False) for unit in (1.0, 20.0))
    found = [float(m.test_step(batch)["loss"]) for m in (near, far)]
    np.testing.assert_allclose(found[0], 400 * found[1], rtol=1e-5)


# After training; other trunks; what goes in.


def test_what_is_exported_is_the_evaluation_network(batch):
    evaluated = alexnet.Evaluated(geometry="small", width=1 / 16, size=0)
    method = make(evaluated=evaluated)
    method.train_step(batch)
    net = method.deployable()
    kinds = {type(layer).__name__ for layer in net.layers}
    assert not kinds & {"BatchNorm", "Affine"} and net.made_by["builder"] == "alexnet"
    found, expected = net(batch["image"]), method.backbone(batch["image"])
    for name, value in expected.items():
        near(found[name], value)
    twin = SplitBrain.from_config(method.get_config())
    assert twin.deployable().output_shape == net.output_shape


@pytest.mark.parametrize("row", ["RGB_HHA", "HHA_Lab"])
def test_of_a_network_of_depth_conv1_to_pool5_are_exported(row, batch):
    method = make(row)
    method.train_step(batch)
    net, images = method.deployable(), batch[method.sees]
    kinds = {type(layer).__name__ for layer in net.layers}
    assert not kinds & {"BatchNorm", "Affine"}
    assert [*net.output][-2:] == ["pool5", "pooled"] and "fc6" not in net.output
    found, expected = net(images), method.backbone(images)
    for name, value in found.items():
        near(value, expected[name])
    near(found["pooled"], np.mean(found["pool5"], (1, 2)))
    twin = SplitBrain.from_config(method.get_config())
    assert twin.deployable().output_shape == net.output_shape


def test_branches_of_depth_begin_behind_pool5():
    options = dict(form="single", pixels="centred", momentum=0.9)
    net = backbones.build("alexnet", geometry="small", width=1 / 16, **options)
    method = make("HHA_Lab", net, top=None)
    assert method.trunk.output is net.output["pool5"]


def test_of_depth_the_mean_of_what_is_shown_is_the_one_to_beat(batch):
    """Of each channel, over the known pixels: rooms may be far from these."""
    hha = batch["hha"].numpy() / 4 + [0.0, 0.25, 0.5]
    hha[:, :9] = 0
    known = 255 * hha[:, 9:]
    method = make("RGB_HHA")
    found = method.sheet({**batch, "hha": hha.astype("float32")}).figures
    expected = np.abs(known - known.mean((0, 1, 2))).mean((1, 2, 3))
    np.testing.assert_allclose(found["HHA error of their mean"], expected, rtol=1e-4)
    assert found["HHA error of their mean"].mean() < found["HHA error"].mean()
    bare = method.sheet({**batch, "hha": 0 * batch["hha"]}).figures
    assert not np.any([*bare.values()])


def test_two_resnets_side_by_side_are_split_too(batch):
    net = backbones.build("split", half="resnet18", width=1 / 16, stem="small")
    method = make(net=net, top="block4", stride=8)
    losses = [float(method.train_step(batch)["loss"]) for _ in range(2)]
    assert np.isfinite(losses).all()
    assert method.deployable() is net
    folded = fold.folded(net)(batch["image"])["pooled"]
    expected = net(batch["image"])["pooled"]
    np.testing.assert_allclose(folded, expected, rtol=1e-3, atol=1e-4)


def test_a_row_of_depth_is_told_where_it_is_trained():
    with pytest.raises(BadInput, match="train it by split_brain_alexnet_rgbd"):
        split_brain.sees("RGB_HHA")


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(row="splitt"), "Did you mean 'split'"),
        (dict(ab="class"), "ab='class'"),
        (dict(drop="row"), "element, pixel"),
        (dict(top="fc8"), "top='fc8'. Did you mean 'fc7'"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UnknownName, match=message):
        make(**{"net": network("split"), **settings})
    with pytest.raises(BadInput, match="do not lie in images of stored=100"):
        split_brain.Windows(180, 100)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(row="equation5", mix=0.9), "mix=0.9: lambda .* 0, .* to 1/2"),
        (dict(row="equation5", mix=-0.1), "mix=-0.1: lambda"),
        (dict(row="Lab_Lab", unit=0.0), "unit=0.0: .* Give 1 for L"),
        (dict(row="Lab_Lab", unit=-1.0), "unit=-1.0"),
        (dict(row="Lab_Lab", unit=np.nan), "unit=nan"),
        (dict(stride=-4), "stride=-4: give the pixels"),
        (dict(row="L_ab", light="reg"), "light=reg of row=L_ab, .* row=split and row="),
        (dict(row="ab_L", ab="reg"), "ab=reg of row=ab_L, which does not use it"),
        (dict(row="Lab_Lab", drop="pixel"), "it is of row=drop50 alone"),
        (dict(row="split", mix=0.1), "it is of row=equation5 alone"),
        (dict(row="equation5", literal=True), "it is of row=equation4 alone"),
    ],
)
def test_numbers_that_no_run_can_use_are_refused(settings, message):
    with pytest.raises(BadInput, match=message):
        make(**settings)
