"""Means over blocks of voxels."""

from __future__ import annotations

import numpy as np

from commissure.images.grid import block_means


def test_a_block_is_its_mean_and_one_that_is_not_full_is_filled_with_zeros():
    values = np.zeros((4, 4, 3))
    values[:2, :2, :2] = 3.0
    values[2:, 2:, 2] = 8.0
    means = block_means(values, 2, dtype=np.float64)
    assert means.shape == (2, 2, 2)
    assert means[0, 0, 0] == 3.0
    assert means[1, 1, 1] == 4.0
    assert block_means(values, (4, 2, 1)).shape == (1, 2, 3)
    assert block_means(values, 1).dtype == np.float32
