"""Age as splines: a straight part, and bends that one penalty holds back."""

from __future__ import annotations

import numpy as np

from commissure.models.age_spline import AgeSpline

AGE = np.concatenate([np.random.default_rng(0).normal(22, 2, 300), np.linspace(30, 80, 100)])


def test_the_first_column_is_straight_and_the_bends_hold_nothing_of_it() -> None:
    columns = AgeSpline().fit_transform(AGE)
    assert np.corrcoef(columns[:, 0], AGE)[0, 1] > 1 - 1e-12
    line = np.column_stack([np.ones_like(AGE), AGE])
    np.testing.assert_allclose(line.T @ columns[:, 1:], 0, atol=1e-6)
    assert np.isclose((columns[:, 1:] ** 2).mean(axis=0).sum(), 1)


def test_a_ridge_on_the_bends_is_the_penalty_on_the_second_derivative() -> None:
    spline = AgeSpline().fit(AGE)
    grid = np.linspace(AGE.min(), AGE.max(), 20001)
    columns = spline.transform(grid)
    second = np.gradient(np.gradient(columns, grid, axis=0), grid, axis=0)[2:-2]
    rough = second.T @ second * (grid[1] - grid[0]) * spline.scale_**2
    np.testing.assert_allclose(rough[1:, 1:], np.eye(columns.shape[1] - 1), atol=0.02)
    assert abs(rough[0, 0]) < 1e-6


def test_it_follows_a_curve_and_stays_level_beyond_the_ages() -> None:
    spline = AgeSpline().fit(AGE)
    columns = np.column_stack([np.ones_like(AGE), spline.transform(AGE)])
    curve = np.sin(AGE / 15)
    left = curve - columns @ np.linalg.lstsq(columns, curve, rcond=None)[0]
    assert np.abs(left).max() < 0.05
    np.testing.assert_array_equal(spline.transform([200.0]), spline.transform([AGE.max()]))


def test_few_ages_leave_the_straight_part_only() -> None:
    assert AgeSpline().fit_transform(np.array([20.0, 30.0, 20.0])).shape == (3, 1)
    np.testing.assert_array_equal(AgeSpline().fit_transform(np.full(4, 20.0)), np.zeros((4, 1)))
