"""ReHo against Kendall's W worked out by ranks, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from commissure.func.homogeneity import regional_homogeneity

SHAPE, VOLUMES = (6, 5, 4), 40


def kendall_w(series: np.ndarray) -> float:
    """Of K series (K, n), with ties corrected (Kendall & Gibbons)."""
    k, n = series.shape
    ranks = np.array([rankdata(row) for row in series])
    sums = ranks.sum(axis=0)
    ties = sum(
        (np.unique(row, return_counts=True)[1] ** 3.0 - np.unique(row, return_counts=True)[1]).sum()
        for row in series
    )
    return 12 * ((sums - sums.mean()) ** 2).sum() / (k**2 * (n**3 - n) - k * ties)


@pytest.fixture
def volume() -> np.ndarray:
    rng = np.random.default_rng(6)
    return rng.normal(size=(*SHAPE, VOLUMES)) + 0.8 * rng.normal(size=VOLUMES)


def around(volume: np.ndarray, inside: np.ndarray, x: int, y: int, z: int) -> np.ndarray:
    cube = (slice(max(0, x - 1), x + 2), slice(max(0, y - 1), y + 2), slice(max(0, z - 1), z + 2))
    return volume[cube][inside[cube]]


@pytest.mark.parametrize("ties", [False, True])
def test_equal_to_kendalls_w_of_the_27_voxels(volume, ties):
    if ties:
        volume = np.round(volume)
    inside = np.ones(SHAPE, bool)
    found = regional_homogeneity(volume[inside], inside).reshape(SHAPE)
    for x in range(1, SHAPE[0] - 1):
        for y in range(1, SHAPE[1] - 1):
            for z in range(1, SHAPE[2] - 1):
                expected = kendall_w(around(volume, inside, x, y, z))
                assert found[x, y, z] == pytest.approx(expected, rel=1e-5)


def test_at_the_edge_it_is_the_w_of_27_with_the_same_mean_correlation(volume):
    inside = np.ones(SHAPE, bool)
    inside[0, 0, :] = False
    found = np.full(SHAPE, np.nan)
    found[inside] = regional_homogeneity(volume[inside], inside)
    near = around(volume, inside, 0, 2, 1)
    assert len(near) == 18 - 0
    mean = spearmanr(near, axis=1).statistic[np.triu_indices(len(near), 1)].mean()
    assert found[0, 2, 1] == pytest.approx((1 + 26 * mean) / 27, rel=1e-4)
    assert np.isnan(found[5, 4, 3])  # a corner has 8
    assert np.isnan(found[0, 0, 0])


def test_known_answers():
    rng = np.random.default_rng(7)
    shape = (5, 5, 5)
    inside = np.ones(shape, bool)
    wave = rng.normal(size=60)
    same = np.broadcast_to(wave, (125, 60)) * rng.uniform(0.1, 9, (125, 1)) + rng.normal(
        size=(125, 1)
    )
    np.testing.assert_allclose(
        regional_homogeneity(same, inside).reshape(shape)[1:-1, 1:-1, 1:-1], 1, atol=1e-5
    )
    alone = regional_homogeneity(rng.normal(size=(125, 400)), inside).reshape(shape)
    assert alone[1:-1, 1:-1, 1:-1].mean() == pytest.approx(1 / 27, abs=0.006)
    still = regional_homogeneity(np.ones((125, 60)), inside)
    assert np.isnan(still).all()


def test_any_growing_change_of_a_voxels_scale_leaves_it(volume):
    inside = np.ones(SHAPE, bool)
    series = volume[inside]
    changed = np.exp(series / 2) * np.random.default_rng(1).uniform(1, 50, (len(series), 1))
    np.testing.assert_allclose(
        regional_homogeneity(changed, inside), regional_homogeneity(series, inside), rtol=1e-6
    )
