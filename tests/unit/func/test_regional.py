"""Regional activity: the matrices that clean, and values by region."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.func.denoising import denoised
from commissure.func.regional import (
    Cleaning,
    parcel_values,
    regional_values,
    unfiltered_cleaning,
    voxel_measures,
)
from commissure.images.connectivity_sets import NETWORKS

TR_S, VOLUMES = 2.0, 150
BAND = {"tr_s": TR_S, "low_hz": 0.01, "high_hz": 0.08}


@pytest.fixture(scope="module")
def confounds() -> np.ndarray:
    return np.cumsum(np.random.default_rng(1).normal(size=(VOLUMES, 6)), axis=0)


@pytest.fixture(scope="module")
def good() -> np.ndarray:
    return ~np.isin(np.arange(VOLUMES), [0, 20, 21, 22, 90])


def cleaning(confounds: np.ndarray, good: np.ndarray) -> Cleaning:
    filtered, _ = denoised(np.eye(VOLUMES), confounds, good, order=2, **BAND)
    return Cleaning(unfiltered_cleaning(confounds, good), filtered, good)


def test_the_matrix_does_to_a_series_what_denoising_does(confounds, good):
    series = np.random.default_rng(2).normal(size=(VOLUMES, 4)) + 50
    expected, _ = denoised(series, confounds, good, order=2, **BAND)
    found = cleaning(confounds, good).filtered @ series
    np.testing.assert_allclose(found[good], expected[good], atol=1e-9)


def test_without_filter_it_is_least_squares_on_the_volumes_that_count(confounds, good):
    series = np.random.default_rng(3).normal(size=(VOLUMES, 3)) + 0.3 * confounds[:, :3] + 9
    series[~good] += 1000
    found = (unfiltered_cleaning(confounds, good) @ series)[good]
    model = np.column_stack([np.ones(VOLUMES), np.arange(VOLUMES), confounds])[good]
    expected = series[good] - model @ np.linalg.lstsq(model, series[good], rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_a_ridge_takes_out_half_of_what_has_its_mean_square_whatever_the_length():
    for volumes in (60, 240):
        rng = np.random.default_rng(5)
        good = np.arange(volumes) % 10 != 3
        wave = rng.normal(size=volumes)
        matrix = unfiltered_cleaning(wave[:, None], good, np.array([np.mean(wave[good] ** 2)]))
        trend = np.column_stack([np.ones(volumes), np.arange(volumes)])[good]
        kept = wave[good] - trend @ np.linalg.lstsq(trend, wave[good], rcond=None)[0]
        left = (matrix @ wave)[good] @ kept / (kept @ kept)
        assert left == pytest.approx(0.5, abs=0.04)


def test_a_column_that_is_trend_or_nothing_changes_nothing(confounds, good):
    more = np.column_stack([confounds, np.zeros(VOLUMES), np.arange(VOLUMES, dtype=float)])
    np.testing.assert_allclose(
        unfiltered_cleaning(more, good), unfiltered_cleaning(confounds, good), atol=1e-9
    )


@pytest.fixture(scope="module")
def brain(parcels) -> np.ndarray:
    return parcels.image > 0


def measured(brain, confounds, good, change=1.0, seed=4):
    rng = np.random.default_rng(seed)
    count = brain.sum()
    waves = np.cumsum(rng.normal(size=(VOLUMES, 1)), axis=0) - np.arange(VOLUMES)[:, None] * 0.01
    series = (500 + rng.normal(size=(count, VOLUMES)) + 0.2 * waves.T).astype(np.float32)
    return voxel_measures(
        series * np.float32(change), brain, cleaning(confounds, good), **BAND
    ), series


def test_values_of_voxels_and_their_independence_of_scale(brain, confounds, good):
    first, _ = measured(brain, confounds, good)
    second, _ = measured(brain, confounds, good, change=20.0)
    assert list(first) == ["alff", "falff", "reho"]
    assert np.nanmean(first["alff"]) == pytest.approx(1)
    for name, values in first.items():
        np.testing.assert_allclose(
            second[name], values, rtol=2e-2 if name == "reho" else 2e-3, atol=2e-3
        )


def test_what_does_not_vary_has_no_value_and_what_is_not_asked_for_is_not_computed(
    brain, confounds, good
):
    _, series = measured(brain, confounds, good)
    series[5] = 3
    values = voxel_measures(
        series, brain, cleaning(confounds, good), asked=("falff", "reho"), **BAND
    )
    assert list(values) == ["falff", "reho"]
    assert np.isnan(values["falff"][5]) and np.isnan(values["reho"][5])
    assert np.isfinite(values["falff"]).sum() == len(series) - 1


def test_regions_are_means_of_parcels_and_of_both_sides(parcels, brain):
    which = parcels.image[brain]
    values = which.astype(float)
    by_parcel = parcel_values(values, brain, parcels)
    np.testing.assert_allclose(by_parcel, np.arange(1, len(parcels.names) + 1))
    usable = np.ones(len(parcels.names), bool)
    usable[parcels.names.index("Thalamus_L")] = False
    found = {
        region: value for _, region, value in regional_values({"alff": by_parcel}, usable, parcels)
    }
    members = np.flatnonzero(parcels.labels["network"] == "Limbic")
    assert found["Limbic"] == pytest.approx(np.mean(members + 1))
    assert found["Thalamus"] == parcels.names.index("Thalamus_R") + 1
    assert set(NETWORKS) < set(found) and len(found) == 13


def test_a_parcel_of_which_half_has_no_value_is_missing(parcels, brain):
    which = parcels.image[brain]
    values = np.ones(len(which))
    first = np.flatnonzero(which == 1)
    values[first[: len(first) // 2 + 1]] = np.nan
    found = parcel_values(values, brain, parcels)
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()
