"""The space midway between several images of one head, and the way from there to each of them.

Every image is treated alike. It is compared with the mean of the others only, so that it does not
hold itself where it is, and it does its own part of the way, (N - 1) / N of N images, to where they
meet; what all of them would move together is taken out. So the space is nobody's, an image is
sampled once and as often as any other, and the order of the images does not matter.

Notes
-----
Reuter M et al., Highly accurate inverse consistent registration, NeuroImage 53:1181-1196, 2010;
Within-subject template estimation for unbiased longitudinal image analysis, NeuroImage
61:1402-1418, 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy.linalg import expm, logm
from scipy.ndimage import map_coordinates

from commissure.images.grid import bounding_box, coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.warp import Level, find_warp, local_correlation, refined_affine

#: Rounds of the linear alignment: voxel size in mm, steps, and whether sizes may differ.
LINEAR_ROUNDS = ((8.0, 10, False), (4.0, 8, False), (4.0, 8, True), (2.0, 8, True))

#: Voxel size at which images are compared.
COMPARED_MM = 2.0

#: Voxel sizes in mm, coarse to fine, and the steps at each.
Round = tuple[Sequence[float], Sequence[Level]]


@dataclass(frozen=True)
class Place:
    """A part of space, and the part of it that counts.

    Attributes
    ----------
    low, high
        (3,) mm, corners of a box along the axes.
    inside
        3-D image, positive where images are compared.
    """

    low: np.ndarray
    high: np.ndarray
    inside: nib.Nifti1Image

    def grid(self, voxel_mm: float) -> tuple[tuple[int, int, int], np.ndarray]:
        """Shape and affine of isotropic voxels that fill the box."""
        x, y, z = (int(n) for n in np.ceil((self.high - self.low) / voxel_mm))
        affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
        affine[:3, 3] = self.low + voxel_mm / 2
        return (x, y, z), affine

    def mask(self, voxel_mm: float) -> np.ndarray:
        """What counts, on that grid, bool."""
        shape, affine = self.grid(voxel_mm)
        return resample_to(self.inside, shape, affine, outside="edge") > 0


@dataclass(frozen=True)
class Displacements:
    """What each image's place differs by from the midway space, beside its linear map.

    Attributes
    ----------
    values
        (N, 3, X, Y, Z) float32 mm, applied before the map of each image; their mean is zero.
    affine
        4x4, voxel to mm of the midway space.
    """

    values: np.ndarray
    affine: np.ndarray

    def on_grid(self, shape: tuple[int, int, int], affine: np.ndarray) -> Displacements:
        """The same on another grid, going on beyond the edge."""
        if self.values.shape[2:] == shape and np.array_equal(self.affine, affine):
            return self
        parts = [nib.Nifti1Image(part, self.affine) for own in self.values for part in own]
        moved = [resample_to(part, shape, affine, outside="edge") for part in parts]
        return Displacements(np.reshape(moved, (-1, 3, *shape)), affine)


class _Pyramid:
    """Images at the voxel sizes that are asked for."""

    def __init__(self, images: Sequence[nib.Nifti1Image]) -> None:
        self.images = list(images)
        self.at = lru_cache(maxsize=None)(self._at)

    def __len__(self) -> int:
        return len(self.images)

    def _at(self, number: int, voxel_mm: float) -> nib.Nifti1Image:
        image = self.images[number]
        finer = min(zooms_mm(image.affine)) < 0.95 * voxel_mm
        return coarser(image, voxel_mm) if finer else image


def midway_maps(
    images: Sequence[nib.Nifti1Image],
    starts: Sequence[np.ndarray],
    place: Place,
    *,
    sizes_differ: bool,
) -> tuple[np.ndarray, ...]:
    """Bring images of one head together by rigid or affine maps.

    Parameters
    ----------
    images
        3-D images of one head whose contrast agrees locally, each on its own grid.
    starts
        4x4 of each, mm of the midway space to mm of the image; within 15 degrees and 15 mm of each
        other.
    place
        Where they are compared.
    sizes_differ
        Whether the last round is affine, as scanners differ in scale and children grow.

    Returns
    -------
    tuple of numpy.ndarray
        The maps, refined; what all starts had in common stays.
    """
    pyramid = _Pyramid(images)
    maps = [np.asarray(start, float) for start in starts]
    count = len(maps)
    centre = np.eye(4)
    for voxel_mm, steps, affine in LINEAR_ROUNDS:
        shape, grid = place.grid(voxel_mm)
        mask = place.mask(voxel_mm)
        box = bounding_box(mask, pad=4)
        centre[:3, 3] = nib.affines.apply_affine(grid, np.argwhere(mask).mean(axis=0))
        moved = [_moved(pyramid.at(k, voxel_mm), maps[k], shape, grid) for k in range(count)]
        logs = []
        for k, others in enumerate(_means_of_others(moved)):
            target = nib.Nifti1Image(others, grid).slicer[box]
            wanted = refined_affine(
                [target], pyramid.at(k, voxel_mm), initial=maps[k], iterations=steps,
                masks=[mask[box]],
            )  # fmt: skip
            change = np.linalg.inv(centre) @ np.linalg.inv(maps[k]) @ wanted @ centre
            logs.append(_log(change, rigid=not (affine and sizes_differ)) * (count - 1) / count)
        common = np.mean(logs, axis=0)
        maps = [
            own @ centre @ expm(log - common) @ np.linalg.inv(centre)
            for own, log in zip(maps, logs, strict=True)
        ]
    return tuple(maps)


def midway_warps(
    images: Sequence[nib.Nifti1Image],
    maps: Sequence[np.ndarray],
    place: Place,
    *,
    rounds: Sequence[Round],
    start: Displacements | None = None,
) -> Displacements:
    """What is left between images of one head after linear maps: smooth displacements.

    Parameters
    ----------
    images, place
        As in :func:`midway_maps`.
    maps
        4x4 of each, mm of the midway space to mm of the image.
    rounds
        Voxel sizes in mm, coarse to fine, with the steps at each; the last round's last is the
        grid of the result.
    start
        Displacements to go on from.
    """
    pyramid = _Pyramid(images)
    count = len(images)
    shape, affine = place.grid(rounds[-1][0][-1])
    if start is None:
        now = Displacements(np.zeros((count, 3, *shape), np.float32), affine)
    else:
        now = start.on_grid(shape, affine)
    for sizes, levels in rounds:
        targets: list[list[nib.Nifti1Image]] = [[] for _ in range(count)]
        masks = [place.mask(mm) for mm in sizes]
        for mm in sizes:
            grid = place.grid(mm)
            moved = [
                sampled(pyramid.at(k, mm), maps[k], now.values[k], affine, grid)
                for k in range(count)
            ]
            for k, others in enumerate(_means_of_others(moved)):
                targets[k].append(nib.Nifti1Image(others, grid[1]))
        on_last = now.on_grid(*place.grid(sizes[-1]))
        moves = Displacements(
            np.stack(
                [
                    find_warp(
                        targets[k], pyramid.at(k, sizes[-1]), initial=maps[k], levels=levels,
                        masks=masks, start=on_last.values[k],
                    ).displacement - on_last.values[k]
                    for k in range(count)
                ]
            ),
            on_last.affine,
        ).on_grid(shape, affine)  # fmt: skip
        values = now.values + moves.values * np.float32((count - 1) / count)
        now = Displacements(values - values.mean(axis=0), affine)
    return now


def sampled(
    image: nib.Nifti1Image,
    matrix: np.ndarray,
    displacement: np.ndarray,
    field_affine: np.ndarray,
    grid: tuple[tuple[int, int, int], np.ndarray],
    *,
    order: int = 1,
) -> np.ndarray:
    """An image at places that are displaced, then mapped; interpolated once.

    Parameters
    ----------
    image
        3-D.
    matrix
        4x4, mm of the grid's space to mm of the image.
    displacement, field_affine
        (3, X, Y, Z) mm, and the 4x4 of its own grid; continued beyond its edge.
    grid
        Shape and affine wanted.
    order
        Spline order.
    """
    shape, affine = grid
    to_voxel = np.linalg.inv(image.affine) @ matrix
    shift = np.stack(
        [
            resample_to(nib.Nifti1Image(part, field_affine), shape, affine, outside="edge")
            for part in displacement
        ]
    )
    places = np.tensordot(to_voxel[:3, :3].astype(np.float32), shift, axes=1)
    places += grid_places(shape, to_voxel @ affine)
    data = np.asanyarray(image.dataobj, dtype=np.float32)
    return map_coordinates(data, places, order=order, mode="constant", output=np.float32)


def agreement(
    images: Sequence[nib.Nifti1Image], maps: Sequence[np.ndarray], place: Place
) -> tuple[np.ndarray, np.ndarray]:
    """How alike images are as they are, and with one of the two mirrored left to right.

    Parameters
    ----------
    images, place
        As in :func:`midway_maps`; the box lies about evenly to both sides of x = 0.
    maps
        From :func:`midway_maps`.

    Returns
    -------
    straight, mirrored : numpy.ndarray
        (N, N) mean local correlation within the place, 1 on the diagonal of ``straight``.
    """
    voxel_mm = COMPARED_MM
    shape, grid = place.grid(voxel_mm)
    mask = place.mask(voxel_mm)
    box = bounding_box(mask, pad=4)
    pyramid = _Pyramid(images)
    count = len(images)
    moved = [_moved(pyramid.at(k, voxel_mm), maps[k], shape, grid) for k in range(count)]
    straight, mirrored = np.eye(count), np.zeros((count, count))
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    for i in range(count):
        target = nib.Nifti1Image(moved[i], grid).slicer[box]
        small = coarser(target, 2 * voxel_mm)
        near = resample_to(
            nib.Nifti1Image(mask[box].astype(np.float32), target.affine), small.shape, small.affine
        )
        for j in range(i + 1, count):
            straight[i, j] = straight[j, i] = local_correlation(moved[i], moved[j], mask)
            turned = refined_affine(
                [small], pyramid.at(j, 2 * voxel_mm), initial=maps[j] @ flip, iterations=12,
                masks=[near > 0.5],
            )  # fmt: skip
            flipped = _moved(pyramid.at(j, voxel_mm), turned, shape, grid)
            mirrored[i, j] = mirrored[j, i] = local_correlation(moved[i], flipped, mask)
    return straight, mirrored


def _moved(
    image: nib.Nifti1Image, matrix: np.ndarray, shape: tuple[int, int, int], affine: np.ndarray
) -> np.ndarray:
    return resample_to(nib.Nifti1Image(image.dataobj, np.linalg.inv(matrix) @ image.affine),
                       shape, affine)  # fmt: skip


def _means_of_others(moved: Sequence[np.ndarray]) -> list[np.ndarray]:
    total = np.sum(moved, axis=0)
    return [(total - own) / np.float32(len(moved) - 1) for own in moved]


def _log(matrix: np.ndarray, *, rigid: bool) -> np.ndarray:
    """Logarithm of a map that is near to none; of a rigid one, what turns and shifts."""
    log = np.real(logm(matrix))
    if rigid:
        log[:3, :3] = (log[:3, :3] - log[:3, :3].T) / 2
    return log


def grid_places(shape: tuple[int, int, int], matrix: np.ndarray) -> np.ndarray:
    """(3, X, Y, Z) float32: where a 4x4 matrix takes each voxel of a grid."""
    x, y, z = (np.arange(n, dtype=np.float32) for n in shape)
    m = matrix.astype(np.float32)
    return np.stack(
        [
            m[a, 0] * x[:, None, None] + m[a, 1] * y[:, None] + m[a, 2] * z + m[a, 3]
            for a in range(3)
        ]
    )
