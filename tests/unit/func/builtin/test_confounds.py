"""Confounds with known values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.func.builtin.confounds import (
    components,
    confounds_table,
    cosine_drifts,
    dvars,
    expanded,
)
from commissure.func.builtin.realign import Motion
from commissure.func.strategies import SIGNALS

# Frames and answer of the published definition (Power 2012), worked out by hand.
GOLDEN_MOTION = [
    [0, 0, 0, 0, 0, 0],
    [0.1, 0, 0, 0, 0, 0],
    [0.1, 0.2, 0, 0.001, 0, 0],
    [0.1, 0.2, -0.3, 0.001, -0.002, 0.004],
]
GOLDEN_FD = [0.1, 0.25, 0.6]


def table_of(parameters: np.ndarray) -> tuple[pd.DataFrame, dict]:
    rng = np.random.default_rng(1)
    volumes = len(parameters)
    tissues = tuple(
        components(rng.normal(size=(40, volumes)), np.empty((volumes, 0)), tissue=name, count=5)
        for name in ("CSF", "WM")
    )
    signals = {
        name: rng.normal(100, 1, volumes) for name in ("csf", "white_matter", "global_signal")
    }
    return confounds_table(
        Motion(parameters, np.zeros(3)),
        signals,
        rng.normal(1000, 10, (50, volumes)),
        tissues,
        cosine_drifts(volumes, tr_s=2.0, period_s=128.0),
        radius_mm=50.0,
    )


def test_framewise_displacement_is_powers_and_not_available_at_first():
    table, _ = table_of(np.array(GOLDEN_MOTION, float))
    assert np.isnan(table["framewise_displacement"][0])
    np.testing.assert_allclose(GOLDEN_FD, table["framewise_displacement"][1:], atol=1e-12)


def test_standardised_dvars_of_white_noise_is_one():
    noise = np.random.default_rng(2).normal(1000, 20, (4000, 150))
    plain, standardised = dvars(noise)
    assert np.isnan(plain[0])
    assert np.isnan(standardised[0])
    assert np.nanmean(standardised) == pytest.approx(1, abs=0.02)
    assert np.nanmean(plain) == pytest.approx(20 * np.sqrt(2), rel=0.02)


def test_standardised_dvars_shows_the_volume_that_jumps():
    noise = np.random.default_rng(2).normal(1000, 20, (2000, 100))
    noise[:, 40] += 60
    assert np.nanargmax(dvars(noise)[1]) in (40, 41)
    assert np.nanmax(dvars(noise)[1]) > 2


def test_cosines_are_orthonormal_and_slower_than_the_period():
    drifts = cosine_drifts(200, tr_s=2.0, period_s=128.0)
    assert drifts.shape == (200, 6)
    np.testing.assert_allclose(np.eye(6), drifts.T @ drifts, atol=1e-12)
    assert cosine_drifts(20, tr_s=2.0, period_s=128.0).shape == (20, 0)


def test_the_planted_signal_is_the_first_component():
    rng = np.random.default_rng(5)
    wave = np.sin(np.arange(120) / 3)
    series = rng.normal(size=(300, 120)) + np.outer(rng.uniform(1, 2, 300), wave)
    found = components(series, cosine_drifts(120, tr_s=2, period_s=128), tissue="WM", count=3)
    assert abs(np.corrcoef(found.series[:, 0], wave)[0, 1]) > 0.99
    # Variance 1 of noise and about 2.33 / 2 of the wave in every voxel.
    assert found.variance_explained[0] == pytest.approx(0.53, abs=0.05)
    assert found.voxels == 300


def test_expansions_follow_fmriprep():
    table = expanded(pd.DataFrame({"rot_x": [1.0, 3.0, 2.0]}), ("rot_x",))
    assert list(table) == [
        "rot_x", "rot_x_derivative1", "rot_x_power2", "rot_x_derivative1_power2",
    ]  # fmt: skip
    np.testing.assert_array_equal(table["rot_x_derivative1"], [np.nan, 2.0, -1.0])
    np.testing.assert_array_equal(table["rot_x_derivative1_power2"], [np.nan, 4.0, 1.0])


def test_every_column_that_the_strategies_need_is_there():
    table, metadata = table_of(np.array(GOLDEN_MOTION * 3, float))
    for name in ("trans_x", "rot_z", "csf", "white_matter", "global_signal"):
        for ending in ("", "_derivative1", "_power2", "_derivative1_power2"):
            assert f"{name}{ending}" in table
    assert {"dvars", "std_dvars", "a_comp_cor_00"} <= set(table)
    assert metadata["a_comp_cor_00"]["Mask"] == "CSF"
    assert 0 < metadata["a_comp_cor_00"]["VarianceExplained"] < 1


def test_volumes_before_the_steady_state_have_no_part_in_components_and_dvars():
    rng = np.random.default_rng(3)
    noise = rng.normal(1000, 20, (400, 80))
    bright = noise.copy()
    bright[:, :5] += np.array([90, 50, 30, 15, 10])
    drifts = cosine_drifts(80, tr_s=2, period_s=128)
    inside = components(bright, drifts, tissue="CSF", count=3)
    outside = components(bright, drifts, tissue="CSF", count=3, first=5)
    assert (inside.series[:5, 0] ** 2).sum() > 0.5
    assert not outside.series[:5].any()
    np.testing.assert_allclose((outside.series**2).sum(axis=0), 1)

    motion, signals = Motion(np.zeros((80, 6)), np.zeros(3)), dict.fromkeys(SIGNALS, bright[0])
    table, _ = confounds_table(motion, signals, bright, (outside,), drifts, radius_mm=50, first=5)
    assert table["std_dvars"][:6].isna().all()
    np.testing.assert_allclose(table["std_dvars"][6:], dvars(noise[:, 5:])[1][1:])
    marks = table[[f"non_steady_state_outlier{k:02d}" for k in range(5)]]
    np.testing.assert_array_equal(marks, np.eye(80, 5))
