"""Slices that lost their signal."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.builtin.slice_outliers import dark_slices, excitations


def test_a_slice_that_lost_its_signal_is_dark_and_noise_is_not():
    rng = np.random.default_rng(1)
    predicted = np.full((20, 20, 10, 15), 500.0)
    stack = predicted + rng.normal(0, 40, predicted.shape)
    stack[:, :, 4, 3] *= 0.7
    found = dark_slices(stack, predicted, np.ones((20, 20, 10)), limit_z=4)
    assert np.argwhere(found).tolist() == [[3, 4]]


def test_slices_excited_together_are_lost_together():
    rng = np.random.default_rng(0)
    predicted = np.full((20, 20, 12, 30), 100.0) + rng.normal(0, 1, (20, 20, 12, 30))
    # The gain of each slice and volume varies by some per cent: the joint signal of three varies less.
    stack = predicted * rng.normal(1, 0.035, (1, 1, 12, 30))
    together = np.arange(12) % 4
    lost = np.zeros((30, 12), bool)
    lost[7, together == 1] = lost[20, together == 3] = True
    stack[:, :, together == 1, 7] *= 0.85
    stack[:, :, together == 3, 20] *= 0.85
    mask = np.ones((20, 20, 12))
    joint = dark_slices(stack, predicted, mask, limit_z=4, together=together)
    alone = dark_slices(stack, predicted, mask, limit_z=4)
    assert (joint & lost).sum() == 6
    assert (joint & ~lost).sum() == 0
    assert (alone & lost).sum() < 6


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"SliceTiming": [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]}, [0, 1, 2, 0, 1, 2]),
        ({"MultibandAccelerationFactor": 3}, [0, 1, 0, 1, 0, 1]),
        ({"MultibandAccelerationFactor": 4}, [0, 1, 2, 3, 4, 5]),
        ({"SliceTiming": [0.0, 0.5]}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_the_sidecar_says_which_slices_are_excited_together(metadata, wanted):
    assert excitations(metadata, 6).tolist() == wanted
