"""Poses of the head."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.images.rigid import framewise_displacement, rigid_matrix, rigid_pose


def test_poses_go_to_matrices_and_back() -> None:
    rng = np.random.default_rng(3)
    centre = np.array([3.0, -12.0, 20.0])
    for pose in rng.normal(0, (2, 2, 2, 0.2, 0.2, 0.2), (5, 6)):
        matrix = rigid_matrix(pose, centre)
        assert np.linalg.det(matrix) == pytest.approx(1)
        np.testing.assert_allclose(rigid_pose(matrix, centre), pose, atol=1e-9)


def test_framewise_displacement_of_power() -> None:
    moved = np.array(
        [[0, 0, 0, 0, 0, 0], [0.1, 0, 0, 0, 0, 0], [0.1, 0.2, 0, 0.001, 0, 0],
         [0.1, 0.2, -0.3, 0.001, -0.002, 0.004]],
    )  # fmt: skip
    np.testing.assert_allclose(framewise_displacement(moved), [0, 0.1, 0.25, 0.6], atol=1e-12)
