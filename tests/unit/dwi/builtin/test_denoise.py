from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.builtin.denoise import mppca, patch_widths


def noisy_series(shape=(12, 11, 10), volumes=20, sd=30.0):
    """A signal of three components and its version with Gaussian noise."""
    rng = np.random.default_rng(5)
    x, y, z = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    maps = np.stack([1 + x, 1 + np.sin(3 * y), 2 - z * x], axis=-1)
    truth = 400 * maps @ rng.uniform(0.3, 1, (3, volumes))
    return truth, (truth + rng.normal(0, sd, truth.shape)).astype(np.float32)


def test_every_voxel_as_centre_gives_the_numbers_of_dipy():
    from dipy.denoise.localpca import mppca as by_dipy

    _, noisy = noisy_series()
    mask = np.zeros(noisy.shape[:3], bool)
    mask[2:-2, 2:-2, 2:-2] = True
    expected, expected_noise = by_dipy(noisy, mask=mask, patch_radius=2, return_sigma=True)
    found, noise = mppca(noisy, mask, step=1)
    assert np.allclose(expected[mask], found[mask], atol=0.05)
    assert np.allclose(expected_noise[mask], noise[mask], rtol=1e-3)


def test_noise_is_measured_and_removed_to_the_border_with_sparse_patches():
    truth, noisy = noisy_series()
    found, noise = mppca(noisy, np.ones(noisy.shape[:3]), step=2)
    assert noise.mean() == pytest.approx(30.0, rel=0.03)
    # 3 of 20 components stay: the best that can be had is 30 * sqrt(3 / 20) = 11.6.
    assert np.sqrt(np.mean((found - truth) ** 2)) < 15
    dense, _ = mppca(noisy, np.ones(noisy.shape[:3]), step=1)
    assert np.std(found - truth) < 1.05 * np.std(dense - truth)


@pytest.mark.parametrize("volumes", [33, 65, 105, 150, 200, 288, 300])
def test_the_noise_is_right_with_few_volumes_and_with_many(volumes):
    _, noisy = noisy_series((13, 11, 9), volumes)
    _, noise = mppca(noisy, np.ones(noisy.shape[:3]))
    assert noise.mean() == pytest.approx(30.0, rel=0.03)


def test_patches_hold_as_many_voxels_as_there_are_volumes_where_the_image_allows():
    assert patch_widths((96, 96, 60), 65) == (5, 5, 5)
    assert patch_widths((96, 96, 60), 150) == (7, 5, 5)
    assert patch_widths((96, 96, 60), 300) == (7, 7, 7)
    assert patch_widths((96, 96, 6), 300) == (9, 7, 5)
    assert patch_widths((6, 6, 6), 300) == (5, 5, 5)


def test_noise_in_patches_with_fewer_voxels_than_volumes():
    _, noisy = noisy_series((6, 6, 6), 200)
    _, noise = mppca(noisy, np.ones(noisy.shape[:3]))
    assert noise.mean() == pytest.approx(30.0, rel=0.06)


def test_outside_the_mask_nothing_changes_and_nothing_is_nan():
    _, noisy = noisy_series()
    mask = np.zeros(noisy.shape[:3], bool)
    mask[:4] = True
    found, noise = mppca(noisy, mask)
    assert np.array_equal(noisy[~mask], found[~mask])
    assert np.isfinite(found).all() and (noise[~mask] == 0).all() and (noise[mask] > 0).all()


def test_images_narrower_than_a_patch_are_refused():
    with pytest.raises(ValueError, match="narrower than a patch of 5"):
        mppca(np.ones((9, 9, 4, 12)), np.ones((9, 9, 4)))
