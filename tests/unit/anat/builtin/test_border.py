"""Pose and border on balls and a turned template head, whose answers are known."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from commissure.anat.builtin.border import brain_border, signed_distance
from commissure.anat.builtin.pose import head_pose, sharp_head


@pytest.mark.parametrize(("off_mm", "least_mm"), [(-5.0, 58.5), (0.0, 59.0), (5.0, 59.0)])
def test_the_border_is_where_the_image_has_it_and_not_where_it_is_expected(
    off_mm: float, least_mm: float
) -> None:
    """57 mm of brain in 3 mm of fluid, in bone and scalp: no tissue is lost, and no bone taken."""
    place = np.indices((90, 90, 90)) * 2.0 - 89.0
    radius = np.sqrt((place**2).sum(axis=0))
    bright = np.select([radius < 25, radius < 57, radius < 60, radius < 66, radius < 76],
                       [0.3, 0.8, 0.3, 0.05, 0.9], 0.0)  # fmt: skip
    bright = bright + np.random.default_rng(0).normal(0, 0.02, bright.shape)
    found = brain_border(bright.astype(np.float32), radius - 60 - off_mm, (2.0, 2.0, 2.0))
    radius_mm = ((found < 0).sum() * 8 * 3 / (4 * np.pi)) ** (1 / 3)
    assert least_mm - 0.3 < radius_mm < 61


def test_the_distance_to_a_border_is_in_mm_and_negative_inside() -> None:
    mask = np.zeros((20, 5, 5), bool)
    mask[:10] = True
    distance = signed_distance(mask, (2.0, 2.0, 2.0))
    assert distance[9, 2, 2] == pytest.approx(-1)
    assert distance[12, 2, 2] == pytest.approx(5)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (45, 0, 0), (0, -45, 0), (20, 15, 45)])
def test_a_turned_head_is_found_and_left_stays_left(degrees: tuple[float, ...]) -> None:
    head = sharp_head(4.0)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    turn[:3, 3] = 30, -20, 40
    data = np.asanyarray(head.dataobj)
    pose = head_pose(nib.Nifti1Image(data, turn @ head.affine), stripped=False)
    assert np.linalg.det(pose[:3, :3]) > 0
    corners = np.array([[x, y, z, 1.0] for x in (-60, 60) for y in (-90, 60) for z in (-40, 70)]).T
    assert np.linalg.norm(((pose - turn) @ corners)[:3], axis=0).max() < 3.0
