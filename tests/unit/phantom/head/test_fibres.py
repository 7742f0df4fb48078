"""Courses of the fibres."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.images.template import template
from commissure.phantom.head.fibres import current, fibre_courses


def test_fibres_run_as_anatomy_has_it():
    def course(*place: float) -> np.ndarray:
        return np.abs(fibre_courses(np.array([place]))[0])

    for side in (-1, 1):
        assert course(22 * side, -12, 8)[2] > 0.8  # Internal capsule, posterior limb: up.
        assert course(25 * side, -15, 30)[2] > 0.95  # Corona radiata.
        assert (
            course(36 * side, -20, 28)[1] > 0.9
        )  # Superior longitudinal fasciculus: front to back.
        assert course(8 * side, -12, 38)[1] > 0.9  # Cingulum.
        assert course(40 * side, -35, -8)[1] > 0.9  # Sagittal stratum.
    assert course(0, -10, 28)[0] > 0.9  # Body and genu of the callosum: from side to side.
    assert course(0, 28, 8)[0] > 0.9
    # Brain stem: from the medulla (y -40, z -55) to the midbrain (y -20, z -10), 24 degrees off.
    assert course(5, -24, -30) @ [0, 0.41, 0.91] > 0.95
    assert course(5, -24, -40) @ [0, 0.41, 0.91] > 0.95


def test_courses_go_on_from_tract_to_tract():
    rng = np.random.default_rng(0)
    white = template("WM", resolution_mm=2.0)
    voxels = np.argwhere(np.asanyarray(white.dataobj) > 0.9)
    places = voxels[rng.choice(len(voxels), 3000)] @ white.affine[:3, :3].T + white.affine[:3, 3]
    here = fibre_courses(places)
    assert np.linalg.norm(here, axis=1) == pytest.approx(1, abs=1e-5)
    turn = np.abs((fibre_courses(places + 2 * here) * here).sum(axis=1))
    # 2 mm on, next to nothing turns by more than 45 degrees.
    assert (turn > np.cos(np.pi / 4)).mean() > 0.93


def test_a_current_through_a_bent_wire_follows_it():
    # An L of a conductor in a plane: along the first axis, then along the second.
    inside = np.zeros((20, 20, 3), bool)
    inside[:, :3] = True
    inside[17:, :] = True
    share = np.ones(inside.shape)
    voxels = np.argwhere(inside)
    start, end = voxels[:, 0] == 0, voxels[:, 1] == 19
    flow = current(share, inside, [(start, 1.0, 0.0), (end, 1.0, 1.0)])
    first = (voxels[:, 0] < 13) & (voxels[:, 0] > 2)
    second = (voxels[:, 1] > 7) & (voxels[:, 1] < 17)
    assert flow[first] == pytest.approx(np.tile([1.0, 0, 0], (first.sum(), 1)), abs=0.05)
    assert flow[second] == pytest.approx(np.tile([0, 1.0, 0], (second.sum(), 1)), abs=0.05)
