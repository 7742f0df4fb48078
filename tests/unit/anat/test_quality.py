from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.anat.quality import (
    GENERAL,
    agent_check,
    contrast_to_noise,
    flagged,
    linear_to_template,
    skull_check,
    template_correlation,
    volume_checks,
)
from commissure.anat.volumes import template_volumes
from commissure.checks import Check
from commissure.images.template import template
from commissure.names import Scan

#: The template, four fifths as large.
GOOD = {name: 0.8 * value for name, value in template_volumes().items()}


def _failed(volumes) -> set[str]:
    return {check.name for check in volume_checks(volumes) if check.passed is False}


def test_a_good_person_fails_nothing() -> None:
    assert _failed(GOOD) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"TIV": 2.3e6}, {"tiv_l"}),
        (
            {"Hippocampus_L": 0.5 * GOOD["Hippocampus_L"]},
            {"hippocampus_left_relative", "hippocampus_asymmetry"},
        ),
    ],
)
def test_each_fault_fails_its_own_check(change: dict, expected: set[str]) -> None:
    assert _failed({**GOOD, **change}) == expected


def test_a_small_hippocampus_flags_itself_and_a_bad_mask_flags_all() -> None:
    small = volume_checks({**GOOD, "Hippocampus_L": 0.6 * GOOD["Hippocampus_L"]})
    assert flagged(small, "Hippocampus_R")
    assert not flagged(small, "SFG_L")
    for name in GENERAL:
        assert flagged([Check(name, 9.0, "<= 1", passed=False)], "SFG_L"), name


def test_contrast_to_noise_is_difference_over_joint_spread() -> None:
    rng = np.random.default_rng(2)
    posterior = np.zeros((3, 20, 20, 20), np.float32)
    posterior[0, :10], posterior[1, 10:] = 1, 1
    t1w = np.where(posterior[0] > 0, rng.normal(60, 3, (20,) * 3), rng.normal(100, 4, (20,) * 3))
    assert contrast_to_noise(t1w, posterior) == pytest.approx(40 / 5, rel=0.05)


def test_the_template_agrees_with_itself_and_not_with_what_lies_elsewhere() -> None:
    image = template("T1w", resolution_mm=4.0)
    data = np.asarray(image.dataobj)
    mask = np.asarray(template("mask", resolution_mm=4.0).dataobj) > 0
    voxels = np.moveaxis(np.indices(data.shape), 0, -1)
    place = (voxels @ image.affine[:3, :3].T + image.affine[:3, 3]).astype(np.float32)
    assert template_correlation(data, mask, place) > 0.9
    assert template_correlation(data, mask, place[..., [0, 2, 1]]) < 0.45
    assert np.isnan(template_correlation(data, mask, place + 500))
    assert linear_to_template(place, mask) == pytest.approx(image.affine, abs=1e-2)


@pytest.mark.parametrize(
    ("radius_mm", "taken", "passed"),
    [(70, True, True), (70, False, False), (95, False, True), (95, True, False), (95, None, None)],
)
def test_a_brain_taken_for_a_head_is_told_and_the_reverse(ball, radius_mm, taken, passed) -> None:
    """1.4 litres are a brain without its skull, 3.6 litres are a head."""
    data = 100 * ball((60,) * 3, (30,) * 3, radius_mm / 4)
    image = nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1]))
    assert skull_check(image, taken).passed is passed
    assert skull_check(None, taken).passed is None


@pytest.mark.parametrize(
    ("entities", "sidecar", "given"),
    [({}, "{}", False), ({"ce": "gad"}, "{}", True), ({}, '{"ContrastBolusAgent": "Gd"}', True)],
)
def test_a_contrast_agent_is_told_by_name_or_sidecar(tmp_path: Path, entities, sidecar, given):
    path = tmp_path / "sub-01_T1w.json"
    path.write_text(sidecar)
    scan = Scan(tmp_path / "sub-01_T1w.nii.gz", {"sub": "01", **entities}, "T1w", [path])
    assert agent_check(scan).passed is not given
