"""Realignment of a head whose movement is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.func.builtin.realign import Motion, mean_volume, realign
from commissure.images.rigid import rigid_matrix


def relative_error(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Root mean square error in mm and degrees, up to the common position of all volumes."""
    error = found - true
    error -= error.mean(axis=0)
    return (
        float(np.sqrt((error[:, :3] ** 2).mean())),
        float(np.degrees(np.sqrt((error[:, 3:] ** 2).mean()))),
    )


@pytest.fixture(scope="module")
def found(moving_series) -> Motion:
    series, affine, _ = moving_series
    return realign(series, affine)


def test_known_movement_is_found_to_a_twentieth_of_a_millimetre_and_degree(moving_series, found):
    millimetres, degrees = relative_error(found.parameters, moving_series[2])
    assert millimetres < 0.05
    assert degrees < 0.05


def test_a_gain_of_a_volume_is_no_movement(moving_series, found):
    series, affine, _ = moving_series
    brighter = series[..., :6] * np.array([1, 1.05, 1, 0.95, 1, 1.1], np.float32)
    again = realign(brighter, affine).parameters
    plain = realign(series[..., :6], affine).parameters
    np.testing.assert_allclose(again, plain, atol=0.01)


def test_mean_of_realigned_volumes_is_the_head_at_rest(moving_series, moving_head, found):
    series, affine, true = moving_series
    at_rest = np.linalg.inv(found.matrices()[0]) @ rigid_matrix(true[0], np.zeros(3))
    expected = moving_head.volume(series.shape[:3], affine, at_rest)
    error = (mean_volume(series, affine, found) - expected)[3:-3, 3:-3, 3:-3].std()
    # Nothing is left but the noise, averaged over twelve volumes.
    noise = 0.01 * series.max() / np.sqrt(12)
    assert error < 1.1 * noise


def test_matrices_carry_a_point_of_the_reference_to_the_volume():
    motion = Motion(np.array([[1.0, 2.0, 3.0, 0, 0, np.pi / 2]]), np.zeros(3))
    # A quarter turn about z takes x to y; then the translation.
    expected = [1.0, 12.0, 3.0, 1.0]
    np.testing.assert_allclose(motion.matrices()[0] @ [10.0, 0, 0, 1], expected, atol=1e-12)
    np.testing.assert_allclose(
        motion.matrices()[0], rigid_matrix(motion.parameters[0], np.zeros(3))
    )


@pytest.mark.parametrize(("volume", "slices"), [(6, (18, 20)), (2, (14, 17)), (9, (9, 13))])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_adjacent_slices_that_lost_their_signal_do_not_pull_a_volume_along(
    moving_series, volume, slices, share
):
    series, affine, _ = moving_series
    dimmed = series.copy()
    side = np.linspace(0.2, 1, series.shape[0])[:, None, None]
    dimmed[:, :, slice(*slices), volume] *= 1 - share * side
    apart = realign(dimmed, affine).parameters - realign(series, affine).parameters
    # What no method can know is where the reference lay; it is another where the middle is lost.
    apart -= np.median(apart, axis=0)
    # It was 0.4 to 1.5 mm, and 1.4 mm for all others where the middle volume was the one.
    assert np.abs(apart[:, :3]).max() < 0.05
    assert np.degrees(np.abs(apart[:, 3:])).max() < 0.06


def test_slices_lost_while_the_head_is_turned_do_not_pull_a_volume_along(
    moving_head, moving_series
):
    shape, affine = moving_series[0].shape[:3], moving_series[1]
    poses = np.zeros((9, 6))
    poses[3:6] = (5.0, -3.0, 12.0, 0.2, 0.1, 0.15)
    series = np.stack(
        [moving_head.volume(shape, affine, rigid_matrix(row, np.zeros(3))) for row in poses], -1
    )
    rng = np.random.default_rng(1)
    series += rng.normal(scale=0.01 * series.max(), size=series.shape).astype(np.float32)
    dimmed = series.copy()
    dimmed[:, :, 12:14, 4] *= 0.5
    apart = realign(dimmed, affine).parameters - realign(series, affine).parameters
    # It was 1.4 mm.
    assert np.abs(apart[:, :3]).max() < 0.1
    assert np.degrees(np.abs(apart[:, 3:])).max() < 0.1


def test_a_slice_that_lost_its_signal_does_not_pull_a_volume_along(moving_series):
    series, affine, _ = moving_series
    dimmed = series.copy()
    dimmed[:, :, 18, 6] *= 0.5
    whole, lost = (realign(each, affine).parameters[6] for each in (series, dimmed))
    apart = np.abs(whole - lost)
    # It was 0.44 mm when every point counted.
    assert apart[:3].max() < 0.15
    assert np.degrees(apart[3:]).max() < 0.3
