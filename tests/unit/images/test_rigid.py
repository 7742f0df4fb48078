"""Poses and their matrices."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.images.rigid import (
    RigidTarget,
    framewise_displacement,
    rigid_matrix,
    rigid_pose,
    sheared_matrix,
    sheared_pose,
)


def test_a_pose_and_its_matrix_are_each_other_s_inverse():
    pose, centre = np.array([1.0, -2, 3, 0.1, -0.2, 0.3]), np.array([4.0, 5, -6])
    assert np.allclose(pose, rigid_pose(rigid_matrix(pose, centre), centre))
    # Seen from the positive x axis, a positive rotation about x lifts what lies in front (+y).
    lifted = rigid_matrix(np.array([0, 0, 0, np.pi / 2, 0, 0]), np.zeros(3)) @ [0, 1, 0, 1]
    assert np.allclose([0, 0, 1, 1], lifted)


def test_framewise_displacement_adds_millimetres_and_arcs():
    poses = np.array([[0, 0, 0, 0, 0, 0], [0.1, -0.2, 0, 0.01, 0, 0], [0.1, -0.2, 0, 0.01, 0, 0]])
    assert np.allclose([0, 0.3 + 0.5, 0], framewise_displacement(poses))


def test_a_mask_without_a_head_cannot_be_aligned():
    with pytest.raises(ValueError, match="too few"):
        RigidTarget(np.ones((9, 9, 9)), np.diag([-5.0, 5.0, 5.0, 1.0]), np.zeros((9, 9, 9)))


def test_a_sheared_pose_and_its_matrix_are_each_other_s_inverse():
    pose = np.array([1.0, -2, 3, 0.1, -0.2, 0.3, 0.02, -0.03, 0.01])
    centre, along = np.array([4.0, 5, -6]), np.array([0.6, 0.8, 0.0])
    matrix = sheared_matrix(pose, centre, along)
    assert np.allclose(pose, sheared_pose(matrix, centre, along))
    # Nothing but the displacement along the phase encoding differs from the rigid movement.
    apart = (matrix - rigid_matrix(pose[:6], centre)) @ [30.0, -20, 10, 1]
    assert np.allclose(np.cross(apart[:3], along), 0)
    where = rigid_matrix(pose[:6], centre) @ [30.0, -20, 10, 1]
    assert apart[:3] @ along == pytest.approx(pose[6:] @ (where[:3] - centre))
