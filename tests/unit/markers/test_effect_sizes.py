"""Effect sizes and their intervals against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.markers.effect_sizes import covariate_matrix, false_discovery, hedges_g


def with_moments(mean: float, sd: float, n: int, seed: int) -> np.ndarray:
    """A sample whose mean and standard deviation are exactly these."""
    values = np.random.default_rng(seed).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def test_worked_example_of_borenstein_2009():
    # Means 103 and 100, SD 5.5 and 4.5, 50 people each: g = 0.5924, SE = 0.2028 (chapter 4).
    effect = hedges_g(with_moments(103, 5.5, 50, 1), with_moments(100, 4.5, 50, 2))
    assert effect is not None
    assert effect.g == pytest.approx(0.5924, abs=1e-4)
    assert effect.low == pytest.approx(0.5924 - 1.96 * 0.2028, abs=2e-4)
    assert effect.high == pytest.approx(0.5924 + 1.96 * 0.2028, abs=2e-4)
    assert (effect.n_first, effect.n_second) == (50, 50)


def test_three_against_three_by_hand():
    # d = (2 - 5) / 1 = -3; J = 1 - 3 / 15 = 0.8; var(d) = 2/3 + 9/12 = 1.41667.
    effect = hedges_g(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]))
    assert effect is not None
    assert effect.g == pytest.approx(-2.4)
    assert effect.low == pytest.approx(-2.4 - 1.96 * 0.8 * 1.41667**0.5, abs=1e-3)


def test_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(2000):
        effect = hedges_g(rng.normal(0.5, 1, 15), rng.normal(0, 1, 16))
        assert effect is not None
        covered += effect.low <= 0.5 <= effect.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_site_shift_is_removed_and_does_not_widen_the_spread():
    rng = np.random.default_rng(3)
    site = np.tile([0.0, 1.0], 200)
    first, second = rng.normal(0.8, 1, 400), rng.normal(0, 1, 400)
    shift = 10 * np.r_[site, site]
    values = np.r_[first, second] + shift
    plain = hedges_g(values[:400], values[400:])
    adjusted = hedges_g(values[:400], values[400:], shift[:, None])
    assert plain is not None and adjusted is not None
    assert plain.g < 0.3
    assert adjusted.g == pytest.approx(0.8, abs=0.15)


def test_tiny_and_huge_units_give_the_same_effect():
    rng = np.random.default_rng(5)
    first, second = rng.normal(0.3, 1, 20), rng.normal(0, 1, 20)
    plain = hedges_g(first, second)
    for scale in (1e-6, 1e6):
        other = hedges_g(5 * scale + scale * first, 5 * scale + scale * second)
        assert plain is not None and other is not None
        assert other.g == pytest.approx(plain.g, rel=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "covariates"),
    [
        ([1.0, 2], [3.0, 4, 5], None),
        ([2.0, 2, 2], [2.0, 2, 2], None),
        ([1.0, 2, 3], [4.0, 5, 6], [[1.0]] * 3 + [[0.0]] * 3),
    ],
    ids=["too few people", "no spread", "the covariate is the group"],
)
def test_no_effect_where_none_can_be_computed(first, second, covariates):
    matrix = None if covariates is None else np.array(covariates)
    assert hedges_g(np.array(first), np.array(second), matrix) is None


def test_covariates_keep_everyone():
    matrix = covariate_matrix([np.array([30.0, np.nan, 40]), np.array(["f", "m", None])])
    assert matrix.shape == (3, 3)
    assert list(matrix[:, 0]) == [30, 35, 40]


def test_false_discovery_of_benjamini_hochberg_by_hand():
    # n = 4: p(i) * 4 / i = .04, .06, .0533, .9 -> running minimum from the largest.
    q = false_discovery(np.array([0.9, 0.01, 0.04, 0.03]))
    assert list(q) == pytest.approx([0.9, 0.04, 0.16 / 3, 0.16 / 3])
