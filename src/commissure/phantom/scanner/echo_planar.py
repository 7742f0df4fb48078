"""What echo-planar series share: the grid, the head on it, and the head's movement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from commissure.images.load import zooms_mm
from commissure.images.rigid import framewise_displacement, rigid_matrix
from commissure.phantom.head.anatomy import Anatomy

#: Air around the head that the field of view keeps, mm.
MARGIN_MM = 8.0


@dataclass(frozen=True)
class FineHead:
    """A head on a grid twice as fine as the acquisition, both covering the same box.

    Attributes
    ----------
    shape
        Of the acquisition.
    affine
        4x4 of the acquisition: left-anterior-superior storage, as scanners' converters write it.
    fine_affine
        4x4 of the finer grid, on which the maps lie.
    maps
        ``gm wm csf outside`` on the finer grid.
    template_mm
        (2X, 2Y, 2Z, 3) float32: template coordinate of each fine voxel.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    fine_affine: np.ndarray
    maps: Mapping[str, np.ndarray]
    template_mm: np.ndarray

    @property
    def centre_mm(self) -> np.ndarray:
        """Centre of the grid, which head rotations leave in place."""
        return nib.affines.apply_affine(self.affine, (np.array(self.shape) - 1) / 2)

    @property
    def substance(self) -> np.ndarray:
        """Whatever gives signal: tissues and scalp together, finer grid."""
        return np.sum(np.stack(list(self.maps.values())), axis=0)

    def coil_sensitivity(self, voxels: np.ndarray) -> np.ndarray:
        """What surface coils make of (N, 3) places on the acquired grid; they stay if it moves."""
        from_centre = nib.affines.apply_affine(self.affine, voxels) - self.centre_mm
        return (0.9 + 0.25 * (from_centre**2).sum(axis=1) / 80.0**2).astype(np.float32)


def fine_head(anatomy: Anatomy, voxel_mm: float, *, pose: np.ndarray) -> FineHead:
    """Lay a head on the grid of a series.

    Parameters
    ----------
    anatomy
        The head, as it lay during the T1w.
    voxel_mm
        Edge of the acquired voxels.
    pose
        (6,) mm and rad: how the head has moved since the T1w (about the scanner's origin).
    """
    moved = rigid_matrix(pose, np.zeros(3)) @ anatomy.affine
    spacing = zooms_mm(anatomy.affine)
    brain = np.argwhere(anatomy.gm + anatomy.wm + anatomy.csf > 0.1)
    corners = np.array(np.meshgrid(*zip(brain.min(0), brain.max(0), strict=True))).reshape(3, -1).T
    mm = nib.affines.apply_affine(moved, corners)
    low, high = mm.min(axis=0) - MARGIN_MM, mm.max(axis=0) + MARGIN_MM
    x, y, z = (int(n) for n in np.ceil((high - low) / voxel_mm))
    affine = np.diag([-voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = (low + high) / 2 - affine[:3, :3] @ (np.array([x, y, z]) - 1) / 2
    fine_affine = affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine_affine[:3, 3] -= affine[:3, :3] @ np.full(3, 0.25)

    grid = np.moveaxis(np.indices((2 * x, 2 * y, 2 * z), dtype=np.float32), 0, -1)
    step = np.linalg.inv(moved) @ fine_affine
    places = grid @ step[:3, :3].T.astype(np.float32) + step[:3, 3].astype(np.float32)
    blur = np.sqrt(np.maximum((voxel_mm / 2) ** 2 - np.square(spacing), 0)) / spacing / 2.3548
    points = np.moveaxis(places, -1, 0).reshape(3, -1)
    maps = {}
    for name in ("gm", "wm", "csf", "outside"):
        data = getattr(anatomy, name)
        if (blur > 0).any():
            data = gaussian_filter(data, blur)
        sampled = map_coordinates(data, points, order=1, output=np.float32)
        maps[name] = sampled.reshape(places.shape[:3])
    coordinates = [
        map_coordinates(anatomy.template_mm[..., axis], points, order=1, mode="nearest")
        for axis in range(3)
    ]
    template_mm = np.stack(coordinates, axis=-1).reshape(places.shape)
    return FineHead((x, y, z), affine, fine_affine, maps, template_mm)


def voxel_means(fine: np.ndarray) -> np.ndarray:
    """Mean over the eight fine voxels of each acquired voxel."""
    x, y, z = (n // 2 for n in fine.shape)
    return fine.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))


def drawn_motion(
    volumes: int, mean_fd_mm: float, rng: np.random.Generator, *, spike_rate: float = 0.03
) -> np.ndarray:
    """Head motion: a slow random walk, jerks that partly return, and a little breathing.

    Parameters
    ----------
    volumes
        Number of volumes.
    mean_fd_mm
        Mean framewise displacement (Power 2012, 50 mm) over all volumes but the first: exact.
    rng
        Draws the movement.
    spike_rate
        Probability of a jerk at each volume.

    Returns
    -------
    numpy.ndarray
        (volumes, 6): translations in mm, rotations in rad; the first row is zero. The matrix of a
        row is :func:`commissure.images.rigid.rigid_matrix` about the centre of the grid: it maps
        the place of a piece of tissue in the first volume to its place now.
    """
    # Nodding (x) and shifts along z are what heads do most in a coil.
    scale = np.array([0.5, 0.7, 1.0, 0.016, 0.008, 0.008])
    steps = rng.normal(0, 1, (volumes, 6)) * scale
    walk = np.zeros((volumes, 6))
    for t in range(1, volumes):
        walk[t] = 0.985 * walk[t - 1] + 0.35 * steps[t]
    jerk = np.zeros(6)
    jerks = np.zeros((volumes, 6))
    for t in range(1, volumes):
        jerk *= 0.6
        if rng.random() < spike_rate:
            jerk = jerk + rng.normal(0, 1, 6) * scale * rng.exponential(6.0)
        jerks[t] = jerk
    breathing = 0.15 * np.sin(2 * np.pi * 0.07 * np.arange(volumes) + rng.uniform(0, 6.28))
    motion = walk + jerks + breathing[:, None] * np.array([0, 1, 1, 0.01, 0, 0])
    motion -= motion[0]
    drawn_mm = float(framewise_displacement(motion)[1:].mean()) if volumes > 1 else 0.0
    return motion * (mean_fd_mm / drawn_mm) if drawn_mm > 0 else motion


def voxel_boxes(fine: np.ndarray) -> np.ndarray:
    """Average a fine map over the box of an acquired voxel that starts at every fine voxel.

    One shorter along each axis: entry ``2 i`` is acquired voxel ``i`` of a head at rest, and lies
    half a fine voxel beyond the fine index ``2 i``.
    """
    fine = 0.5 * (fine[1:] + fine[:-1])
    fine = 0.5 * (fine[:, 1:] + fine[:, :-1])
    return 0.5 * (fine[:, :, 1:] + fine[:, :, :-1])


def box_places(head: FineHead, voxels: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Where acquired voxels look in :func:`voxel_boxes` after the head has moved.

    Parameters
    ----------
    head
        The head in the first volume.
    voxels
        (3, N) float32 voxel indices of the acquisition.
    motion
        (6,) as from :func:`drawn_motion`.

    Returns
    -------
    numpy.ndarray
        (3, N) indices, for ``map_coordinates``; half of them are indices of the acquired grid.
    """
    back = np.linalg.inv(rigid_matrix(motion, head.centre_mm))
    step = 2 * np.linalg.inv(head.affine) @ back @ head.affine
    return step[:3, :3].astype(np.float32) @ voxels + step[:3, 3:].astype(np.float32)
