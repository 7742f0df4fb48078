"""The mask by intensity and shape, against masks that are right, too small and too large."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from commissure.anat.image_quality import Summary, tissue_summaries
from commissure.anat.quality import EMPTY_ML, MASK_DICE, MISSED_ML
from commissure.anat.second_mask import compare_masks
from commissure.anat.unexpected import (
    UNEXPECTED_ML,
    bright_ml,
    lesion_by_place,
    unexpected_tissue,
)
from commissure.images.grid import resample_to
from commissure.images.load import load_image
from commissure.images.registration import linear_map
from commissure.images.template import head_brain_mask, template, whole_head

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def real_head(shared_data):
    """A real head of 2 mm, its reference mask, how bright its tissues are, and its place."""
    image = load_image(shared_data / "bids/sub-pu01/anat/sub-pu01_T1w.nii.gz", who="pu01", ndim=3)
    mask = (
        np.asarray(nib.load(shared_data / "references/pu01_desc-deepbet_mask.nii.gz").dataobj) > 0
    )
    data = np.asarray(image.dataobj)
    low, grey, white = np.percentile(data[mask], [4, 40, 85])
    tissues = {
        name: Summary(float(value), 1.0, 1.0, 999)
        for name, value in (("CSF", low), ("GM", grey), ("WM", white))
    }
    brain = nib.Nifti1Image(np.where(mask, data, 0), image.affine)
    to_person = linear_map(template("T1w", resolution_mm=4.0), brain, kind="affine")
    return image, mask, tissues, np.linalg.inv(to_person) @ image.affine


def test_a_right_mask_passes_and_wrong_ones_do_not(real_head) -> None:
    image, mask, tissues, to_template = real_head

    def compared(changed):
        return compare_masks(image, changed, tissues, to_template)

    right = compared(mask)
    assert right.dice > MASK_DICE
    assert right.missed_ml < MISSED_ML
    assert right.empty_ml < EMPTY_ML
    without_vertex = mask.copy()
    height = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(mask.shape), 0, -1))[
        ..., 2
    ]
    without_vertex[height > height[mask].max() - 20] = False
    assert compared(without_vertex).missed_ml > MISSED_ML
    with_scalp = compared(binary_dilation(mask, iterations=6))
    assert with_scalp.empty_ml > EMPTY_ML
    assert not compared(np.roll(mask, 12, axis=1)).dice > MASK_DICE


def test_tissue_is_looked_for_in_the_image_not_in_the_mask(real_head) -> None:
    image, mask, tissues, to_template = real_head
    nothing = compare_masks(image, np.zeros_like(mask), tissues, to_template)
    assert nothing.dice == 0
    assert nothing.missed_ml > 800
    unknown = {name: Summary(1.0, 1.0, 1.0, 9) for name in tissues}
    assert np.isnan(compare_masks(image, mask, unknown, to_template).dice)


@pytest.mark.parametrize(("radius_mm", "seen"), [(15, True), (3, False)])
def test_a_ball_of_fluid_in_white_matter_is_unexpected_unless_it_is_drawn(radius_mm, seen) -> None:
    head = whole_head()
    mask = np.asarray(head_brain_mask().dataobj) > 0
    grid = head.shape, head.affine
    shares = np.stack([resample_to(template(name), *grid) for name in ("GM", "WM", "CSF")])
    data = np.tensordot([600, 1000, 250], shares, axes=1).astype(np.float32)
    tissues = tissue_summaries(data, shares, (2, 2, 2))

    def found(known=None):
        image = nib.Nifti1Image(data, head.affine)
        return unexpected_tissue(image, mask, tissues, head.affine, known=known)

    assert found().volume_ml < 0.5
    place = nib.affines.apply_affine(head.affine, np.moveaxis(np.indices(mask.shape), 0, -1))
    ball = np.linalg.norm(place - [-27, -30, 30], axis=-1) < radius_mm
    data[ball] = 250
    assert (found().volume_ml > UNEXPECTED_ML) is seen
    assert found(ball).volume_ml < 0.5
    lesion = lesion_by_place(nib.Nifti1Image(data, head.affine), mask, shares, head.affine)
    assert (lesion is not None) is seen
    if lesion is not None:
        place = np.asarray(lesion.dataobj) > 0
        assert (place & ball).sum() > 0.9 * ball.sum()
        assert place.sum() < 1.4 * ball.sum()


def test_what_is_brighter_than_white_matter_is_measured(real_head) -> None:
    image, mask, tissues, _ = real_head
    white = tissues["WM"].median
    before = bright_ml(image, mask, white)
    data = np.array(image.dataobj, dtype=np.float32)
    inside = np.argwhere(mask)[::50]
    data[tuple(inside.T)] = 1.6 * white
    after = bright_ml(nib.Nifti1Image(data, image.affine), mask, white)
    assert after - before == pytest.approx(0.008 * len(inside), rel=0.05)
