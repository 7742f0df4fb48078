"""Shortfalls of recovery beside what the voxels of the images can give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.definitions import RecoveryGoal
from commissure.outputs import ACQUISITION
from commissure.report.resolution import (
    Attainable,
    _mixed,
    attainable_connectivity,
    attainable_diffusion,
    attainable_volumes,
)
from commissure.report.sections.recovery import content
from commissure.report.shortfalls import Resolution, resolution_of

TRUTH = {"TIV": (1.5e6, 1e5), "Hippocampus_L": (3500.0, 300.0), "Pallidum_L": (1500.0, 0.01)}


def test_the_skull_is_as_large_in_any_voxel_and_a_thin_nucleus_is_not():
    coarse = attainable_volumes(4.0, TRUTH)
    assert abs(coarse["TIV"].mean_percent) < 0.5 < 3 < abs(coarse["Pallidum_L"].mean_percent)
    # Of people who hardly differ, the place of the grid is all that is seen.
    assert coarse["Pallidum_L"].r < 0.1 and coarse["TIV"].r > 0.99
    fine = attainable_volumes(1.5, TRUTH)
    assert abs(fine["Pallidum_L"].mean_percent) < abs(coarse["Pallidum_L"].mean_percent)
    assert attainable_volumes(1.0, TRUTH) == {} == attainable_volumes(float("nan"), TRUTH)


def test_a_voxel_of_white_matter_alone_has_its_tensor():
    # FA and MD of eigenvalues 1.7, 0.3 and 0.3e-3 mm2/s, by their definitions.
    values = np.array([1.7e-3, 0.3e-3, 0.3e-3])
    md = values.mean()
    fa = np.sqrt(1.5 * ((values - md) ** 2).sum() / (values**2).sum())
    assert _mixed(np.array([[1.0, 0, 0]]), fa, md) == pytest.approx((fa, md))
    assert _mixed(np.array([[0, 1.0, 0]]), fa, md) == pytest.approx((0, 0.8e-3), abs=1e-9)
    assert 0 < _mixed(np.array([[0.5, 0.5, 0]]), fa, md)[0] < fa


def test_tracts_beside_grey_matter_lose_more_of_their_fa():
    fa = {"SCR_L": (0.45, 0.02), "CGH_L": (0.45, 0.02)}
    md = dict.fromkeys(fa, (0.00075, 2e-05))
    coarse = attainable_diffusion(4.0, fa, md)
    assert coarse["fa", "CGH_L"].mean_percent < -30 < -15 < coarse["fa", "SCR_L"].mean_percent < 0


def test_reliability_grows_with_minutes_by_spearman_and_brown():
    short, double = attainable_connectivity(8.0) ** 2, attainable_connectivity(16.0) ** 2
    assert double == pytest.approx(2 * short / (1 + short))


@pytest.mark.parametrize(
    ("alone", "verdict", "words"),
    [
        (-9.0, "explained", "voxels of 3 mm alone give −9.0 %: they explain it"),
        (-4.0, "partly", "voxels of 3 mm alone give −4.0 %: they explain a part"),
        (4.0, "not", "voxels of 3 mm alone give 4.0 %: they do not explain it"),
    ],
)
def test_a_bias_is_explained_in_part_or_not(alone, verdict, words):
    key = ("anat", "volume", "Caudate_L")
    known = Resolution({"anat": 3.0}, {key: Attainable([alone], 0.8)}, 5.0)
    said, judged = known.words(key, 0.95, -10.0, RecoveryGoal(r_min=0.9, bias_percent_max=5.0))
    assert (said, judged) == ([words], verdict)
    said, _ = known.words(key, 0.5, 0.0, RecoveryGoal(r_min=0.9, bias_percent_max=5.0))
    assert said == ["voxels of 3 mm alone leave r at 0.80"]


def test_the_section_says_what_coarse_images_allow_and_fine_ones_need_no_word(run):
    inputs = run.input()
    assert resolution_of(inputs.results) is None and not content(inputs, {})["coarse"]
    table = inputs.results.tables[ACQUISITION.path].assign(voxel_mm=4.0)
    tables = {**inputs.results.tables, ACQUISITION.path: table}
    shown = content(replace(inputs, results=replace(inputs.results, tables=tables)), {})
    assert shown["coarse"] and any(row["allowed"] for row in shown["shortfalls"])
