"""Maps that are planted and found."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.registration import apply_transform, moved_points, register
from commissure.images.template import template
from commissure.images.transforms import read_affine, write_affine, write_warp


@pytest.mark.slow
def test_registration_finds_a_known_affine_map_and_its_inverse(tmp_path) -> None:
    rng = np.random.default_rng(0)
    wanted = np.eye(4)
    wanted[:3, :3] += rng.normal(0, 0.04, (3, 3))
    wanted[:3, 3] = rng.normal(0, 4, 3)
    fixed = template("T1w", resolution_mm=4.0)
    person = apply_transform(
        fixed, fixed, [write_affine(np.linalg.inv(wanted), tmp_path / "true.mat")]
    )
    there, back = tmp_path / "there.h5", tmp_path / "back.h5"
    register(fixed, person, kind="affine", initial=np.eye(4), forward=there, inverse=back)
    corners = np.array([[-60, -90, -50, 1], [60, 60, 70, 1], [0, 0, 0, 1.0]]).T
    found = read_affine(there)
    assert (found @ corners)[:3] == pytest.approx((wanted @ corners)[:3], abs=0.8)
    np.testing.assert_allclose(read_affine(back) @ found, np.eye(4), atol=1e-4)


def test_the_same_registration_gives_the_same_transform(tmp_path) -> None:
    """ANTs samples the images at random: without its seed every run would differ."""
    fixed = template("T1w", resolution_mm=6.0)
    rng = np.random.default_rng(1)
    noisy = np.asanyarray(fixed.dataobj) + rng.normal(0, 0.05, fixed.shape)
    moving = nib.Nifti1Image(np.roll(noisy, 1, axis=0).astype(np.float32), fixed.affine)
    found = []
    for name in ("first", "second"):
        file = tmp_path / f"{name}.h5"
        register(fixed, moving, kind="affine", forward=file, inverse=tmp_path / "back.h5")
        found.append(read_affine(file))
    np.testing.assert_array_equal(*found)


def test_points_go_against_the_images_of_a_transform(tmp_path) -> None:
    """What lies at a point of the image that arrives came from where the point is carried."""
    wanted = np.eye(4)
    wanted[:3, :3] += np.random.default_rng(3).normal(0, 0.05, (3, 3))
    wanted[:3, 3] = 4.0, -7.0, 2.0
    fixed = template("T1w", resolution_mm=8.0)
    path = write_warp(np.zeros((3, *fixed.shape)), fixed.affine, tmp_path / "x.h5", after=wanted)
    places = np.array([[10.0, -20.0, 5.0], [-31.0, 12.0, 40.0]])
    expected = places @ wanted[:3, :3].T + wanted[:3, 3]
    assert moved_points(places, path) == pytest.approx(expected, abs=1e-3)
    ramp = np.indices(fixed.shape)[0] * fixed.affine[0, 0] + fixed.affine[0, 3]
    image = nib.Nifti1Image(ramp.astype(np.float32), fixed.affine)
    arrived = np.asarray(apply_transform(image, fixed, [path]).dataobj)
    middle = tuple(n // 2 for n in fixed.shape)
    place = fixed.affine[:3, :3] @ middle + fixed.affine[:3, 3]
    assert arrived[middle] == pytest.approx(moved_points(place[None], path)[0, 0], abs=1e-2)
