"""Tables of gradients."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.phantom.scanner.gradients import even_directions, fsl_bvecs, gradient_table


def test_directions_are_even():
    for count in (15, 30):
        directions = even_directions(count)
        assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(count))
        scatter = directions.T @ directions / count
        assert scatter == pytest.approx(np.eye(3) / 3, abs=0.01)
        cosines = np.abs(directions @ directions.T) - np.eye(count)
        # The best packing of 30 axes leaves 24.7 degrees or so between neighbours, of 15 axes 35.
        closest = np.rad2deg(np.arccos(cosines.max(axis=1)))
        assert closest.min() > {15: 30, 30: 20}[count]
        assert np.linalg.norm(directions.sum(axis=0)) < 2.5


def test_bvecs_follow_fsl():
    directions = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])
    left_handed = fsl_bvecs(directions, np.diag([-2.0, 2, 2, 1]))
    right_handed = fsl_bvecs(directions, np.diag([2.0, 2, 2, 1]))
    expected = np.array([[-1.0, 0, 0], [0, 1, 0.6], [0, 0, 0.8]])
    assert left_handed == pytest.approx(expected)
    assert right_handed == pytest.approx(expected)
    # An image tilted by 90 degrees about x: its second axis is the scanner's third.
    tilted = np.array([[-2.0, 0, 0, 0], [0, 0, -2, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    assert fsl_bvecs(np.array([[0.0, 0, 1]]), tilted)[:, 0] == pytest.approx([0, 1, 0])


def test_shells_follow_each_other():
    bvals, directions = gradient_table(30, 3, 1000.0, more=[(2000.0, 20)])
    assert [(bvals == b).sum() for b in (0, 1000, 2000)] == [3, 30, 20]
    assert np.linalg.norm(directions[bvals > 0], axis=1) == pytest.approx(np.ones(50))
