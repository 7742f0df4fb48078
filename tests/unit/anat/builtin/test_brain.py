from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import rotate

from commissure.anat.builtin.brain import (
    check_head,
    foreground_litres,
    is_stripped,
    largest_component,
    stripped_mask,
    stripped_notes,
)
from commissure.errors import DatasetError


def _ball_image(ball, radius_mm: float, noise: float = 0.0, flip: bool = False) -> nib.Nifti1Image:
    size = 60
    data = 100 * ball((size,) * 3, (size / 2,) * 3, radius_mm / 4)
    data = data + np.random.default_rng(0).uniform(0, noise, data.shape)
    affine = np.diag([-4.0 if flip else 4.0, 4, 4, 1])
    return nib.Nifti1Image(data.astype(np.float32), affine)


def test_litres_of_a_ball_are_those_of_geometry(ball) -> None:
    # The soft edge of the ball reaches half a voxel (2 mm) beyond its radius.
    expected = 4 / 3 * np.pi * 0.72**3
    assert foreground_litres(_ball_image(ball, 70.0)) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("radius_mm", "noise", "expected"),
    [(70.0, 0.0, True), (95.0, 0.0, False), (70.0, 5.0, True), (95.0, 5.0, False)],
)
def test_a_brain_is_told_from_a_head(ball, radius_mm: float, noise: float, expected: bool) -> None:
    """1.4 litres are a brain and 3.6 litres are a head, with noise around them or without."""
    assert is_stripped(_ball_image(ball, radius_mm, noise)) is expected


@pytest.mark.parametrize("order", [3, 5])
def test_the_ringing_of_a_spline_makes_no_head_of_a_brain(ball, order: int) -> None:
    image = _ball_image(ball, 70.0)
    turned = rotate(np.asarray(image.dataobj), 10, order=order, reshape=False)
    assert foreground_litres(nib.Nifti1Image(turned, image.affine)) > 2.3
    assert is_stripped(nib.Nifti1Image(turned, image.affine))


def test_a_background_that_is_not_zero_makes_no_head_of_a_brain(ball) -> None:
    image = _ball_image(ball, 70.0, noise=2.0)
    shifted = nib.Nifti1Image(np.asarray(image.dataobj) + 40, image.affine)
    assert is_stripped(shifted)
    inside = stripped_mask(shifted).sum() * 4.0**3 / 1e6
    assert inside == pytest.approx(4 / 3 * np.pi * 0.72**3, rel=0.05)


def test_the_setting_decides_and_what_disagrees_is_noted(ball) -> None:
    head, brain = _ball_image(ball, 95.0), _ball_image(ball, 70.0)
    assert is_stripped(head, wanted="yes") and not is_stripped(brain, wanted="no")
    assert not stripped_notes(head, stripped=False, declared=False)
    assert not stripped_notes(brain, stripped=True, declared=True)
    (said,) = stripped_notes(head, stripped=False, declared=True)
    assert "SkullStripped" in said and "with its skull" in said
    (forced,) = stripped_notes(head, stripped=True, declared=None)
    assert "as the setting says" in forced


def test_a_field_of_view_too_small_for_a_brain_is_refused() -> None:
    image = nib.Nifti1Image(np.ones((64, 64, 10), np.float32), np.diag([3.0, 3, 3, 1]))
    with pytest.raises(DatasetError, match=r"sub-01: T1.nii spans 192 x 192 x 30 mm .* 80 mm"):
        check_head(image, who="sub-01", name="T1.nii")


def test_metres_taken_for_millimetres_are_refused(ball) -> None:
    image = nib.Nifti1Image(np.asarray(_ball_image(ball, 70).dataobj), np.diag([40.0, 40, 40, 1]))
    with pytest.raises(DatasetError, match=r"voxels of 40 x 40 x 40 mm; .* at most 5 mm"):
        check_head(image, who="sub-01", name="T1.nii")


def test_an_almost_empty_image_is_refused(ball) -> None:
    with pytest.raises(DatasetError, match=r"only 0\.\d+ litres .* at least 0.4 litres"):
        check_head(_ball_image(ball, 20.0), who="sub-01", name="T1.nii")


def test_the_largest_of_two_parts_is_kept() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[:3, :3, :3], mask[6:8, 6:8, 6:8] = True, True
    kept = largest_component(mask)
    assert kept.sum() == 27
    assert not kept[6:, 6:, 6:].any()
