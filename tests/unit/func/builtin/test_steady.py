"""How many volumes came before the steady state: planted ones are counted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from commissure.func.builtin.steady import non_steady_volumes

#: Mean excess of the first volumes over the steady state, in per cent: what one person's run had.
EXCESS_PERCENT = (3.6, 2.0, 1.1, 0.6, 0.4)


def brain_series(rng, *, volumes=75, excess=(), wave_percent=0.4):
    """Voxels of three tissues with slow waves in common, noise, and an excess that is strong in fluid."""
    steady = np.repeat([1000.0, 820.0, 1350.0], (1500, 1000, 300))
    share = np.repeat([1.0, 0.6, 3.0], (1500, 1000, 300))
    share /= (share * steady).mean() / steady.mean()
    series = np.repeat(steady[:, None], volumes, axis=1)
    wave = gaussian_filter1d(rng.normal(size=volumes), 3)
    series *= 1 + wave_percent / 100 * wave / wave.std()
    series *= 1 + rng.uniform(-0.01, 0.01, (len(steady), 1)) * np.linspace(0, 1, volumes)
    for number, percent in enumerate(excess):
        series[:, number] += steady * share * percent / 100
    return series + rng.normal(scale=15, size=series.shape)


@pytest.mark.parametrize("seed", range(8))
def test_volumes_that_are_bright_by_tenths_of_a_percent_are_counted(seed):
    rng = np.random.default_rng(seed)
    series = brain_series(rng, excess=EXCESS_PERCENT)
    assert non_steady_volumes(series, tr_s=1.26) == len(EXCESS_PERCENT)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_steady_is_left_alone(seed):
    rng = np.random.default_rng(100 + seed)
    series = brain_series(rng)
    assert non_steady_volumes(series, tr_s=1.26) == 0
    series[:, 30] *= 1.05
    assert non_steady_volumes(series, tr_s=1.26) == 0


def test_short_and_constant_series_have_none():
    assert non_steady_volumes(np.ones((50, 40)), tr_s=2.0) == 0
    assert non_steady_volumes(np.random.default_rng(0).normal(100, 1, (50, 2)), tr_s=2.0) == 0


def test_a_series_that_fades_throughout_is_no_approach_to_the_steady_state():
    rng = np.random.default_rng(3)
    series = brain_series(rng) * np.linspace(1.1, 1, 75)
    assert non_steady_volumes(series, tr_s=1.26) == 0
