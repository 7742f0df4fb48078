"""Confused axes of b-vectors are found on fibres whose course is known."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.dwi.bvec_axes import axes_check, fibre_coherence
from commissure.dwi.gradients import Gradients
from commissure.dwi.tensor import fit_tensor

AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])


def bundles():
    """Three straight bundles through the field of view, 24 mm wide, in oblique directions.

    Where directions only vary smoothly, as in rings around one axis, exchanged axes give fibres
    that can be followed nearly as far (0.967 against 0.978), so a ring cannot test this.
    """
    shape = (56, 56, 56)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    place = (index - 27.5) @ AFFINE[:3, :3].T
    field, nearest = np.zeros((*shape, 3)), np.full(shape, 12.0)
    for axis, through in (
        ([0.85, 0.2, -0.45], [0, -30, -28]),
        ([-0.2, 0.85, 0.5], [30, 0, 26]),
        ([0.5, -0.25, 0.8], [-28, 28, 0]),
    ):
        axis = np.array(axis) / np.linalg.norm(axis)
        away = np.linalg.norm(np.cross(place - through, axis), axis=-1)
        field[away < nearest] = axis
        nearest = np.minimum(nearest, away)
    return field, nearest < 12


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (np.eye(3), "+x +y +z"),
        (np.diag([-1.0, 1, 1]), "-x +y +z"),
        (np.diag([1.0, -1, 1]), "+x -y +z"),
        (np.eye(3)[[1, 0, 2]], "+y +x +z"),
    ],
)
def test_confused_axes_of_b_vectors_are_named(dti, wrong, name):
    axis, inside = bundles()
    tensors = np.stack([dti.tensor(a, 0.7, 0.8e-3) for a in axis[inside]])
    bvals, directions = dti.table(12, 1)
    series = np.zeros((*inside.shape, 13))
    series[inside] = dti.signal(tensors, bvals, directions)
    local = directions @ np.linalg.inv(AFFINE[:3, :3] / 2).T
    as_read = local @ wrong.T @ (AFFINE[:3, :3] / 2).T
    maps = fit_tensor(series, Gradients(bvals, as_read), inside)
    tables = fibre_coherence(maps.direction, maps.fa, AFFINE)
    assert tables[0][0] == name
    assert tables[0][1] > 0.97 and tables[0][1] - tables[1][1] > 0.05


@pytest.mark.parametrize(
    ("tables", "verdict"),
    [
        ([("+x +y +z", 0.81), ("+x -y +z", 0.74)], True),
        ([("+x -y +z", 0.81), ("+x +y +z", 0.74)], False),
        ([("+x -y +z", 0.66), ("+x +z -y", 0.65), ("+x +y +z", 0.59)], None),
        ([("+x -y +z", 0.66), ("+x +y +z", 0.65)], True),
    ],
)
def test_axes_are_refused_only_where_others_clearly_win(tables, verdict):
    assert axes_check(tables).passed is verdict
