"""Images of one brain meet midway, whatever their order; another brain and a mirror are seen."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from commissure.images.midway import Place, agreement, midway_maps, midway_warps
from commissure.images.template import template
from commissure.images.warp import Level, jacobian_determinants

MM = 4.0


def brain(seed: int = 1) -> nib.Nifti1Image:
    """The template with a texture that differs between left and right."""
    image = template("T1w", resolution_mm=MM)
    texture = gaussian_filter(np.random.default_rng(seed).normal(size=image.shape), 1.5)
    data = np.asanyarray(image.dataobj) * (1 + 0.25 * texture / texture.std())
    return nib.Nifti1Image(np.clip(data, 0, None).astype(np.float32), image.affine)


def moved(
    image: nib.Nifti1Image, degrees: tuple[float, float, float], mm: tuple[float, float, float]
):
    """The image turned and shifted, and the 4x4 from its mm to those of the result."""
    to_result = np.eye(4)
    to_result[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    to_result[:3, 3] = mm
    step = np.linalg.inv(image.affine) @ np.linalg.inv(to_result) @ image.affine
    data = affine_transform(np.asanyarray(image.dataobj), step[:3, :3], step[:3, 3], order=3)
    return nib.Nifti1Image(np.clip(data, 0, None), image.affine), to_result


@pytest.fixture(scope="module")
def place() -> Place:
    mask = template("mask", resolution_mm=MM)
    inside = nib.Nifti1Image(np.asanyarray(mask.dataobj, dtype=np.float32) - 0.5, mask.affine)
    return Place(np.array([-85.0, -115.0, -75.0]), np.array([85.0, 85.0, 95.0]), inside)


@pytest.fixture(scope="module")
def pair():
    whole = brain()
    return [
        moved(whole, (4.0, -3.0, 5.0), (3.0, -2.0, 1.0)),
        moved(whole, (-4.0, 2.0, -3.0), (-2.0, 1.0, 3.0)),
    ]


@pytest.fixture(scope="module")
def maps(pair, place):
    return midway_maps([image for image, _ in pair], [np.eye(4)] * 2, place, sizes_differ=False)


def corners(matrix: np.ndarray) -> np.ndarray:
    points = np.array([[x, y, z] for x in (-60, 60) for y in (-90, 60) for z in (-40, 70)], float)
    return nib.affines.apply_affine(matrix, points)


def test_two_poses_are_found_and_each_goes_half_of_the_way(pair, maps):
    found = maps[1] @ np.linalg.inv(maps[0])
    true = pair[1][1] @ np.linalg.inv(pair[0][1])
    assert np.abs(corners(found) - corners(true)).max() < 0.5
    # What both starts have in common stays: the mean of the two poses is where they started.
    middle = (corners(maps[0]) + corners(maps[1])) / 2
    assert np.abs(middle - corners(np.eye(4))).max() < 1.0


def test_the_order_of_images_does_not_matter(pair, maps, place):
    images = [image for image, _ in pair]
    swapped = midway_maps(images[::-1], [np.eye(4)] * 2, place, sizes_differ=False)
    assert np.array_equal(swapped[1], maps[0]) and np.array_equal(swapped[0], maps[1])


def test_scale_is_found_and_shared(place):
    whole = brain()
    larger = nib.Nifti1Image(whole.dataobj, np.diag([1.02, 1.02, 1.02, 1]) @ whole.affine)
    found = midway_maps([whole, larger], [np.eye(4)] * 2, place, sizes_differ=True)
    scales = [np.linalg.det(matrix[:3, :3]) for matrix in found]
    assert scales[1] / scales[0] == pytest.approx(1.02**3, rel=2e-3)
    assert scales[0] * scales[1] == pytest.approx(1, rel=2e-3)


def test_displacements_share_the_change_and_have_no_mean(place):
    whole = brain()
    # A ball around the middle that swells by about a fifth.
    voxel = np.stack(np.meshgrid(*map(np.arange, whole.shape), indexing="ij"))
    centre = np.array(whole.shape)[:, None, None, None] / 2
    away = voxel - centre
    distance = np.sqrt((away**2).sum(axis=0))
    source = voxel - 0.07 * away * np.exp(-((distance / 6) ** 4))
    from scipy.ndimage import map_coordinates

    data = map_coordinates(np.asanyarray(whole.dataobj), source, order=3).clip(0)
    images = [whole, nib.Nifti1Image(data, whole.affine)]
    rounds = (((4.0,), (Level(15, 0.3),)), ((4.0,), (Level(15, 0.3),)))
    found = midway_warps(images, [np.eye(4)] * 2, place, rounds=rounds)
    assert np.abs(found.values.sum(axis=0)).max() < 1e-4
    middle = nib.affines.apply_affine(whole.affine, centre.ravel())
    at = np.stack(np.meshgrid(*map(np.arange, found.values.shape[2:]), indexing="ij"), axis=-1)
    near = np.linalg.norm(nib.affines.apply_affine(found.affine, at) - middle, axis=-1) < 12
    volume = [jacobian_determinants(field / np.float32(4))[near].mean() for field in found.values]
    true = 1 / (1 - 0.07) ** 3
    assert volume[1] / volume[0] == pytest.approx(true, abs=0.35 * (true - 1))
    assert volume[0] < 1 < volume[1]


def test_a_mirror_and_another_brain_are_told_from_the_same(pair, maps, place):
    images = [image for image, _ in pair]
    straight, mirrored = agreement(images, maps, place)
    assert straight[0, 1] > 0.8 > mirrored[0, 1]
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    image = images[1]
    turned = nib.Nifti1Image(image.dataobj, flip @ image.affine)
    straight, mirrored = agreement([images[0], turned], [maps[0], flip @ maps[1] @ flip], place)
    assert mirrored[0, 1] > 0.8 > straight[0, 1]
