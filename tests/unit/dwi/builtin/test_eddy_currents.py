"""What follows the gradient is told from what the head does."""

from __future__ import annotations

import numpy as np

from commissure.dwi.builtin.eddy_currents import linear_in_gradient, without_direction_bias
from commissure.dwi.gradients import quadratic


def test_what_follows_the_direction_is_taken_out_and_what_follows_time_stays(dti):
    directions = dti.even_directions(30)
    true = np.zeros((30, 6))
    true[12:, 0] = 2.0
    true[:, 1] = np.linspace(0, 1, 30)
    bias = quadratic(directions) @ np.random.default_rng(2).normal(0, 0.3, (6, 6))
    found = without_direction_bias(true + bias, directions)
    assert np.allclose(np.diff(true, axis=0), np.diff(found, axis=0), atol=0.08)
    assert np.abs(bias).max() > 0.5


def test_what_is_proportional_to_the_gradient_is_found_beside_outliers(dti):
    directions = dti.even_directions(30)
    slope = np.random.default_rng(0).normal(size=(3, 2))
    values = directions @ slope
    spoilt = values + np.random.default_rng(1).normal(0, 0.01, values.shape)
    spoilt[[3, 11, 20]] += 5
    assert np.allclose(values, linear_in_gradient(spoilt, directions), atol=0.02)
