"""Slices that lost their signal."""

from __future__ import annotations

import numpy as np

from commissure.dwi.builtin.slice_outliers import dark_slices


def test_a_slice_that_lost_its_signal_is_dark_and_noise_is_not():
    rng = np.random.default_rng(1)
    predicted = np.full((20, 20, 10, 15), 500.0)
    stack = predicted + rng.normal(0, 40, predicted.shape)
    stack[:, :, 4, 3] *= 0.7
    found = dark_slices(stack, predicted, np.ones((20, 20, 10)), limit_z=4)
    assert np.argwhere(found).tolist() == [[3, 4]]
