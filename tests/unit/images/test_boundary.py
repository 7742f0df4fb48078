"""A head drawn where it is known to lie: its border, and what an image shows there."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.boundary import boundary_contrast, white_grey_border
from commissure.images.boundary_registration import (
    centred_starts,
    find_placements,
    judge_placement,
    largest_distance_mm,
)
from commissure.images.rigid import rigid_matrix

EPI = {"white": 500.0, "grey": 540.0, "fluid": 900.0}
AWAY = np.array([6.0, -4.0, 9.0, 0.1, -0.05, 0.08])


def _affine(shape: tuple[int, int, int], mm: float) -> np.ndarray:
    affine = np.diag([-mm, mm, mm, 1.0])
    affine[:3, 3] = np.array([mm, -mm, -mm]) * (np.array(shape) - 1) / 2
    return affine


T1W, BOLD = (68, 68, 68), (56, 56, 52)


@pytest.fixture(scope="module")
def border(folded_head):
    affine = _affine(T1W, 2.5)
    white, grey = (folded_head.drawn(T1W, affine, {part: 1.0}) for part in ("white", "grey"))
    return white_grey_border(white, grey, count=6_000)


@pytest.fixture(scope="module")
def bold(folded_head):
    """An echo-planar image of the head where ``AWAY`` takes it, with noise."""
    image = folded_head.drawn(BOLD, _affine(BOLD, 3.0), EPI, rigid_matrix(AWAY, np.zeros(3)))
    noise = np.random.default_rng(2).normal(0, 10, BOLD)
    return nib.Nifti1Image((np.asarray(image.dataobj) + noise).astype(np.float32), image.affine)


def _truth() -> np.ndarray:
    return rigid_matrix(AWAY, np.zeros(3))


def test_the_border_is_where_white_matter_ends(folded_head, border):
    assert len(border) == 6_000
    # Depth is counted from the middle of the head: on slopes it is more than the distance.
    depth = np.abs(folded_head.depth_mm(border.places))
    assert depth.mean() < 0.4
    assert np.percentile(depth, 95) < 1.2
    rise = folded_head.depth_mm(border.grey) - folded_head.depth_mm(border.white)
    assert np.median(rise) > 3.5
    assert rise.min() > 1


def test_structures_leave_the_border_to_cortex(folded_head):
    affine = _affine(T1W, 2.5)
    white, grey, aseg = (
        folded_head.drawn(T1W, affine, values)
        for values in ({"white": 1.0}, {"grey": 1.0}, {"white": 2.0, "grey": 3.0})
    )
    labels = np.rint(np.asarray(aseg.dataobj)).astype(np.int16)
    labels[: T1W[0] // 2][labels[: T1W[0] // 2] == 3] = 8
    aseg = nib.Nifti1Image(labels, affine)
    border = white_grey_border(white, grey, aseg, count=6_000)
    assert len(border) > 500
    # The first half of the array is the right of the head.
    assert border.places[:, 0].max() < 3


def test_contrast_falls_with_distance_and_is_turned_by_inverted_images(border, bold):
    right = boundary_contrast(bold, border, _truth())
    assert right.right_sign > 0.9
    assert right.percent > 6
    assert right.seen > 0.99
    for axis in range(3):
        away = np.eye(4)
        away[axis, 3] = 6
        assert boundary_contrast(bold, border, away @ _truth()).percent < right.percent - 3
    inverted = nib.Nifti1Image(1200 - np.asarray(bold.dataobj), bold.affine)
    assert boundary_contrast(inverted, border, _truth()).right_sign < 0.2


def test_places_without_signal_or_out_of_view_do_not_count(border, bold):
    whole = boundary_contrast(bold, border, _truth())
    data = np.array(bold.dataobj)
    data[:, 34:, :24] *= 0.1
    dropout = boundary_contrast(nib.Nifti1Image(data, bold.affine), border, _truth())
    slab = boundary_contrast(bold.slicer[:, :, 16:36], border, _truth())
    for part in (dropout, slab):
        assert part.seen < 0.95
        assert part.percent == pytest.approx(whole.percent, abs=2)
        assert part.right_sign == pytest.approx(whole.right_sign, abs=0.04)
    away = np.eye(4)
    away[0, 3] = 1000
    nothing = boundary_contrast(bold, border, away)
    assert nothing.seen == 0
    assert np.isnan(nothing.percent)


@pytest.mark.parametrize("sign", [1, -1])
def test_two_mm_and_two_degrees_are_found(border, bold, sign):
    planted = sign * np.array([2, -2, 2, *np.radians([2, 2, -2])])
    start = rigid_matrix(planted, np.zeros(3)) @ _truth()
    (placement,) = find_placements(bold, border, {"near": [start]})
    assert largest_distance_mm(start, _truth(), border) > 4
    # A quarter of a voxel of the T1w image: both are drawn a little too sharp.
    assert largest_distance_mm(placement.matrix, _truth(), border) < 0.65
    (closer,) = find_placements(bold, border, {"truth": [_truth()]})
    assert largest_distance_mm(placement.matrix, closer.matrix, border) < 0.25


def test_the_best_of_several_starts_is_taken(border, bold):
    far = np.eye(4)
    far[:3, 3] = 60
    starts = {"far": [far], "centre": centred_starts(border, AWAY[:3] + 1)}
    best, worst = find_placements(bold, border, starts)
    assert (best.start, worst.start) == ("centre", "far")
    assert largest_distance_mm(best.matrix, _truth(), border) < 0.65
    assert np.array_equal(best.matrix, find_placements(bold, border, starts)[0].matrix)


def test_what_lies_wrong_is_told(border, bold):
    good = judge_placement(bold, border, _truth())
    assert good.offset_mm < 0.65
    assert good.gain > 0.15
    away = np.eye(4)
    away[1, 3] = 4
    assert judge_placement(bold, border, away @ _truth()).offset_mm == pytest.approx(4, abs=0.7)
    fit = judge_placement(bold, border.mirrored(), _truth())
    assert fit.gain < -0.15
