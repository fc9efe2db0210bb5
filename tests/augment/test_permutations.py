"""The hundred orders: rows and figures that are recorded of the authors' file."""

import itertools

import numpy as np
import pytest

from sslzoo.augment.permutations import as_matlab, farthest
from sslzoo.errors import BadInput

ROWS = {
    1: 876954321,
    2: 987645213,
    3: 798563142,
    4: 659721834,
    10: 987632451,
    11: 896473215,
    100: 875319426,
}


def test_the_recorded_rows_are_there():
    orders = farthest() + 1
    for row, digits in ROWS.items():
        assert int("".join(map(str, orders[row - 1]))) == digits


def test_they_are_as_far_apart_as_the_file_says():
    orders = farthest()
    assert orders.shape == (100, 9)
    np.testing.assert_array_equal(np.sort(orders, axis=1), [range(9)] * 100)
    pairs = [(a != b).sum() for a, b in itertools.combinations(orders, 2)]
    assert round(np.mean(pairs), 2) == 8.08 and min(pairs) == 2
    counts = [np.bincount(column, minlength=9) for column in orders.T]
    assert {*np.unique(counts)} == {11, 12}
    assert not (orders == np.arange(9)).all(axis=1).any()


def test_more_orders_than_there_are_are_refused():
    assert len({*map(tuple, farthest(6, 3, 0))}) == 6
    for count in (7, 0):
        with pytest.raises(BadInput, match=f"orders={count}: there are 6 of 3 patches"):
            farthest(count, 3, 0)
    with pytest.raises(BadInput, match="orders=362881: there are 362880 of 9"):
        farthest(362_881)


def test_all_orders_are_listed_as_matlab_did():
    three = [[3, 2, 1], [3, 1, 2], [2, 3, 1], [2, 1, 3], [1, 2, 3], [1, 3, 2]]
    assert as_matlab(3).tolist() == three
    assert len({*map(tuple, as_matlab(5))}) == 120


def test_fewer_orders_are_the_first_of_more():
    np.testing.assert_array_equal(farthest(5), farthest()[:5])
