"""ALFF and fALFF against SciPy's spectra, one series at a time, and against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lombscargle, periodogram

from commissure.func.amplitude import amplitude, frequencies_hz
from commissure.func.denoising import interpolated

TR_S, LOW_HZ, HIGH_HZ = 2.0, 0.01, 0.08


def expected(series: np.ndarray, good: np.ndarray) -> tuple[float, float]:
    """The recipe of XCP-D, step by step: z-score, spectrum, root, band, times two and the SD."""
    kept = series[good] - series[good].mean()
    scale = kept.std()
    if good.all():
        hz, power = periodogram(kept / scale, 1 / TR_S, scaling="spectrum", detrend=False)
        hz, power = hz[1:], power[1:]
    else:
        hz = np.arange(1, len(series) // 2 + 1) / (len(series) * TR_S)
        times_s = np.flatnonzero(good) * TR_S
        # "normalize" gives the share of the sum of squares; a sine of amplitude a has a²/2.
        power = lombscargle(times_s, kept / scale, 2 * np.pi * hz) * 2 / good.sum()
    root = np.sqrt(power)
    band = (hz >= LOW_HZ) & (hz <= HIGH_HZ)
    return 2 * root[band].mean() * scale, root[band].sum() / root.sum()


def measured(series: np.ndarray, good: np.ndarray):
    kept = series[:, good] - series[:, good].mean(axis=1, keepdims=True)
    return amplitude(kept, good, tr_s=TR_S, low_hz=LOW_HZ, high_hz=HIGH_HZ)


@pytest.mark.parametrize("volumes", [120, 121])
@pytest.mark.parametrize("censored", [(), (0,), (7, 8, 9, 50, 119)])
def test_equal_to_scipy_one_series_at_a_time(volumes, censored):
    rng = np.random.default_rng(3)
    series = np.cumsum(rng.normal(size=(5, volumes)), axis=1) + rng.normal(size=(5, volumes))
    good = ~np.isin(np.arange(volumes), censored)
    found = measured(series, good)
    alff, falff = np.transpose([expected(row, good) for row in series])
    np.testing.assert_allclose(found.alff, alff, rtol=1e-5)
    # lombscargle is blind at half the sampling rate, where the sine vanishes.
    np.testing.assert_allclose(found.falff, falff, rtol=1e-5 if good.all() else 2e-2)


def test_a_sine_in_the_band_is_all_of_falff_and_grows_alff_with_its_amplitude():
    volumes = 200
    hz = frequencies_hz(volumes, tr_s=TR_S)
    chosen = hz[np.argmin(np.abs(hz - 0.05))]
    wave = np.sin(2 * np.pi * chosen * np.arange(volumes) * TR_S)
    good = np.ones(volumes, bool)
    found = measured(np.stack([wave, 3 * wave]), good)
    np.testing.assert_allclose(found.falff, 1, atol=1e-4)
    inside = ((hz >= LOW_HZ) & (hz <= HIGH_HZ)).sum()
    np.testing.assert_allclose(found.alff, 2 * np.array([1, 3]) / np.sqrt(2) / inside, rtol=1e-4)


def test_white_noise_has_the_share_of_the_band():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(400, 240))
    found = measured(noise, np.ones(240, bool))
    assert np.mean(found.falff) == pytest.approx((HIGH_HZ - LOW_HZ) / 0.25, abs=0.01)


def test_gaps_cost_less_than_a_spline_over_them_does():
    """Against the spectrum of the whole run; red noise, a fifth censored in blocks of four."""
    rng = np.random.default_rng(8)
    red = np.cumsum(rng.normal(size=(200, 240)), axis=1)
    series = red - red.mean(axis=1, keepdims=True) + 5 * rng.normal(size=(200, 240))
    good = np.ones(240, bool)
    for start in rng.choice(60, 12, replace=False) * 4:
        good[start : start + 4] = False
    whole = measured(series, np.ones(240, bool)).falff
    with_gaps = measured(series, good).falff
    over_gaps = measured(interpolated(series.T, good).T, np.ones(240, bool)).falff
    assert np.abs(with_gaps - whole).mean() < 0.5 * np.abs(over_gaps - whole).mean()


def test_scale_and_mean_do_not_change_falff_and_what_does_not_vary_has_none():
    rng = np.random.default_rng(5)
    series = rng.normal(size=(3, 100))
    good = np.arange(100) % 10 != 3
    first = measured(series, good)
    second = measured(1000 * series + 7, good)
    np.testing.assert_allclose(second.falff, first.falff, rtol=1e-4)
    np.testing.assert_allclose(second.alff, 1000 * first.alff, rtol=1e-4)
    assert np.isnan(measured(np.ones((1, 100)), good).falff[0])
