from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.builtin.intensities import evened, without_rician_bias


@pytest.mark.parametrize("snr", [1.0, 2.0, 3.0, 5.0, 15.0])
def test_the_mean_of_a_magnitude_gives_the_signal_back(snr):
    rng = np.random.default_rng(0)
    sd, true = 20.0, 20.0 * snr
    noise = rng.normal(0, sd, (2, 200_000))
    mean = np.hypot(true + noise[0], noise[1]).mean()
    series = np.full((3, 3, 3, 2), mean, np.float32)
    found = without_rician_bias(series, np.full((3, 3, 3), sd), np.array([False, True]))
    assert np.allclose(found[..., 0], mean)
    assert np.allclose(found[..., 1], true, rtol=0.02 if snr > 1 else 0.05)


def test_where_the_noise_is_unknown_nothing_changes():
    series = np.random.default_rng(1).uniform(1, 100, (4, 4, 4, 3)).astype(np.float32)
    noise = np.zeros((4, 4, 4))
    assert np.array_equal(without_rician_bias(series, noise, np.ones(3, bool)), series)


def test_a_series_is_divided_by_the_brightness_of_another_grid():
    coarse = np.diag([4.0, 4, 4, 1])
    fine = np.diag([2.0, 2, 2, 1])
    field = np.tile(np.linspace(0.8, 1.2, 10)[:, None, None], (1, 10, 10)).astype(np.float32)
    series = np.ones((18, 18, 18, 2), np.float32)
    found = evened(series, fine, field, coarse)
    assert np.allclose(
        found[:, 4, 4, 0],
        1 / np.interp(np.arange(18) / 2, np.arange(10), field[:, 0, 0]),
        atol=1e-4,
    )
