"""Diameters of a lesion from its mask, in mm.

The surface is where the mask, smoothed by less than a voxel, falls to one half. From the corners of
voxels a diameter would be too long by one voxel, from the points between voxels by half of one: of
all steps of the staircase the longest diameter finds the outermost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, label
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

#: Standard deviation of the smoothing, in voxels. It is used where the change of size stays below a
#: limit and some part is thick enough to keep its value: what is small or thin would vanish.
SMOOTHING_VOXELS = 0.7
SMOOTHING_CHANGE = 0.10
SMOOTHED_PEAK = 0.9

#: Voxels around a mask, into which it is smoothed.
_MARGIN = 3

#: Steps per voxel at which chords are looked for.
CHORD_STEPS = 5


@dataclass(frozen=True)
class PlaneDiameters:
    """The longest diameter in the planes of measurement, and the longest perpendicular to it.

    Attributes
    ----------
    longest_mm
        Largest distance of two points of one connected part of the lesion in one slice.
    short_mm
        Longest chord perpendicular to it within the same part of the same slice.
    slice_index
        The slice, along the axis of the slices.
    ends_mm
        (2, 3) world coordinates of the ends of the longest diameter.
    """

    longest_mm: float
    short_mm: float
    slice_index: int
    ends_mm: np.ndarray


def axial_axis(affine: np.ndarray) -> int:
    """The array axis whose slices are closest to axial."""
    steps = np.asarray(affine, float)[:3, :3]
    normals = np.linalg.inv(steps)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return int(np.argmax(np.abs(normals[:, 2])))


def slice_distance_mm(affine: np.ndarray, axis: int) -> float:
    """Distance of neighbouring slices along an array axis, perpendicular to them."""
    normals = np.linalg.inv(np.asarray(affine, float)[:3, :3])
    return float(1 / np.linalg.norm(normals[axis]))


def tilt_degrees(affine: np.ndarray, axis: int) -> float:
    """Angle between the slices along an axis and the axial plane of the world."""
    normal = np.linalg.inv(np.asarray(affine, float)[:3, :3])[axis]
    return float(np.degrees(np.arccos(np.clip(abs(normal[2]) / np.linalg.norm(normal), 0, 1))))


def plane_diameters(mask: np.ndarray, affine: np.ndarray) -> PlaneDiameters:
    """Measure a lesion in its axial slices.

    Parameters
    ----------
    mask
        3-D bool with one lesion.
    affine
        4x4, voxel to mm; sheared and oblique ones are measured as they lie.
    """
    axis = axial_axis(affine)
    order = [a for a in range(3) if a != axis]
    steps = np.asarray(affine, float)[:3, :3][:, order]
    # Coordinates in the plane of a slice, in mm: the same distances as in the world.
    to_plane = np.linalg.qr(steps)[1]
    best: PlaneDiameters | None = None
    part_of_best = np.zeros((0, 0), bool)
    slices = np.moveaxis(np.asarray(mask, bool), axis, 0)
    for index in np.flatnonzero(slices.any(axis=(1, 2))):
        parts, count = label(slices[index], structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            part = parts == number
            edge = _edge(part)
            a, b = _farthest(edge @ to_plane.T)
            longest = float(np.linalg.norm((edge[a] - edge[b]) @ to_plane.T))
            if best is None or longest > best.longest_mm:
                ends = np.empty((2, 3))
                ends[:, order] = edge[[a, b]]
                ends[:, axis] = index
                world = ends @ np.asarray(affine, float)[:3, :3].T + affine[:3, 3]
                best = PlaneDiameters(longest, 0.0, int(index), world)
                part_of_best = part
                direction = (edge[b] - edge[a]) @ to_plane.T
    if best is None:
        raise ValueError("an empty mask has no diameters")
    short = min(_perpendicular_chord(part_of_best, to_plane, direction), best.longest_mm)
    return PlaneDiameters(best.longest_mm, short, best.slice_index, best.ends_mm)


def largest_diameter(mask: np.ndarray, affine: np.ndarray) -> float:
    """Largest distance of two points of a lesion in space, in mm (mask 3-D, affine 4x4)."""
    edge = _edge(np.asarray(mask, bool)) @ np.asarray(affine, float)[:3, :3].T
    a, b = _farthest(edge)
    return float(np.linalg.norm(edge[a] - edge[b]))


def _edge(mask: np.ndarray) -> np.ndarray:
    """Points of the surface, in voxels, on the lines between neighbouring voxel centres."""
    level = _levels(mask)
    points = []
    for axis in range(mask.ndim):
        along = np.moveaxis(level, axis, -1)
        low, high = along[..., :-1], along[..., 1:]
        crossing = (low >= 0.5) != (high >= 0.5)
        places = np.argwhere(crossing).astype(float)
        places[:, -1] += (0.5 - low[crossing]) / (high[crossing] - low[crossing])
        others = [a for a in range(mask.ndim) if a != axis]
        point = np.empty_like(places)
        point[:, [*others, axis]] = places
        points.append(point - _MARGIN)
    return np.concatenate(points)


def _levels(mask: np.ndarray) -> np.ndarray:
    """What is one half on the surface: the mask smoothed, or itself where that would change it."""
    padded = np.pad(np.asarray(mask, np.float32), _MARGIN)
    smooth = gaussian_filter(padded, SMOOTHING_VOXELS, mode="constant")
    kept = np.count_nonzero(smooth >= 0.5) / np.count_nonzero(padded)
    thick = smooth.max() >= SMOOTHED_PEAK and abs(kept - 1) <= SMOOTHING_CHANGE
    return smooth if thick else padded


def _farthest(points: np.ndarray) -> tuple[int, int]:
    """The two points that are farthest from each other."""
    try:
        corners = ConvexHull(points).vertices
    except QhullError:  # points on a line
        corners = np.arange(len(points))
    distances = cdist(points[corners], points[corners])
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    return int(corners[a]), int(corners[b])


def _perpendicular_chord(part: np.ndarray, to_plane: np.ndarray, direction: np.ndarray) -> float:
    """Longest run inside a part of a slice, perpendicular to a direction in mm."""
    along = direction / np.linalg.norm(direction)
    turned = np.stack([along, [-along[1], along[0]]], axis=1)
    step = min(np.linalg.norm(to_plane, axis=0)) / CHORD_STEPS
    voxels = np.argwhere(part)
    low, high = voxels.min(axis=0) - 1, voxels.max(axis=0) + 2
    corners = np.array([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])], float)
    there = corners @ to_plane.T @ turned
    start = there.min(axis=0)
    shape = np.ceil((there.max(axis=0) - start) / step).astype(int) + 1
    to_voxel = np.linalg.inv(to_plane) @ turned * step
    origin = np.linalg.inv(to_plane) @ turned @ start
    level = affine_transform(
        _levels(part), to_voxel, origin + _MARGIN, output_shape=tuple(shape), order=1
    )
    return float(_longest_run(level >= 0.5) * step)


def _longest_run(rows: np.ndarray) -> int:
    """Longest run of true values along the second axis."""
    counted = np.zeros(rows.shape[0], int)
    most = np.zeros(rows.shape[0], int)
    for column in rows.T:
        counted = np.where(column, counted + 1, 0)
        np.maximum(most, counted, out=most)
    return int(most.max(initial=0))
