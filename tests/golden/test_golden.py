"""Published and hand-computed numbers (``golden.json``, each with its source) through public functions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.images.rigid import framewise_displacement
from commissure.intraclass import icc_a1
from commissure.markers.effect_patterns import EffectPattern
from commissure.markers.vulnerability import published_vulnerability
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Timing,
    TissueFractions,
    concentration_factor,
)
from commissure.study.labels.scales import symptom_reduction

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def test_every_number_names_its_source() -> None:
    assert all(entry["source"] for entry in GOLDEN.values())


def test_framewise_displacement() -> None:
    entry = GOLDEN["framewise_displacement"]
    found = framewise_displacement(np.array(entry["motion_mm_rad"], float))
    np.testing.assert_allclose(found, entry["fd_mm"], atol=1e-12)


@pytest.mark.parametrize(("name", "metabolite", "expected"), GOLDEN["water_scale"]["factor"])
def test_water_scale(name: str, metabolite: str, expected: float) -> None:
    entry = GOLDEN["water_scale"]
    voxel = TissueFractions(*entry["gm_wm_csf"])
    timing = Timing(te_s=entry["te_s"], tr_s=entry["tr_s"])
    assert voxel.molal()[2] == pytest.approx(entry["csf_molal"], abs=1e-4)
    found = concentration_factor(
        voxel, metabolite, timing=timing, water_timing=timing, times=RELAXATION_SETS[name]
    )
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("te_s", "name", "expected"), GOLDEN["press_first_point"]["height"])
def test_first_point_of_press(te_s: float, name: str, expected: float) -> None:
    megahertz = GOLDEN["press_first_point"]["frequency_mhz"]
    _, amplitudes = lines_of(
        SPIN_SYSTEMS[name], PulseSequence("press", te_s), frequency_mhz=megahertz
    )
    assert abs(amplitudes.sum()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("d", "expected"), GOLDEN["auc_of_d"]["auc"])
def test_area_of_a_standardised_difference(d: float, expected: float) -> None:
    """Two normal distributions, drawn at their own quantiles."""
    drawn = norm.ppf((np.arange(1500) + 0.5) / 1500)
    y = np.repeat([0, 1], len(drawn))
    scores = np.concatenate([drawn, drawn + d])
    found = auc([pairwise_comparisons(y, scores, np.zeros(len(y)))])
    assert found.value == pytest.approx(expected, abs=1e-3)


def test_panss_response_subtracts_the_floor() -> None:
    entry = GOLDEN["panss_response"]
    assert symptom_reduction(entry["before"], entry["after"]) == pytest.approx(entry["reduction"])


def test_intraclass_correlation() -> None:
    entry = GOLDEN["icc"]
    assert icc_a1(np.array(entry["ratings"])) == pytest.approx(entry["icc_a1"], abs=1e-4)


@pytest.mark.real
@pytest.mark.parametrize("covariates", ["with_age_and_sex", "without_covariates"])
def test_vulnerability_indices(shared_data: Path, covariates: str) -> None:
    entry = GOLDEN["vulnerability"]
    people = pd.read_csv(shared_data / "tables/rvi-example/data.csv")
    traits = people.iloc[:, 5:]
    pattern = EffectPattern(tuple(traits.columns), tuple(entry["pattern"]), "")
    found = published_vulnerability(
        traits,
        pattern,
        controls=(people["DX"] == 0).to_numpy(),
        covariates=people[["Age", "Sex"]].to_numpy(float) if "age" in covariates else None,
    )
    np.testing.assert_allclose(found.rvi[:5], entry[covariates]["rvi"], atol=1e-6)
    np.testing.assert_allclose(found.avi[:5], entry[covariates]["avi"], atol=1e-6)
    if "age" in covariates:
        means = [found.rvi[people["DX"] == group].mean() for group in range(4)]
        np.testing.assert_allclose(means, entry["mean_rvi_by_group"], atol=1e-6)
