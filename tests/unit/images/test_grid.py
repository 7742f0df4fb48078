"""Images on other grids."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.grid import block_affine, block_means, coarser, fast_block_means, resample_to
from commissure.images.load import zooms_mm

OBLIQUE = np.array([[-2.0, 0.1, 0, 40], [0.1, 2.0, 0.2, -60], [0, -0.2, 2.5, -30], [0, 0, 0, 1]])


def test_a_linear_image_is_the_same_on_every_grid() -> None:
    """Trilinear interpolation is exact for intensities that are linear in millimetres."""
    slope = np.array([0.3, -0.2, 0.5])
    voxels = np.moveaxis(np.indices((20, 22, 18)), 0, -1)
    data = (nib.affines.apply_affine(OBLIQUE, voxels) @ slope).astype(np.float32)
    shape, affine = (8, 9, 7), np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = nib.affines.apply_affine(OBLIQUE, [12, 4, 3])
    affine[0, 0] = -3.0
    affine[:3, 3] = nib.affines.apply_affine(OBLIQUE, [6, 4, 3])
    found = resample_to(nib.Nifti1Image(data, OBLIQUE), shape, affine)
    expected = (
        nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) @ slope
    ).astype(np.float32)
    inner = found != 0
    assert inner.mean() > 0.5
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)


def test_coarser_voxels_hold_the_same_amount_in_the_same_place() -> None:
    data = np.zeros((48, 40, 44), np.float32)
    data[16:30, 12:28, 14:30] = 1
    image = nib.Nifti1Image(data, np.diag([1.0, 1.0, 1.0, 1.0]))
    small = coarser(image, 4.0)
    assert zooms_mm(small.affine) == pytest.approx((4, 4, 4))
    amount = np.asanyarray(small.dataobj)
    assert amount.sum() * 64 == pytest.approx(data.sum(), rel=0.01)
    for values, affine in ((amount, small.affine), (data, image.affine)):
        place = np.average(np.argwhere(values > 0), axis=0, weights=values[values > 0])
        middle = nib.affines.apply_affine(affine, place)
        np.testing.assert_allclose(middle, [22.5, 19.5, 21.5], atol=0.3)


def test_a_block_is_its_mean_and_one_that_is_not_full_is_filled_with_zeros():
    values = np.zeros((4, 4, 3))
    values[:2, :2, :2] = 3.0
    values[2:, 2:, 2] = 8.0
    means = block_means(values, 2, dtype=np.float64)
    assert means.shape == (2, 2, 2)
    assert means[0, 0, 0] == 3.0
    assert means[1, 1, 1] == 4.0
    assert block_means(values, (4, 2, 1)).shape == (1, 2, 3)
    assert block_means(values, 1).dtype == np.float32


def test_the_fast_means_leave_out_what_fills_no_block() -> None:
    values = np.random.default_rng(2).normal(100, 10, (9, 8, 5)).astype(np.float32)
    means = fast_block_means(values, (4, 2, 1))
    assert means.shape == (2, 4, 5)
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, block_means(values[:8], (4, 2, 1)), rtol=1e-6)
    middle = block_affine((4, 2, 1)) @ [0, 0, 0, 1]
    np.testing.assert_array_equal(middle, [1.5, 0.5, 0, 1])
