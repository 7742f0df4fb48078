"""The shape of what is left of a marker."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import approx_fprime

from commissure.models.sinh_arcsinh import (
    _slopes,
    fitted_shapes,
    normal_scores,
    shape_sums,
    values_of_scores,
)

SHAPES = np.array([[0.1, -0.2, 0.0], [0.0, 0.2, -0.1], [-0.4, 0.2, 0.0], [0.5, -0.3, 0.0]])


def test_scores_and_values_are_inverse() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(normal_scores(values_of_scores(scores, SHAPES), SHAPES), scores)


def test_slopes_are_those_of_the_log_likelihood() -> None:
    values = np.random.default_rng(1).normal(size=(20, 1))
    known = np.ones((20, 1), dtype=bool)

    def likelihood(shape: np.ndarray) -> float:
        return float(shape_sums(values, known, shape[:, None]).likelihood[0])

    for column in range(3):
        expected = approx_fprime(SHAPES[:, column], likelihood, 1e-7)
        found = _slopes(values, SHAPES[:, [column]]).sum(axis=(1, 2))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_skewed_and_a_heavy_tailed_column_become_normal() -> None:
    scores = np.random.default_rng(2).normal(size=(4000, 3))
    values = values_of_scores(scores, SHAPES)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    found = normal_scores(values, fitted_shapes(values))
    for column in range(3):
        assert stats.kstest(found[:, column], "norm").pvalue > 0.05
        assert np.corrcoef(found[:, column], scores[:, column])[0, 1] > 0.999


def test_ten_values_keep_the_normal_shape_and_gaps_do_not_count() -> None:
    few = np.random.default_rng(3).normal(size=(10, 4))
    shape = fitted_shapes(few)
    assert np.abs(shape[2:]).max() < 0.5
    gaps = np.vstack([few, np.full((5, 4), np.nan)])
    np.testing.assert_array_equal(fitted_shapes(gaps), shape)
