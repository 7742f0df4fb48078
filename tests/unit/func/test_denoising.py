"""Denoising: what is planted must go, what is signal must stay."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from nilearn.connectome import ConnectivityMeasure
from nilearn.signal import clean
from sklearn.covariance import EmpiricalCovariance

from commissure.errors import QualityError
from commissure.func.builtin.confounds import expanded
from commissure.func.connectivity import fisher_z
from commissure.func.denoising import (
    DegreesOfFreedom,
    band_passed,
    denoised,
    detrended,
    filtered_run,
    fitted_together,
    in_band_samples,
    interpolated,
    ridge_projection,
)
from commissure.func.regressors import movement_penalties
from commissure.func.strategies import MOTION

BAND = {"tr_s": 2.0, "low_hz": 0.01, "high_hz": 0.08, "order": 2}


def motion_24(volumes: int, rng: np.random.Generator) -> pd.DataFrame:
    walk = np.cumsum(rng.normal(size=(volumes, 6)) * 0.05, axis=0)
    return expanded(pd.DataFrame(walk, columns=list(MOTION)), MOTION).fillna(0.0)


@pytest.mark.parametrize("rank", [0, 34, 36])
def test_degrees_of_freedom_of_240_volumes_at_2_s(rank):
    samples = in_band_samples(240, tr_s=2.0, low_hz=0.01, high_hz=0.08)
    assert DegreesOfFreedom(240, samples, rank).degrees == 67 - rank


def test_in_band_samples_of_short_runs():
    assert in_band_samples(20, tr_s=2.52, low_hz=0.01, high_hz=0.08) == 7
    assert in_band_samples(150, tr_s=2.0, low_hz=0.01, high_hz=0.08) == 42


def test_rank_counts_a_repeated_regressor_once():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(100, 3))
    columns = np.column_stack([columns, 5 * columns[:, 0], np.zeros(100)])
    solver, rank = ridge_projection(columns, np.zeros(5))
    assert rank == pytest.approx(3)
    data = columns @ rng.normal(size=(5, 2))
    np.testing.assert_allclose(columns @ (solver @ data), data, atol=1e-9)
    assert ridge_projection(np.zeros((100, 0)), np.zeros(0))[1] == 0


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("trans_x", 1.0),
        ("rot_z", 0.02),
        ("trans_y_power2", 2**0.5),
        ("rot_x_power2", 0.0004 * 2**0.5),
    ],
)
@pytest.mark.parametrize("volumes", [150, 300, 1200])
def test_movement_is_taken_out_by_the_share_that_its_size_says(name, scale, volumes):
    # A wave of the band, so that the filter leaves its size: root mean square, in mm or mm².
    time = np.arange(volumes) * 2.0
    wave = np.sin(2 * np.pi * 0.03 * time)[:, None]
    good = np.ones(volumes, bool)
    alone = np.sqrt((band_passed(detrended(wave), **BAND) ** 2).mean())
    half = 0.03
    for times, share in ((0.1, 0.01 / 1.01), (1, 0.5), (10, 100 / 101)):
        size = times * (half**2 if name.endswith("_power2") else half)
        motion = wave / alone * size * scale
        penalty = movement_penalties([name], half_mm=half, radius_mm=50.0)
        left, freedom = denoised(wave, motion, good, penalty=penalty, **BAND)
        assert freedom.rank == pytest.approx(share, abs=1e-6)
        assert np.sqrt((left**2).mean()) / alone == pytest.approx(1 - share, abs=1e-6)


def test_a_still_head_keeps_the_signal_that_errs_its_realignment():
    """Realignment follows the brain's own signal by some micrometres (Freire and Mangin 2001)."""
    rng = np.random.default_rng(5)
    signal = band_passed(rng.normal(size=(240, 6)), **BAND)
    signal /= signal.std(axis=0)
    error = 0.007 * signal + 0.003 * rng.normal(size=(240, 6))
    error[:, 3:] /= 50
    good = np.ones(240, bool)
    motion = expanded(pd.DataFrame(error, columns=list(MOTION)), MOTION).fillna(0.0)
    penalty = movement_penalties(list(motion.columns), half_mm=0.03, radius_mm=50.0)
    whole, spent = denoised(signal, motion.to_numpy(), good, **BAND)
    shrunk, kept = denoised(signal, motion.to_numpy(), good, penalty=penalty, **BAND)
    assert whole.std() < 0.4
    assert shrunk.std() > 0.85
    assert spent.rank == pytest.approx(24) and kept.rank < 1


def test_planted_movement_is_removed_and_the_signal_stays():
    rng = np.random.default_rng(4)
    volumes = 240
    motion = motion_24(volumes, rng)
    time = np.arange(volumes) * 2.0
    signal = np.sin(2 * np.pi * 0.037 * time + 0.4)
    artefact = detrended(motion.to_numpy()) @ rng.normal(size=(24, 1))
    artefact *= 10 / artefact.std()
    out_of_band = 3 * np.sin(2 * np.pi * 0.2 * time)[:, None]
    series = signal[:, None] + artefact + out_of_band
    good = np.ones(volumes, bool)
    after, freedom = denoised(series, motion.to_numpy(), good, **BAND)
    never_moved, _ = denoised(signal[:, None] + out_of_band, motion.to_numpy(), good, **BAND)
    assert np.corrcoef(series[:, 0], signal)[0, 1] < 0.3
    np.testing.assert_allclose(after, never_moved, atol=1e-6)
    # 24 of the band's 67 dimensions are gone, and with them about that share of the signal.
    assert np.corrcoef(after[:, 0], signal)[0, 1] > 0.6
    assert freedom.rank == pytest.approx(24)
    assert freedom.degrees == pytest.approx(67 - 24)


def test_censored_volumes_have_no_say_in_the_result():
    rng = np.random.default_rng(9)
    series, motion = rng.normal(size=(120, 4)), motion_24(120, rng).to_numpy()
    good = np.ones(120, bool)
    good[[0, 30, 31, 77, 119]] = False
    plain, freedom = denoised(series, motion, good, **BAND)
    spiked = series.copy()
    spiked[~good] += 1e4
    again, _ = denoised(spiked, motion, good, **BAND)
    assert freedom.retained == 115
    assert np.isnan(plain[~good]).all()
    np.testing.assert_allclose(again[good], plain[good], atol=1e-9)


def test_interpolation_follows_a_smooth_curve_and_holds_the_ends():
    time = np.arange(40.0)
    series = np.sin(time / 6)[:, None]
    good = np.ones(40, bool)
    good[[0, 1, 20]] = False
    filled = interpolated(series, good)
    assert filled[20, 0] == pytest.approx(series[20, 0], abs=1e-3)
    assert filled[0, 0] == filled[1, 0] == series[2, 0]


def test_too_few_good_volumes_are_said_so():
    with pytest.raises(QualityError, match="3 of 10 volumes"):
        interpolated(np.ones((10, 1)), np.arange(10) < 3)


def test_band_pass_keeps_the_band_without_shift():
    time = np.arange(300) * 2.0
    inside, below, above = (np.sin(2 * np.pi * f * time)[:, None] for f in (0.03, 0.002, 0.2))
    passed = band_passed(inside, **BAND)[50:250]
    assert np.corrcoef(passed[:, 0], inside[50:250, 0])[0, 1] > 0.999
    assert passed.std() == pytest.approx(inside.std(), rel=0.05)
    for outside in (below, above):
        assert band_passed(outside, **BAND)[50:250].std() < 0.05


def test_runs_share_the_weight_of_what_means_the_same_in_all():
    """Movement moves the signal by the same weight in both runs, a component by its own in each."""
    rng = np.random.default_rng(21)
    weights, own = rng.normal(size=(12, 3)), rng.normal(size=(2, 1, 3))
    runs, clean_ones = [], []
    for number in range(2):
        motion = motion_24(110, rng).to_numpy()[:, :12]
        component = rng.normal(size=(110, 1))
        signal = rng.normal(size=(110, 3))
        good = np.ones(110, bool)
        good[[5, 60 + number]] = False
        for moved, into in ((1, runs), (0, clean_ones)):
            series = signal + moved * 20 * (motion @ weights + component @ own[number])
            model = np.hstack([motion, component])
            into.append(filtered_run(series, model, good, **BAND))
    after, freedom = fitted_together(runs, shared=12)
    expected, _ = fitted_together(clean_ones, shared=12)
    for one, other in zip(after, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert freedom.rank == pytest.approx(14)
    assert freedom.retained == 216 and freedom.in_band == 30 + 30
    # With a weight of its own in each run for all, twice as many are spent.
    assert fitted_together(runs)[1].rank == pytest.approx(26)


@pytest.mark.parametrize("censored", [(), (30, 31, 77)])
def test_cleaned_series_and_correlations_are_nilearns(censored):
    rng = np.random.default_rng(12)
    series = rng.normal(size=(200, 8)) + np.linspace(0, 3, 200)[:, None]
    motion = motion_24(200, rng).to_numpy()
    good = np.ones(200, bool)
    good[list(censored)] = False
    ours, _ = denoised(series, motion, good, **BAND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn tells its developers of the next release.
        theirs = clean(
            series, confounds=motion, t_r=2.0, low_pass=0.08, high_pass=0.01, detrend=True,
            standardize=None, standardize_confounds=False, filter="butterworth",
            sample_mask=np.flatnonzero(good), butterworth__order=2,
        )  # fmt: skip
        matrix = ConnectivityMeasure(
            EmpiricalCovariance(), kind="correlation", standardize=False
        ).fit_transform([theirs])
    np.testing.assert_allclose(ours[good], theirs, atol=1e-6)
    np.testing.assert_allclose(np.tanh(fisher_z(ours))[np.triu_indices(8, 1)],
                               matrix[0][np.triu_indices(8, 1)], atol=1e-6)  # fmt: skip


def test_a_band_above_nyquist_is_refused():
    with pytest.raises(QualityError, match=r"nothing above 0\.05 Hz"):
        band_passed(np.zeros((50, 1)), tr_s=10.0, low_hz=0.01, high_hz=0.08, order=2)
