"""One cloud of people, whatever its shape, is one cloud."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from commissure.errors import DatasetError
from commissure.subtypes.significance import (
    background_variance,
    neighbours,
    sigclust,
    valley_counts,
    valley_p,
)


def test_the_cluster_index_of_a_gaussian_is_known():
    """Halving a normal variate leaves 1 - 2 / pi of its variance."""
    values = np.random.default_rng(1).normal(size=(1500, 1))
    test = sigclust(values, np.random.default_rng(1), simulations=39)
    assert test.index == pytest.approx(1 - 2 / np.pi, abs=0.03)
    assert test.expected == pytest.approx(1 - 2 / np.pi, abs=0.01)
    assert test.p > 0.05


def test_two_clusters_are_no_gaussian_and_gaussians_are():
    rng = np.random.default_rng(2)
    apart = rng.normal(size=(120, 8))
    apart[:60, 0] += 6
    assert sigclust(apart, rng, simulations=99).p == 0.01
    p = [sigclust(np.random.default_rng(s).normal(size=(60, 4)), rng, simulations=39).p
         for s in range(60)]  # fmt: skip
    assert np.mean(np.array(p) <= 0.05) < 0.15


def test_columns_that_go_together_make_no_cluster():
    """The noise of Liu et al. lies above nearly all eigenvalues there, and would find two."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(150, 6)) @ rng.normal(size=(6, 60)) + 0.3 * rng.normal(size=(150, 60))
    by_entries = (1.4826 * np.median(np.abs(values - np.median(values)))) ** 2
    assert background_variance(values - values.mean(axis=0)) < 0.1 * by_entries
    assert sigclust(values, rng, simulations=99).p > 0.05


def test_noise_of_a_wide_table_is_its_variance():
    values = np.random.default_rng(3).normal(scale=2, size=(60, 400))
    assert background_variance(values - values.mean(axis=0)) == pytest.approx(4, rel=0.1)


def test_people_who_are_all_alike_are_refused():
    with pytest.raises(DatasetError, match="all people have the same values"):
        sigclust(np.ones((20, 3)), np.random.default_rng(0))


def test_people_are_counted_in_three_windows():
    """Windows of a third of the distance: about -3, about 0, about 3."""
    centres = np.array([[-3.0, 0], [3.0, 0]])
    places = np.array([-4.1, -3.9, -3, -2.1, -1.9, -0.9, 0, 0.5, 1.1, 2.5, 5])
    values = np.column_stack([places, np.linspace(-9, 9, len(places))])
    assert valley_counts(centres, values, (0, 1)) == (3, 3, 1)
    assert valley_counts(centres, values, (1, 0)) == (1, 3, 3)
    # A person who is nearer to a third centre than to the midpoint does not count.
    third = np.vstack([centres, [[0.0, -6.0]]])
    near = np.array([[0.0, -5.0], [0.0, 5.0]])
    assert valley_counts(third, near, (0, 1)) == (0, 1, 0)


def test_the_p_of_a_valley_is_the_larger_of_two_binomial_tests():
    assert valley_p(20, 5, 30) == pytest.approx(float(binom.cdf(5, 25, 0.5)))
    assert valley_p(5, 5, 30) > 0.5
    assert valley_p(0, 0, 0) == 1.0


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential"])
def test_a_cloud_with_one_summit_has_no_valley(shape):
    rng = np.random.default_rng(8)
    draw = {"normal": rng.standard_normal, "uniform": lambda n: rng.uniform(-1.7, 1.7, n),
            "exponential": lambda n: rng.exponential(size=n) - 1}[shape]  # fmt: skip
    found = [
        valley_p(*valley_counts(np.array([[-0.9], [0.9]]), draw(200)[:, None], (0, 1))) <= 0.05
        for _ in range(400)
    ]
    assert np.mean(found) <= 0.05


def test_neighbours_are_the_spanning_tree():
    centres = np.array([[0.0], [10.0], [1.0], [2.5]])
    assert sorted(tuple(sorted(pair)) for pair in neighbours(centres)) == [(0, 2), (1, 3), (2, 3)]
