from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.images.rigid import resample_pose, rigid_matrix
from commissure.images.susceptibility import (
    Shift,
    opposed_shift,
    phase_axis,
)

AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = [70, -85, -60]
SHAPE = (48, 58, 42)


@pytest.mark.parametrize(
    ("text", "wanted"), [("j-", (1, -1.0)), ("i", (0, 1.0)), ("k", (2, 1.0)), (None, None)]
)
def test_the_phase_encoding_is_read_as_bids_writes_it(text, wanted):
    assert phase_axis(text) == wanted


def head():
    index = np.indices(SHAPE)
    world = np.tensordot(AFFINE[:3, :3], index, 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    away = np.sqrt(((world / np.array([60, 74, 52]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    texture = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2)
    image = np.where(away < 1, 700 + 4000 * texture, 0)
    return gaussian_filter(np.clip(image, 0, None), 0.6), away < 1, world


def field(world, peak):
    """Shift in voxels: a bump of some centimetres at the front of the head."""
    far = ((world - np.array([0, 45, -15]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0)
    return peak * np.exp(-far / 2 / 15.0**2)


def distorted(image, shift, axis=1):
    """Push every voxel's signal along the axis, none of it lost."""
    fine = 8
    seen = np.zeros_like(image)
    n = image.shape[axis]
    image, shift, seen = (np.moveaxis(x, axis, 2) for x in (image, shift, seen))
    place = (np.arange(n * fine) + 0.5) / fine - 0.5
    for a, b in np.ndindex(image.shape[:2]):
        signal = np.interp(place, np.arange(n), image[a, b]) / fine
        there = place + np.interp(place, np.arange(n), shift[a, b])
        low = np.floor(there).astype(int)
        for at, part in ((low, 1 - (there - low)), (low + 1, there - low)):
            inside = (at >= 0) & (at < n)
            np.add.at(seen[a, b], at[inside], (signal * part)[inside])
    return np.moveaxis(seen, 2, axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("moved", [False, True])
def test_the_field_that_shifted_two_images_oppositely_is_found(axis, moved):
    image, mask, world = head()
    true = field(world, 2.0)
    pose = np.array([0.6, -0.5, 0.8, 0.01, -0.008, 0.012]) if moved else np.zeros(6)
    later = resample_pose(
        image, AFFINE, np.linalg.inv(rigid_matrix(pose, np.zeros(3))), SHAPE, AFFINE
    )
    rng = np.random.default_rng(3)
    forward, backward = (
        distorted(np.clip(one, 0, None), sign * true, axis) + rng.normal(0, 15, SHAPE)
        for one, sign in ((image, 1), (later, -1))
    )
    found, matrix = opposed_shift(forward, 1.1 * backward, AFFINE, mask, axis=axis)
    assert np.abs(matrix - rigid_matrix(pose, np.zeros(3))).max() < 0.35
    off = (found.voxels - true)[mask]
    off -= np.median(off)  # the place of the whole head is the T1w's to say
    assert np.sqrt((off**2).mean()) < (0.12 if moved else 0.06)
    strong = (true > 0.7)[mask]
    assert np.sqrt((off[strong] ** 2).mean()) < 0.25
    assert true[mask].max() > 1.9


def test_without_distortion_nothing_is_shifted():
    image, mask, _ = head()
    rng = np.random.default_rng(3)
    one, other = (image + rng.normal(0, 15, SHAPE) for _ in range(2))
    off = opposed_shift(one, other, AFFINE, mask, axis=1)[0].voxels[mask]
    assert np.sqrt((off**2).mean()) < 0.03
    assert np.abs(off).max() < 0.2


def test_tissue_is_sought_where_it_is_seen_and_gets_its_signal_back():
    places = np.indices(SHAPE)
    shift = Shift(0.1 * places[1] - 2.0, AFFINE, 1)
    index = np.array([[10.0, 20.0], [15.0, 30.0], [7.0, 9.0]])
    world = AFFINE[:3, :3] @ index + AFFINE[:3, 3:]
    seen, factor = shift.seen_from(world)
    assert np.allclose(seen[1] - world[1], 3.0 * (0.1 * index[1] - 2.0))
    assert np.allclose(seen[[0, 2]], world[[0, 2]])
    assert np.allclose(factor, 1.1)


def test_the_opposite_phase_encoding_has_the_opposite_shift():
    shift = Shift(np.full(SHAPE, 0.5), AFFINE, 1)
    assert np.allclose(shift.times(-1).voxels, -0.5)
    assert np.allclose(shift.times(1).voxels, 0.5)
