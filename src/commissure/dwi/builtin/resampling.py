"""Moving diffusion volumes between grids so that their whole signal stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.dwi.builtin.realign import Realignment
from commissure.images.grid import sampled_at, world_places
from commissure.images.rigid import resample_pose
from commissure.images.susceptibility import Shift


@dataclass(frozen=True)
class TargetGrid:
    """The grid that a series is written on.

    Attributes
    ----------
    shape, affine
        Its shape, and 4x4 from voxel to mm.
    to_series
        4x4, from its world to that of the first b0.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    to_series: np.ndarray


def resampled_series(
    motion: Realignment,
    affine: np.ndarray,
    grid: TargetGrid,
    shift: Shift | None,
    senses: np.ndarray,
) -> np.ndarray:
    """Every volume on the grid wanted, interpolated once, signal kept: ``(x, y, z, volumes)``.

    Parameters
    ----------
    motion
        The series and the poses of its volumes.
    affine
        4x4, voxel to mm, of the series.
    grid
        The grid wanted.
    shift
        Distortion to undo, that of the first volume; None for none.
    senses
        ``(volumes,)``: -1 for volumes with the opposite phase encoding, else 1.
    """
    moved = np.empty((*grid.shape, len(motion.poses)), np.float32)
    if shift is not None:
        # The field belongs to the head and moves with it.
        tissue = world_places(grid.shape, grid.to_series @ grid.affine)
        seen = {sense: shift.times(sense).seen_from(tissue) for sense in np.unique(senses)}
    for i, matrix in enumerate(motion.matrices):
        volume = motion.series[..., i]
        if shift is not None:
            moved[..., i] = sampled_at(volume, affine, matrix, *seen[senses[i]])
        elif np.array_equal(matrix @ grid.to_series, np.eye(4)):
            moved[..., i] = volume
        else:
            moved[..., i] = resample_pose(
                volume, affine, matrix @ grid.to_series, grid.shape, grid.affine
            )
            moved[..., i] *= np.linalg.det(matrix[:3, :3])
    return np.clip(moved, 0, None, out=moved)


def inside_field_of_view(
    acquired: tuple[int, ...], affine: np.ndarray, grid: TargetGrid
) -> np.ndarray:
    """Voxels of the grid that lie in the acquired volume, of this shape, at the middle pose."""
    extent = np.array(acquired)
    step = np.linalg.inv(affine) @ grid.to_series @ grid.affine
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    place = index @ step[:3, :3].T + step[:3, 3]
    return np.all((place > -0.5) & (place < extent - 0.5), axis=-1)
