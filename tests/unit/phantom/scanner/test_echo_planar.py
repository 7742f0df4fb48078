"""What echo-planar series share: movement."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.images.rigid import framewise_displacement
from commissure.phantom.scanner.echo_planar import (
    box_places,
    drawn_motion,
    fine_head,
    voxel_boxes,
    voxel_means,
)


def test_motion_has_the_mean_displacement_asked_for():
    motion = drawn_motion(150, 0.23, np.random.default_rng(4))
    assert framewise_displacement(motion)[1:].mean() == pytest.approx(0.23)
    assert np.all(motion[0] == 0)
    assert np.abs(drawn_motion(20, 0.0, np.random.default_rng(4))).max() == 0


def test_a_moved_head_is_seen_where_it_went(template_head):
    head = fine_head(template_head, 6.0, pose=np.zeros(6))
    assert np.linalg.det(head.affine[:3, :3]) < 0  # Stored as scanners' converters do.
    fine = np.zeros(head.template_mm.shape[:3], np.float32)
    fine[30:34, 20:24, 24:28] = 1
    boxes = voxel_boxes(fine)
    rest = np.indices(head.shape).reshape(3, -1).astype(np.float32)
    assert box_places(head, rest, np.zeros(6)) == pytest.approx(2 * rest, abs=1e-3)
    assert boxes[::2, ::2, ::2] == pytest.approx(voxel_means(fine)[: boxes.shape[0]])
    # 6 mm to the right is one voxel back along the first axis, which runs to the left.
    right = box_places(head, rest, np.array([6.0, 0, 0, 0, 0, 0]))
    assert right == pytest.approx(2 * (rest + np.array([[1], [0], [0]])), abs=1e-3)
