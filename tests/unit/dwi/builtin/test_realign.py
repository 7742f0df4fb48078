from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.dwi.builtin.realign import realign
from commissure.dwi.gradients import Gradients
from commissure.images.registration import between_contrasts
from commissure.images.rigid import (
    resample_pose,
    rigid_matrix,
    rigid_pose,
    sheared_matrix,
)

AFFINE = np.diag([-5.0, 5.0, 5.0, 1.0])
AFFINE[:3, 3] = [75, -90, -70]
SHAPE = (31, 37, 29)


@pytest.fixture(scope="module")
def head():
    """Tissues of a made-up head on a grid of 2.5 mm, and the place of each voxel."""
    affine = AFFINE.copy()
    affine[:3, :3] /= 2
    shape = tuple(2 * n for n in SHAPE)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    away = np.linalg.norm(world / [62, 78, 55], axis=-1)
    folds = gaussian_filter(np.random.default_rng(0).normal(size=shape), 3)
    white = (away < 0.8) & (folds > 0)
    grey = (away < 0.95) & ~white
    water = (away < 1) & ~grey & ~white
    axis = np.stack(
        [gaussian_filter(np.random.default_rng(k).normal(size=shape), 5) for k in (1, 2, 3)], -1
    )
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    tissue = [gaussian_filter(t.astype(np.float32), 0.8) for t in (white, grey, water)]
    return affine, tissue, axis, away


def simulated(dti, head, poses, *, directions=24, b0s=2, sd=15.0, dark=()):
    """A series of this head: volume i has moved by pose i; slices (volume, slice) are dark."""
    affine, (white, grey, water), axis, away = head
    bvals, vectors = dti.table(directions, b0s)
    # The second b0 in the middle, as protocols have it.
    order = np.r_[0, 2 : 2 + directions // 2, 1, 2 + directions // 2 : len(bvals)]
    bvals, vectors = bvals[order], vectors[order]
    series = np.empty((*SHAPE, len(bvals)), np.float32)
    for i, (b, vector) in enumerate(zip(bvals, vectors, strict=True)):
        moved = rigid_matrix(poses[i], np.zeros(3))
        along = (axis @ (moved[:3, :3].T @ vector)) ** 2
        image = 450 * white * np.exp(-b * (0.35e-3 + 1.25e-3 * along))
        image += 600 * grey * np.exp(-b * 0.85e-3) + 1200 * water * np.exp(-b * 3e-3)
        series[..., i] = resample_pose(
            gaussian_filter(image, 0.8), affine, np.linalg.inv(moved), SHAPE, AFFINE, order=1
        )
    for i, k in dark:
        series[:, :, k, i] *= 0.5
    mask = resample_pose((away < 1).astype(float), affine, np.eye(4), SHAPE, AFFINE, order=1) > 0.5
    return dti.rician(series, sd, seed=4), Gradients(bvals, vectors), mask


def drift(count, seed=0):
    steps = np.random.default_rng(seed).normal(size=(count, 6)) * ([0.12] * 3 + [0.002] * 3)
    poses = np.cumsum(steps, axis=0)
    poses[count // 2 :, 2] += 1.5
    return poses - poses[0]


def test_poses_and_dropouts_are_found(dti, head):
    true = drift(26)
    dark = [(5, 14), (9, 11), (20, 16)]
    series, gradients, mask = simulated(dti, head, true, dark=dark)
    found = realign(series, AFFINE, gradients, mask)
    points = np.array([[x, y, z, 1] for x in (-40, 40) for y in (-50, 50) for z in (-35, 35)]).T
    off = [
        np.linalg.norm(((matrix - rigid_matrix(pose, np.zeros(3))) @ points)[:3], axis=0).mean()
        for matrix, pose in zip(found.matrices, true, strict=True)
    ]
    assert np.mean(off) < 0.4  # a twelfth of a voxel, at the rim of the head
    assert np.max(off) < 0.8
    assert sorted(dark) == sorted(map(tuple, np.argwhere(found.dropouts).tolist()))
    clean, _, _ = simulated(dti, head, true, sd=0.0)
    inside = mask[:, :, 14]
    mended = found.series[:, :, 14, 5][inside]
    assert (
        np.abs(mended - clean[:, :, 14, 5][inside]).mean() < 0.1 * clean[:, :, 14, 5][inside].mean()
    )


def test_without_movement_nothing_is_moved_when_told_so(dti, head):
    series, gradients, mask = simulated(dti, head, np.zeros((26, 6)))
    still = realign(series, AFFINE, gradients, mask, move=False)
    assert np.array_equal(np.zeros((26, 6)), still.poses)


@pytest.mark.parametrize(
    "shift",
    [(0, 0, 0, 0, 0, 0), (1.5, -1.0, 2.0, 0.01, -0.02, 0.0), (4.0, -4.0, 6.0, 0.05, 0.03, -0.05)],
)
def test_volumes_of_other_contrast_are_aligned(dti, head, shift):
    series, gradients, mask = simulated(dti, head, np.zeros((26, 6)), sd=8.0)
    moved = rigid_matrix(np.array(shift), np.zeros(3))
    weighted = np.flatnonzero(gradients.b > 0)[:12]
    stack = np.stack(
        [
            resample_pose(series[..., i], AFFINE, np.linalg.inv(moved), SHAPE, AFFINE)
            for i in weighted
        ],
        axis=3,
    )
    shell = stack.mean(axis=3)
    found = rigid_pose(between_contrasts(series[..., 0], shell, AFFINE, mask), np.zeros(3))
    assert np.allclose(shift[:3], found[:3], atol=0.5)
    assert np.allclose(shift[3:], found[3:], atol=0.008)


def test_a_jump_between_volumes_is_not_taken_for_the_step_between_shells(dti, head):
    true = np.random.default_rng(3).normal(0, 1, (14, 6)) * ([0.05] * 3 + [0.0005] * 3)
    true[0] = 0
    true[1:, :3] += [2.0, -1.5, 1.0]
    series, gradients, mask = simulated(dti, head, true, directions=13, b0s=1, sd=8.0)
    found = realign(series, AFFINE, gradients, mask)
    assert np.allclose(true[:, :3], found.poses[:, :3], atol=0.6)


ALONG = np.array([0.0, 1.0, 0.0])


@pytest.mark.slow
def test_eddy_currents_are_told_from_the_movement_of_the_head(dti, head):
    def whole_sphere(directions, b0s):
        bvals, vectors = dti.table(directions, b0s)
        vectors[::2] *= -1
        return bvals, vectors

    true = drift(26)
    both_ways = SimpleNamespace(table=whole_sphere, rician=dti.rician)
    series, gradients, mask = simulated(both_ways, head, true, sd=0.0)
    slope = 0.02 * np.eye(3)
    eddies = np.stack(
        [
            sheared_matrix(np.append(np.zeros(6), slope @ g), np.zeros(3), ALONG)
            for g in gradients.directions
        ]
    )
    eddies[:, 1, 3] += 1.0 * gradients.directions[:, 1]
    for i, eddy in enumerate(eddies):
        seen = resample_pose(series[..., i], AFFINE, np.linalg.inv(eddy), SHAPE, AFFINE)
        series[..., i] = np.clip(seen / np.linalg.det(eddy[:3, :3]), 0, None)
    series = dti.rician(series, 15.0, seed=4)
    points = np.array([[x, y, z, 1] for x in (-40, 40) for y in (-50, 50) for z in (-35, 35)]).T

    def error(found, wanted):
        return np.linalg.norm(((found - wanted) @ points)[:, :3], axis=1).mean()

    wanted = np.stack([rigid_matrix(pose, np.zeros(3)) for pose in true])
    free = realign(series, AFFINE, gradients, mask, phase=ALONG)
    rigid = realign(series, AFFINE, gradients, mask)
    assert error(free.matrices, eddies @ wanted) < 0.4
    assert error(rigid.matrices, eddies @ wanted) > 0.8
    # The offset along the phase encoding is not taken for movement.
    assert error(free.head, wanted) < 0.5
    assert np.array_equal(rigid.eddies, np.tile(np.eye(4), (26, 1, 1)))
