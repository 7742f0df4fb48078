"""A head whose white matter is a random pattern, with no symmetry, seen by both images."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter

from commissure.dwi.t1w_placement import AnisotropyMap, find_placement, judge_placement
from commissure.images.rigid import rigid_matrix

#: Voxel to mm of the T1w image (2 mm) and of the diffusion series (3 mm).
T1W = np.array([[2.0, 0, 0, -79], [0, 2, 0, -79], [0, 0, 2, -79], [0, 0, 0, 1]])
DWI = np.array([[-3.0, 0, 0, 88], [0, 3, 0, -89], [0, 0, 3, -89], [0, 0, 0, 1]])


def white_matter(seed: int) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """White matter and the brain mask of a head."""
    index = np.indices((80, 80, 80)) - 39.5
    radius = np.sqrt((index**2 / np.array([32, 38, 30])[:, None, None, None] ** 2).sum(axis=0))
    pattern = gaussian_filter(np.random.default_rng(seed).normal(size=radius.shape), 2.5)
    core = gaussian_filter(np.random.default_rng(9).normal(size=radius.shape), 6)
    core += core[::-1]
    share = 1 / (1 + np.exp(-3 * (pattern / pattern.std() + core / core.std())))
    brain = radius < 1
    share = np.where(brain, share, 0).astype(np.float32)
    return nib.Nifti1Image(share, T1W), nib.Nifti1Image(brain.astype(np.uint8), T1W)


def seen(
    images: tuple[nib.Nifti1Image, nib.Nifti1Image],
    matrix: np.ndarray,
    *,
    slices: slice = slice(60),
) -> AnisotropyMap:
    """FA of the head where a map takes it: from the world of the T1w image to the series'."""
    affine = DWI.copy()
    affine[:3, 3] += DWI[:3, 2] * (slices.start or 0)
    step = np.linalg.inv(T1W) @ np.linalg.inv(matrix) @ affine
    count = len(range(60)[slices])
    share, brain = (
        affine_transform(
            np.asarray(image.dataobj, np.float32),
            step[:3, :3],
            step[:3, 3],
            output_shape=(60, 60, count),
            order=1,
        )
        for image in images
    )
    noise = np.random.default_rng(1).normal(0, 0.05, share.shape)
    inside = brain > 0.5
    fa = np.where(inside, 0.1 + 0.4 * share + noise, 0)
    return AnisotropyMap(fa.astype(np.float32), affine, inside)


def rim_error_mm(found: np.ndarray, true: np.ndarray) -> float:
    rim = 80 * np.vstack([np.eye(3), -np.eye(3)])
    ends = [rim @ matrix[:3, :3].T + matrix[:3, 3] for matrix in (found, true)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).max())


@pytest.mark.parametrize("slices", [slice(60), slice(28, 48)], ids=["whole", "slab"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_moved_head_is_found(seed, slices):
    images = white_matter(3)
    rng = np.random.default_rng(seed)
    pose = np.concatenate([rng.uniform(-10, 10, 3), np.radians(rng.uniform(-8, 8, 3))])
    true = rigid_matrix(pose, np.zeros(3))
    found = find_placement(seen(images, true, slices=slices), *images)
    assert rim_error_mm(found.matrix, true) < 1.0


def test_a_head_far_from_where_its_header_says_is_found():
    images = white_matter(3)
    true = rigid_matrix(np.array([5.0, -60, 70, 0.05, 0, 0.1]), np.zeros(3))
    moved = seen(images, np.eye(4))
    far = AnisotropyMap(moved.fa, true @ moved.affine, moved.brain)
    assert rim_error_mm(find_placement(far, *images).matrix, true) < 1.0


def test_what_lies_right_stays_and_is_called_right():
    images = white_matter(3)
    fit = judge_placement(seen(images, np.eye(4)), *images)
    assert fit.offset_mm < 0.5
    assert fit.likeness - fit.mirrored_likeness > 0.3


def test_a_shift_a_mirror_image_and_another_head_are_told():
    images = white_matter(3)
    shifted = judge_placement(
        seen(images, rigid_matrix(np.r_[0, 5, 0, 0, 0, 0.0], np.zeros(3))), *images
    )
    assert shifted.offset_mm == pytest.approx(5, abs=0.5)
    mirrored = AnisotropyMap(*(vars(seen(images, np.eye(4))).values()))
    mirrored = AnisotropyMap(mirrored.fa[::-1].copy(), mirrored.affine, mirrored.brain[::-1].copy())
    fit = judge_placement(mirrored, *images)
    assert fit.likeness - fit.mirrored_likeness < 0
    other = white_matter(4)
    place = find_placement(seen(other, np.eye(4)), *images).matrix
    laid = seen(other, np.eye(4))
    laid = AnisotropyMap(laid.fa, np.linalg.inv(place) @ laid.affine, laid.brain)
    fit = judge_placement(laid, *images)
    assert fit.likeness - fit.mirrored_likeness < 0.1


def test_an_empty_map_stays_where_its_header_puts_it():
    images = white_matter(3)
    empty = AnisotropyMap(np.zeros((60, 60, 60), np.float32), DWI, np.zeros((60, 60, 60), bool))
    placement = find_placement(empty, *images)
    assert placement.correlation == 0
    assert np.isfinite(placement.matrix).all()
