"""The recipes of the plane: BYOL by default, and the tables of its paper by knobs."""

import keras
import pytest

from sslzoo import recipe
from sslzoo.augment import ablations
from sslzoo.data import sources
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import info_nce

NAME = "info_nce_r50_in1k"


@pytest.fixture
def imagenet(monkeypatch):
    """As many stand-ins as ImageNet has images."""
    source = sources.Synthetic(1281167)
    monkeypatch.setattr(sources, "from_spec", lambda spec, *cache: source)


def light(**knobs):
    """The recipe as it is, but for a network that is built in no time."""
    return recipe.load(NAME, backbone="tiny", **knobs)


def rate_of(plan):
    rate = plan.optimizer().get_config()["learning_rate"]
    return keras.optimizers.schedules.deserialize(rate)


def test_the_small_recipe_is_by_default_that_of_byol():
    """Views, schedule, decay and settings; the steps are compared in test_info_nce."""
    small = dict(data="synthetic:512", test="synthetic:8", backbone="tiny")
    byol, plane = (
        recipe.load(name, **small)
        for name in ("byol_r18w16_cifar10", "info_nce_r18w16_cifar10")
    )
    assert plane.steps == byol.steps == 16 and plane.accumulate == byol.accumulate == 1
    first, second = (plan.optimizer().get_config() for plan in (byol, plane))
    assert set(second.pop("rates").values()) == {1.0} and not first.pop("rates")
    assert first == second
    assert plane.streams.batch_size == byol.streams.batch_size
    examples = [plan.streams.example.get_config() for plan in (byol, plane)]
    assert examples[0] == examples[1]
    one, other = byol.method().made_with, plane.method().made_with
    shared = set(one) & set(other) - {"backbone", "example"}
    assert shared == {"base_tau", "hidden", "outputs", "fresh_target", "steps"}
    assert {k: one[k] for k in shared} == {k: other[k] for k in shared}
    row = [other[k] for k in ("predictor", "target", "beta", "norm", "constant_tau")]
    assert row == ["mlp", "ema", 0.0, "l2", False]


def test_the_ablations_have_the_settings_of_300_epochs(imagenet):
    plan = light()
    rate, method = rate_of(plan), plan.method()
    assert plan.steps == 93835 and float(rate(3127)) == pytest.approx(4.8, rel=1e-3)
    assert float(rate(46917)) == pytest.approx(2.529939, abs=1e-3)
    assert plan.optimizer().decay == 1e-6 and method.base_tau == 0.99
    kernels = {w.path: w.shape for w in method.projector.weights if "kernel" in w.path}
    assert [tuple(s) for s in kernels.values()] == [(16, 4096), (4096, 256)]


def test_smaller_batches_make_the_same_steps_by_accumulation(imagenet):
    """The batch-size study: 4096 images in a step, whatever goes through at once."""
    whole = light(hidden=16)
    for batch, times in ((2048, 2), (256, 16), (64, 64)):
        plan = light(hidden=16, batch_size=batch, accumulate=times)
        assert (plan.steps, plan.accumulate) == (whole.steps, times)
        assert plan.streams.batch_size == batch
        assert float(rate_of(plan)(3127)) == float(rate_of(whole)(3127))
        assert plan.method().steps == whole.method().steps  # Of tau.


def test_the_recipe_of_truly_small_batches_is_that_of_the_appendix(imagenet):
    """As the recipe's head has it: a peak of 0.8, tau from 0.9995."""
    text = recipe.find(NAME).read_text().split('"""')[1].replace("\n", " ")
    words = text.split("73.7 %: ")[1].split(". ")[0].rstrip(".").split()
    plan = light(hidden=16, **dict(word.split("=") for word in words))
    assert plan.streams.batch_size == 512 and plan.accumulate == 1
    assert plan.steps == 1000 * 1281167 // 512
    assert float(rate_of(plan)(10 * 1281167 // 512)) == pytest.approx(0.8, rel=1e-4)
    assert plan.optimizer().decay == 1.5e-6 and plan.method().base_tau == 0.9995


@pytest.mark.parametrize("row", info_nce.ROWS)
def test_each_row_of_the_plane_may_stand_beside_its_figure(row, imagenet):
    predictor, target, beta = row
    knobs = dict(predictor=predictor, target=target, beta=str(beta))
    plan = recipe.load(NAME, **knobs)
    (figure,) = (f for f in info_nce.InfoNCE.figures if f["setting"] == plan.setting)
    assert figure["value"] == info_nce.ROWS[row]
    tuned = [dict(alpha=0.3)] if beta else []
    for other in (*tuned, dict(views="no_color"), dict(epochs=100)):
        assert not recipe.load(NAME, **knobs, **other).setting
    assert recipe.load(NAME, **knobs, jit=True, seed=3).setting == plan.setting


def test_rates_of_their_own_reach_the_optimizer(imagenet):
    for name in (NAME, "info_nce_r18w16_cifar10"):
        plan = recipe.load(
            name, backbone="tiny", predictor_rate="10", projector_rate="1.5", hidden=16
        )
        assert plan.optimizer().rates == {"predictor/*": 10.0, "projector/*": 1.5}


@pytest.mark.parametrize(
    "knobs, said",
    [
        (dict(predictor="none", predictor_rate=10), "it is of predictor=mlp alone"),
        (dict(target="stop", base_tau=0.9), "it is of target=ema alone"),
        (dict(alpha=0.5), "it is of beta above 0 alone"),
        (dict(ridge=0.1), "it is of predictor=ridge alone"),
        (dict(predictor="ridge", target="stop", batch_size=64), "batch_size of 129"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [NAME, "info_nce_r18w16_cifar10"])
def test_what_a_row_has_no_use_for_is_refused(imagenet, name, knobs, said):
    with pytest.raises(BadInput, match=said):
        recipe.load(name, **knobs)


def test_views_are_those_of_the_row(imagenet):
    plan = light(views="no_color")
    assert plan.streams.example.changes == ablations.pair("no_color")
    small = recipe.load("info_nce_r18w16_cifar10", views="crop_color", blur=0.5)
    for view, of_paper in zip(small.streams.example.changes, ablations.pair()):
        assert (view.flip, view.blur, view.solarize) == (0, 0, 0)
        assert view.jitter == of_paper.jitter and view.brighten == "scale"
    with pytest.raises(UnknownName, match="There are: baseline, no_flip"):
        light(views="none")
