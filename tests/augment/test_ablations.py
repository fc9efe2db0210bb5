"""BYOL's Table 17: what is left of both views in each of its rows."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.augment import ablations, views
from sslzoo.errors import BadInput, UnknownName

# Probabilities of the first view and of the second, in the order of the pipeline:
# flip, jitter, gray, blur, solarize (the sheet of the paper's Tables 6 and 17).
TABLE = {
    "baseline": [(0.5, 0.8, 0.2, 1.0, 0.0), (0.5, 0.8, 0.2, 0.1, 0.2)],
    "no_flip": [(0, 0.8, 0.2, 1.0, 0.0), (0, 0.8, 0.2, 0.1, 0.2)],
    "no_blur": [(0.5, 0.8, 0.2, 0, 0.0), (0.5, 0.8, 0.2, 0, 0.2)],
    "no_color": [(0.5, 0, 0, 1.0, 0.0), (0.5, 0, 0, 0.1, 0.2)],
    "no_jitter": [(0.5, 0, 0.2, 1.0, 0.0), (0.5, 0, 0.2, 0.1, 0.2)],
    "no_grayscale": [(0.5, 0.8, 0, 1.0, 0.0), (0.5, 0.8, 0, 0.1, 0.2)],
    "no_blur_in_2": [(0.5, 0.8, 0.2, 1.0, 0.0), (0.5, 0.8, 0.2, 0, 0.2)],
    "no_solarize_in_2": [(0.5, 0.8, 0.2, 1.0, 0.0), (0.5, 0.8, 0.2, 0.1, 0)],
    "no_blur_no_solarize_in_2": [(0.5, 0.8, 0.2, 1.0, 0.0), (0.5, 0.8, 0.2, 0, 0)],
    "symmetric": [(0.5, 0.8, 0.2, 0.5, 0.2), (0.5, 0.8, 0.2, 0.5, 0.2)],
    "crop_only": [(0, 0, 0, 0, 0), (0, 0, 0, 0, 0)],
    "crop_flip": [(0.5, 0, 0, 0, 0), (0.5, 0, 0, 0, 0)],
    "crop_color": [(0, 0.8, 0.2, 0, 0), (0, 0.8, 0.2, 0, 0)],
    "crop_blur": [(0, 0, 0, 1.0, 0), (0, 0, 0, 0.1, 0)],
}


def test_each_row_leaves_what_it_says():
    assert TABLE.keys() == ablations.ROWS.keys()
    for row, expected in TABLE.items():
        pair = ablations.pair(row)
        found = [tuple(getattr(c, n) for n in ablations.CHANGES) for c in pair]
        assert found == expected, row
        same = dataclasses.replace(pair[0], **dict(zip(ablations.CHANGES, expected[0])))
        assert same == pair[0]  # Strengths are those of the baseline.
        for each in pair:
            assert (each.brightness, each.contrast) == (0.4, 0.4)
            assert (each.saturation, each.hue) == (0.2, 0.1)


def test_where_only_crops_are_left_the_pixels_are_those_of_the_crop():
    image = {"image": np.random.default_rng(0).random((40, 50, 3)).astype("float32")}
    seed = tf.constant([0, 5], tf.int64)
    cropped = views.Views(24, (None, None))(image, seed)
    only = views.Views(24, ablations.pair("crop_only"))(image, seed)
    for name in ("view1", "view2"):
        np.testing.assert_allclose(only[name], cropped[name], atol=1e-6)
    other = views.Views(24, ablations.pair("no_color"))(image, seed)
    assert abs(other["view1"] - cropped["view1"]).numpy().max() > 0.01


def test_a_row_that_there_is_not_is_told():
    with pytest.raises(UnknownName, match="views='no_colour'. Did you mean 'no_color'"):
        ablations.pair("no_colour")


def test_a_row_of_blur_is_refused_where_none_is_blurred():
    """It would be another row under a name of its own."""
    of_blur = {"no_blur", "crop_blur", "no_blur_in_2", "no_blur_no_solarize_in_2"}
    of_blur |= {"symmetric"}  # Which blurs each view as often.
    for row in ablations.ROWS.keys() - of_blur:
        assert all(view.blur == 0 for view in ablations.pair(row, blur=0))
    for row in of_blur:
        with pytest.raises(BadInput, match=f"views='{row}' is of blur, and blur=0"):
            ablations.pair(row, blur=0)
    assert [view.blur for view in ablations.pair(blur=0.5)] == [0.5, 0.05]
