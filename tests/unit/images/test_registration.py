"""Maps that are planted and found."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.registration import apply_transform, register
from commissure.images.template import template
from commissure.images.transforms import read_affine, write_affine


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
