from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.builtin.gibbs import not_fit_for_unringing, without_ringing


def rung_and_true(size=64, finer=4):
    """A slice of two discs as a scanner samples it, and as its voxels truly are."""
    n = size * finer
    y, x = np.mgrid[:n, :n] - n / 2
    discs = np.where(np.hypot(x, y / 1.3) < 70, 1000.0, 0) + np.where(
        np.hypot(x - 20, y + 10) < 25, 600.0, 0
    )
    k = np.fft.fftshift(np.fft.fft2(discs))
    part = slice((n - size) // 2, (n + size) // 2)
    rung = np.abs(np.fft.ifft2(np.fft.ifftshift(k[part, part]))) / finer**2
    # The middle of a voxel lies half of it beyond its first fine sample.
    shifted = np.roll(discs, (finer // 2, finer // 2), (0, 1))
    inside = (np.hypot(x, y / 1.3) < 60) & (np.hypot(x - 20, y + 10) > 32)
    true = shifted.reshape(size, finer, size, finer).mean((1, 3))
    return rung, true, inside[::finer, ::finer]


def stacked(image):
    return np.repeat(image[:, :, None, None], 2, 2).astype(np.float32)


def test_rings_vanish_from_what_is_flat_and_edges_stay():
    rung, true, flat = rung_and_true()
    clean = without_ringing(stacked(rung), np.ones((64, 64, 2)))[..., 0, 0]
    assert rung[flat].std() > 10
    assert clean[flat].std() < 0.35 * rung[flat].std()
    assert np.sqrt(np.mean((clean - true) ** 2)) < np.sqrt(np.mean((rung - true) ** 2))


def test_lines_outside_the_box_of_the_mask_stay_and_inside_it_is_as_with_all():
    rung, _, _ = rung_and_true()
    mask = np.zeros((64, 64, 2))
    mask[20:40, 22:50] = 1
    whole = without_ringing(stacked(rung), np.ones((64, 64, 2)))
    part = without_ringing(stacked(rung), mask)
    assert np.allclose(whole[20:40, 22:50], part[20:40, 22:50], atol=1e-2)
    assert np.array_equal(part[:15], stacked(rung)[:15])


def test_a_constant_image_stays_as_it_is():
    image = np.full((32, 24, 3, 1), 500, np.float32)
    assert np.allclose(without_ringing(image, np.ones((32, 24, 3))), 500, atol=1e-2)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, ""),
        ({"AcquisitionMatrixPE": 96, "ReconMatrixPE": 96, "PartialFourier": 1}, ""),
        ({"AcquisitionMatrixPE": 110, "ReconMatrixPE": 128}, "interpolated 110 lines to 128"),
        ({"PartialFourier": 0.75}, "75 % of k-space"),
    ],
)
def test_what_the_sidecar_says_against_it(metadata, reason):
    said = not_fit_for_unringing(metadata)
    assert reason in said if reason else not said
