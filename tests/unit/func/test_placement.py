"""Whether a run that lies wrong beside its T1w image is told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from commissure.func.derivatives import PreprocessedRun
from commissure.func.figures import head_outlines
from commissure.func.placement import TemplateBorder, placement_checks
from commissure.images.template import TEMPLATE

EPI = {"white": 500.0, "grey": 540.0, "fluid": 900.0}
MEASURED = {
    "BoundaryContrastPercent": 9.98,
    "BoundaryRightSignShare": 0.86,
    "BoundaryMirroredRightSignShare": 0.6,
    "BoundaryPointsSeenShare": 0.97,
}


def _run(folded_head, shift_mm=(0.0, 0.0, 0.0), **sidecar: object) -> PreprocessedRun:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -3.0 * np.array([27.5, 27.5, 25.5])
    moved = np.eye(4)
    moved[:3, 3] = shift_mm
    image = folded_head.drawn((56, 56, 52), affine, EPI, moved)
    mask = nib.Nifti1Image((np.asarray(image.dataobj) > 250).astype(np.uint8), affine)
    return PreprocessedRun(TEMPLATE, image, mask, image, pd.DataFrame(), {}, sidecar)


@pytest.fixture(scope="module")
def folded_border(folded_anat) -> TemplateBorder:
    border = TemplateBorder.of(folded_anat)
    assert border is not None
    return border


def test_a_run_in_its_place_passes(folded_head, folded_border):
    checks, notes = placement_checks(_run(folded_head, **MEASURED), folded_border)
    assert not notes
    assert {check.name: check.passed for check in checks} == {
        "boundary_contrast_percent": True,
        "boundary_right_sign": True,
        "boundary_right_sign_over_mirrored": True,
        "boundary_points_seen": None,
        "boundary_offset_mm": True,
    }


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_four_mm_are_seen_whatever_the_sidecar_says(folded_head, folded_border, axis):
    shift = np.zeros(3)
    shift[axis] = 4
    checks, _ = placement_checks(_run(folded_head, shift, **MEASURED), folded_border)
    failed = [check for check in checks if check.passed is False]
    assert [check.name for check in failed] == ["boundary_offset_mm"]
    assert failed[0].value == pytest.approx(4, abs=1)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"BoundaryContrastPercent": 1.5}, "boundary_contrast_percent"),
        (
            {"BoundaryRightSignShare": 0.62, "BoundaryMirroredRightSignShare": 0.5},
            "boundary_right_sign",
        ),
        ({"BoundaryMirroredRightSignShare": 0.83}, "boundary_right_sign_over_mirrored"),
        ({"BoundaryContrastPercent": float("nan")}, "boundary_contrast_percent"),
    ],
)
def test_what_was_measured_before_resampling_can_fail(folded_head, folded_border, changed, name):
    checks, _ = placement_checks(_run(folded_head, **{**MEASURED, **changed}), folded_border)
    assert [check.name for check in checks if check.passed is False] == [name]


def test_what_cannot_be_judged_is_told(folded_head, folded_border):
    run = _run(folded_head)
    checks, notes = placement_checks(run, folded_border)
    assert [check.name for check in checks] == ["boundary_offset_mm"]
    assert len(notes) == 1
    assert "sidecar" in notes[0]
    other = TemplateBorder(folded_border.border, "MNI152NLin6Asym")
    assert placement_checks(run, other)[1] == placement_checks(run, None)[1]
    checks, notes = placement_checks(run, None)
    assert not checks
    assert "no derivatives of a T1w image" in notes[0]


def test_outlines_are_the_persons_own_where_there_are_any(folded_anat):
    own = head_outlines(folded_anat, TEMPLATE, who="sub-01")
    other = head_outlines(folded_anat, "MNI152NLin6Asym", who="sub-01")
    assert own.whose != other.whose == "the template"
    assert own.white.shape == other.white.shape
    litres = [float((np.asarray(o.white.dataobj) > 0.5).sum()) * 1.5**3 / 1e6 for o in (own, other)]
    assert litres[0] == pytest.approx(4 / 3 * np.pi * 0.55**3, rel=0.1)
    assert litres[1] < litres[0]
