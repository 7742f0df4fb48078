"""Deformations: exact flows that do not fold."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.phantom.head import deformation

FACTORS = {
    "Hippocampus_L": 0.90,
    "Hippocampus_R": 0.95,
    "SFG_L": 0.93,
    "SFG_R": 1.08,
    "LateralVentricle_L": 1.60,
    "LateralVentricle_R": 0.75,
}


def test_flow_of_a_uniform_expansion_is_exact():
    # v = a x has the flow exp(a) x, with Jacobian exp(3 a), as long as the grid's edge is far away.
    rate = 0.1
    centre = (np.array(deformation.GRID_SHAPE) - 1) / 2 * deformation.GRID_MM
    index = np.indices(deformation.GRID_SHAPE, dtype=np.float32) * deformation.GRID_MM
    away = index - centre[:, None, None, None].astype(np.float32)
    displacement = deformation.exponential(rate * away, squarings=8)
    middle = (slice(12, -12),) * 3
    expected = (np.exp(rate) - 1) * away
    assert np.abs(displacement - expected)[:, *middle].max() < 0.02
    jacobian = deformation.jacobian_determinant(displacement)
    assert np.exp(3 * rate) == pytest.approx(jacobian[middle].mean(), rel=1e-3)


def test_deformations_do_not_fold_and_their_inverse_is_one():
    velocity = deformation.random_velocity(np.random.default_rng(0))
    assert velocity.std() == pytest.approx(deformation.DEFORMATION_SD_MM, rel=0.25)
    warp = deformation.fitted_deformation(FACTORS, velocity)
    assert deformation.jacobian_determinant(warp.displacement).min() > 0.1
    middle = (slice(None), *(slice(4, -4),) * 3)
    there_and_back = warp.inverse + deformation._at_displaced(warp.displacement, warp.inverse)
    assert np.abs(there_and_back[middle]).max() < 0.5
    assert np.sqrt((there_and_back[middle] ** 2).mean()) < 0.01
