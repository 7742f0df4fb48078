"""Warps that are planted and found."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from commissure.images.registration import apply_transform
from commissure.images.template import template
from commissure.images.transforms import read_affine, write_warp
from commissure.images.warp import (
    Level,
    Warp,
    find_warp,
    jacobian_determinants,
    local_correlation,
    refined_affine,
)

LEVELS = (Level(8, 0.3), Level(10, 0.3))


def planted_shift(shape: tuple[int, ...], *, longest: float) -> np.ndarray:
    """(3, X, Y, Z) in voxels: smooth, different along each axis."""
    noise = np.random.default_rng(0).normal(size=(3, *shape))
    smooth = np.stack([gaussian_filter(part, 5) for part in noise])
    return (smooth * longest / np.abs(smooth).max()).astype(np.float32)


@pytest.fixture(scope="module")
def fixed() -> list[nib.Nifti1Image]:
    return [template("T1w", resolution_mm=mm) for mm in (8.0, 4.0)]


def seen_through(image: nib.Nifti1Image, shift: np.ndarray) -> nib.Nifti1Image:
    """The head whose point x lies at x + shift(x) of ``image``."""
    places = np.indices(image.shape) + shift
    data = map_coordinates(np.asanyarray(image.dataobj), places, order=1)
    return nib.Nifti1Image(data.astype(np.float32), image.affine)


def test_a_planted_warp_is_found_although_the_image_is_shaded(fixed) -> None:
    fine = fixed[-1]
    shift = planted_shift(fine.shape, longest=2.5)
    moving = seen_through(fine, shift)
    shading = np.linspace(0.7, 1.4, fine.shape[0])[:, None, None]
    shaded = nib.Nifti1Image(np.asanyarray(moving.dataobj) * shading, fine.affine)
    warp = find_warp(fixed, shaded, initial=np.eye(4), levels=LEVELS)
    brain = np.asanyarray(fine.dataobj) > 0.3
    # The image was pulled by the shift, so that the way to it is the shift's inverse.
    there = np.indices(fine.shape) + warp.displacement / 4.0
    off = there + [map_coordinates(s, there, order=1) for s in shift] - np.indices(fine.shape)
    before = np.linalg.norm(shift, axis=0)[brain].mean()
    assert np.linalg.norm(off, axis=0)[brain].mean() < min(0.25, 0.4 * before)
    assert warp.jacobian_determinants().min() > 0


def test_the_way_back_leads_to_where_it_started(fixed) -> None:
    fine = fixed[-1]
    shift = planted_shift(fine.shape, longest=2.5)
    warp = Warp(4.0 * shift, fine.affine, np.eye(4))
    back = warp.inverse_displacement() / 4.0
    here = np.indices(fine.shape) + back
    left = back + [map_coordinates(s, here, order=1, mode="nearest") for s in shift]
    inner = (slice(None), *(slice(4, -4) for _ in range(3)))
    assert np.abs(left[inner]).max() < 0.02


def test_itk_reads_what_is_written(fixed, tmp_path) -> None:
    """The composite moves an image as its parts do, and its affine map is the one written."""
    fine = fixed[-1]
    shift = planted_shift(fine.shape, longest=1.5)
    place = np.eye(4)
    place[:3, 3] = 3.0, -5.0, 2.0
    file = write_warp(4.0 * shift, fine.affine, tmp_path / "warp.h5", after=place)
    moved = apply_transform(fine, fine, [file]).get_fdata()
    places = np.indices(fine.shape) + shift + place[:3, 3, None, None, None] / 4.0
    wanted = map_coordinates(np.asanyarray(fine.dataobj), places, order=1)
    np.testing.assert_allclose(moved, wanted, atol=2e-3)
    np.testing.assert_allclose(read_affine(file), place, atol=1e-6)


def test_an_affine_map_is_found_from_20_degrees_off(fixed) -> None:
    angle = np.deg2rad(20)
    wanted = np.eye(4)
    wanted[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    wanted[:3, 3] = 4.0, -6.0, 5.0
    wanted[0, 0] = 1.08
    fine = fixed[-1]
    step = np.linalg.inv(fine.affine) @ np.linalg.inv(wanted) @ fine.affine
    voxel = np.indices(fine.shape).reshape(3, -1)
    places = (step[:3, :3] @ voxel + step[:3, 3:]).reshape(3, *fine.shape)
    data = map_coordinates(np.asanyarray(fine.dataobj), places, order=1).astype(np.float32)
    moving = nib.Nifti1Image(data, fine.affine)
    refined = refined_affine(fixed, moving, initial=np.eye(4))
    corners = np.array([[-60, -90, -40, 1], [60, 60, 70, 1], [0, 0, 0, 1.0]]).T
    assert (refined @ corners)[:3] == pytest.approx((wanted @ corners)[:3], abs=0.5)


def test_local_correlation_sees_what_shading_hides() -> None:
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.normal(size=(24, 24, 24)), 1.0)
    mask = np.zeros(image.shape, bool)
    mask[5:-5, 5:-5, 5:-5] = True
    shaded = 3 * image + 0.2 * np.arange(24)[:, None, None]
    assert local_correlation(image, 3 * image + 7, mask) == pytest.approx(1, abs=1e-3)
    assert local_correlation(image, np.roll(image, 4, axis=0), mask) < 0.2
    assert local_correlation(image, -image, mask) == pytest.approx(-1, abs=1e-3)
    assert np.corrcoef(image[mask], shaded[mask])[0, 1] < local_correlation(image, shaded, mask)


def test_a_fold_has_a_negative_determinant() -> None:
    shift = np.zeros((3, 12, 12, 12), np.float32)
    assert jacobian_determinants(shift) == pytest.approx(1)
    shift[0, 6:] = -3.0
    assert jacobian_determinants(shift).min() < 0
