from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.dwi.builtin.sidecars import brain_at_edge
from commissure.dwi.derivatives import PreprocessedSeries
from commissure.dwi.gradients import Gradients
from commissure.dwi.quality import contrast_checks, neighbouring_correlation, series_checks
from commissure.dwi.settings import DwiMeasureSettings


def test_neighbouring_correlation_is_that_of_nearest_directions():
    b = np.array([0.0, 1000, 1000, 1000, 1000])
    near = np.array([np.cos(0.1), np.sin(0.1), 0])
    directions = np.array([[0, 0, 0], [1, 0, 0], -near, [0, 0, 1], [0, np.sin(0.2), np.cos(0.2)]])
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 20, 20, 20))
    series = np.stack([rng.normal(size=one.shape), one, 2 * one + 5, two, -two], axis=-1)
    found = neighbouring_correlation(series, Gradients(b, directions), np.ones(one.shape))
    # Pairs (1, 2) agree perfectly, pairs (3, 4) are opposite.
    assert found == pytest.approx(0.0, abs=1e-5)
    series[..., 4] = two
    found = neighbouring_correlation(series, Gradients(b, directions), np.ones(one.shape))
    assert found == pytest.approx(1.0, abs=1e-5)


def test_the_limits_of_a_series_are_those_of_the_settings(dti):
    bvals, directions = dti.table(12, 1)
    data = np.random.default_rng(0).normal(500, 10, (10, 10, 10, 13)).astype(np.float32)
    series = PreprocessedSeries(
        data=data,
        affine=np.diag([10.0, 10.0, 10.0, 1.0]),
        mask=np.ones(data.shape[:3], bool),
        gradients=Gradients(bvals, directions),
        space="",
        confounds=None,
        sidecar={"Slices": 10, "OutlierSlices": [[1, 2]]},
    )
    strict = {check.name: check for check in series_checks(series, DwiMeasureSettings())}
    assert strict["directions"].passed is False
    assert strict["directions"].limit == ">= 20"
    assert strict["outlier_slices_percent"].value == 100 / 120
    assert strict["brain_litres"].passed is True
    assert "mean_displacement_mm" not in strict
    lenient = series_checks(series, DwiMeasureSettings(min_directions=12))
    assert next(check for check in lenient if check.name == "directions").passed is True


def two_shells(dti, sd):
    b = np.r_[np.zeros(3), np.full(20, 1000.0), np.full(20, 2000.0)]
    directions = np.vstack([np.zeros((3, 3)), dti.even_directions(20), dti.even_directions(20)])
    clean = np.tile(dti.signal(dti.tensor([0, 0, 1], 0.7, 0.8e-3), b, directions), (400, 1))
    noisy = clean + np.random.default_rng(0).normal(0, sd, clean.shape)
    return PreprocessedSeries(
        noisy.reshape(20, 20, 1, -1).astype(np.float32), np.eye(4), np.ones((20, 20, 1), bool),
        Gradients(b, directions), "", None, {},
    ), clean  # fmt: skip


@pytest.mark.parametrize("sd", [10.0, 30.0])
def test_contrast_to_noise_of_each_shell_is_that_of_the_simulation(dti, sd):
    series, clean = two_shells(dti, sd)
    checks = {check.name: check.value for check in contrast_checks(series, series.mask)}
    assert list(checks) == ["cnr_b1000", "cnr_b2000"]
    for name, members in (("cnr_b1000", slice(3, 23)), ("cnr_b2000", slice(23, None))):
        # Noise moves the prediction, too: by a share of six of twenty volumes.
        true = np.sqrt(clean[0, members].var() + 0.3 * sd**2) / sd
        assert checks[name] == pytest.approx(true, rel=0.15)


def test_a_brain_that_leaves_the_image_is_flagged(dti):
    series, _ = two_shells(dti, 10.0)
    for share, passed in ((0.2, True), (0.8, False)):
        cut = replace(series, sidecar={"BrainAtEdge": share})
        checks = {check.name: check for check in series_checks(cut, DwiMeasureSettings())}
        assert checks["brain_at_edge"].passed is passed


@pytest.mark.parametrize(("cut", "passed"), [(0, True), (4, True), (14, False)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_how_much_of_the_brain_was_cut_off_decides(dti, axis, cut, passed):
    index = np.indices((40, 40, 40)) - 19.5
    brain = (index**2).sum(axis=0) < 17**2
    # Four slices take the air and a cap of the brain, fourteen a third of it.
    brain = np.take(brain, range(cut, 40), axis)
    series, _ = two_shells(dti, 10.0)
    seen = replace(series, sidecar={"BrainAtEdge": brain_at_edge(brain)})
    checks = {check.name: check for check in series_checks(seen, DwiMeasureSettings())}
    assert checks["brain_at_edge"].passed is passed
