"""The study of depth: what is said of unseen pictures, as the part that it explains."""

import numpy as np
import pytest
import skimage.color
import sklearn.metrics

from sslzoo import recipe, runner
from sslzoo.errors import BadInput
from sslzoo.methods import split_brain
from sslzoo.papers import depth

SEEN, ALL = 4, 7  # Pictures that are learned from, and those of the file.
ROOMS = {"data": f"rgbd:toyworld:train?count={ALL}&size=64", "count": SEEN}


def plan(row):
    small = recipe.module(recipe.find(depth.RECIPE)).SMALL
    return recipe.load(depth.RECIPE, **{**small, **ROOMS, "row": row, "unit": 10.0})


def cells(pixels):
    """The pixels that are asked, by hand: each 16th, the last at most."""
    at = np.minimum(16 * np.arange(3), pixels.shape[1] - 1)
    return np.float64(pixels)[:, at][:, :, at]


def test_what_is_explained_is_scikit_learns_r2():
    random = np.random.default_rng(0)
    truth, noise = random.normal(50, 20, (90, 3)), random.normal(0, 9, (90, 3))
    wanted = sklearn.metrics.r2_score(
        truth, truth + noise, multioutput="variance_weighted"
    )
    assert depth._r2(truth + noise, truth) == pytest.approx(wanted, rel=1e-9)


def test_who_says_what_is_there_explains_all_of_it_whatever_is_said_of_holes():
    made = plan("RGB_HHA")
    method = runner.untrained(made)
    asked = []

    def right(batch):
        hha = cells(batch["hha"])
        asked.extend(batch["image"])
        said = (255 * hha - split_brain.HHA_MEAN) / 10 + 1e6 * (hha[..., 2:] == 0)
        yield method.row.passes[0].asked[0], said.astype("float32")

    method.answers = right
    told = depth.measure(method, made, seed=0)
    assert told == {"R² HHA": pytest.approx(1, abs=1e-5)}
    # Of the unseen alone, and more than one window of each.
    assert len(asked) == (ALL - SEEN) * depth.WINDOWS
    assert len({image.tobytes() for image in asked}) > ALL - SEEN


def test_light_and_colours_are_those_of_scikit_image():
    made = plan("HHA_Lab")
    method = runner.untrained(made)
    light, ab = method.row.passes[0].asked
    centres = np.array(split_brain.color.AB_BINS)

    def right(batch):
        lab = skimage.color.rgb2lab(cells(batch["image"]))
        yield light, np.float32(lab[..., :1] - 50) / 10
        apart = np.linalg.norm(lab[..., None, 1:] - centres, axis=-1)
        yield ab, np.float32(1e3 * (apart == apart.min(-1, keepdims=True)))

    method.answers = right
    told = depth.measure(method, made, seed=0)
    assert told["R² L"] == pytest.approx(1, abs=1e-4)
    # Bins are ten wide: the rest of colours of about 20.
    assert 0.9 < told["R² ab"] < 1


@pytest.mark.slow
def test_a_network_of_scenes_is_asked_for_classes_and_depth(monkeypatch):
    monkeypatch.setattr(depth, "KNOWN", ("train", 40))
    monkeypatch.setattr(depth, "ASKED", ("test", 20))
    small = recipe.module(recipe.find(depth.RECIPE)).SMALL
    made = recipe.load(depth.RECIPE, **{**small, "row": "RGB_HHA"})
    told = depth.measure(runner.untrained(made), made, seed=0)
    assert {*told} == {*depth.colour.LAYERS, "R² HHA"}
    assert told["R² HHA"] < 0  # The mean of rooms is far from that of scenes.


def test_a_file_without_frames_to_ask_for_is_refused():
    made = plan("RGB_HHA")
    made.streams.source.indices = np.arange(ALL)
    made.streams.source.count = ALL
    with pytest.raises(BadInput, match="none is left to ask for"):
        depth.measure(runner.untrained(made), made, seed=0)


def test_branches_average_as_the_trunk_does():
    """Else a short run is measured by the averages that they began with."""
    made = plan("HHA_Lab").method()
    norms = [
        layer
        for head in made.heads.values()
        for layer in head.layers
        if "bn" in layer.name
    ]
    assert [norm.momentum for norm in norms] == 4 * [0.95]
