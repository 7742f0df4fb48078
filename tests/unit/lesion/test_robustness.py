"""What is left of a feature when the border is drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.lesion.robustness import (
    distinct_features,
    perturbed_masks,
    volume_shares,
)


@pytest.fixture(scope="module")
def ball():
    grid = np.indices((40, 40, 20)) - np.array([20, 20, 10]).reshape(3, 1, 1, 1)
    return ((grid * np.array([1, 1, 2]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 12**2


def test_borders_move_by_what_was_asked(ball):
    masks = list(perturbed_masks(ball, (1, 1, 2), count=20, seed=1))
    radii = [(3 * mask.sum() * 2 / (4 * np.pi)) ** (1 / 3) for mask in masks]
    assert 0.3 < np.std(radii) < 1.2 and abs(np.mean(radii) - 12) < 0.6
    again = list(perturbed_masks(ball, (1, 1, 2), count=20, seed=1))
    assert all(np.array_equal(a, b) for a, b in zip(masks, again, strict=True))
    still = next(perturbed_masks(ball, (1, 1, 2), count=1, seed=1, shift_mm=0, ripple_mm=1e-9))
    assert np.array_equal(still, ball)


def test_a_mask_of_one_voxel_does_not_vanish():
    mask = np.zeros((9, 9, 9), bool)
    mask[4, 4, 4] = True
    assert all(m.any() for m in perturbed_masks(mask, (1, 1, 1), count=10, seed=2))


def test_what_volume_says_already_is_counted():
    rng = np.random.default_rng(0)
    volume = rng.lognormal(size=200)
    features = np.column_stack(
        [
            np.log(volume),
            -(volume**2),
            rng.normal(size=200),
            np.ones(200),
            np.r_[np.nan, np.ones(199)],
        ]
    )
    shares = volume_shares(features, volume)
    assert shares[:2] == pytest.approx([1, 1]) and shares[2] < 0.03
    assert np.isnan(shares[3:]).all()


def test_of_two_alike_the_first_stays():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(100, 3))
    values = np.column_stack([first, -np.exp(first[:, 0]), np.ones(100)])
    assert distinct_features(values).tolist() == [True, True, True, False, False]
