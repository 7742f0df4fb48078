from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.tracts import (
    finer_grid,
    label_shares,
    parts_for,
    tract_average,
)


def test_parts_lie_inside_their_voxel():
    affine = np.array([[-4.0, 0, 0, 60], [0, 4, 0, -80], [0, 0, 4, -30], [0, 0, 0, 1]])
    shape, fine = finer_grid((5, 6, 7), affine, 2)
    assert shape == (10, 12, 14)
    # The parts of voxel (1, 2, 3) have its centre as their mean.
    parts = np.array([[i, j, k, 1] for i in (2, 3) for j in (4, 5) for k in (6, 7)])
    assert np.allclose(affine @ [1, 2, 3, 1], (parts @ fine.T).mean(axis=0))
    assert [parts_for(np.diag([s, s, s, 1])) for s in (4.0, 2.0, 2.5)] == [2, 1, 2]


def test_shares_are_the_counted_parts_of_both_hemispheres():
    labels = np.zeros((4, 4, 4))
    labels[:2, :2, :2] = 7
    labels[2, 0, 0] = 8
    labels[3, 3, 3] = 9
    shares = label_shares(labels, {"GCC": [7, 8], "CST_L": [9]}, 2)
    expected = np.zeros((2, 2, 2))
    expected[0, 0, 0], expected[1, 0, 0] = 1, 1 / 8
    assert np.array_equal(expected, shares["GCC"])
    assert shares["CST_L"][1, 1, 1] == pytest.approx(1 / 8)


def test_an_average_counts_white_matter_of_the_label_only():
    fa = np.array([0.8, 0.6, 0.1, 0.9])
    share = np.array([1.0, 0.5, 1.0, 0.2])
    white = np.array([1.0, 0.8, 0.0, 1.0])
    average = tract_average(fa, share, white)
    assert average.voxels == 2
    assert average.value == pytest.approx((0.8 * 1 + 0.6 * 0.4) / 1.4)
    empty = tract_average(fa, share, np.zeros(4))
    assert empty.voxels == 0 and np.isnan(empty.value)


def test_a_loss_everywhere_is_measured_whole():
    rng = np.random.default_rng(3)
    fa, share, white = rng.uniform(0.02, 0.6, 200), rng.uniform(0, 1, 200), rng.uniform(0, 1, 200)
    before = tract_average(fa, share, white)
    after = tract_average(fa - 0.02, share, white)
    assert after.voxels == before.voxels
    assert before.value - after.value == pytest.approx(0.02)
