"""From the scanner to the template: where every voxel of the output lies in every volume."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from commissure.func.builtin.realign import Motion
from commissure.func.builtin.to_t1w import REGISTRATION_MM, T1wPlacement, place_beside_t1w
from commissure.images.anat_files import AnatFiles
from commissure.images.coil_brightness import evened_brightness
from commissure.images.load import zooms_mm
from commissure.images.registration import apply_transform, register
from commissure.images.susceptibility import Shift
from commissure.images.template import template
from commissure.images.transforms import write_affine

#: What is brighter than this share of the bright end of a volume is head.
_HEAD_SHARE = 0.2


@dataclass(frozen=True)
class TransformChain:
    """The transforms of a BOLD series to the template, put together.

    Attributes
    ----------
    coordinates_mm
        Shape (X, Y, Z, 3) on the output grid: where each output voxel lies in the reference
        volume, in scanner mm; far outside where the transforms do not reach.
    steps
        The transforms in words, for the sidecar.
    placement
        How the run lies beside the T1w image; None where that was missing and BOLD went straight to
        the template, which is approximate.
    """

    coordinates_mm: np.ndarray
    steps: tuple[str, ...]
    placement: T1wPlacement | None = None

    @property
    def approximate(self) -> bool:
        """Whether the T1w image was missing."""
        return self.placement is None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the run lies."""
        return () if self.placement is None else self.placement.notes

    def sidecar(self) -> dict[str, Any]:
        """What the JSON of the series says of the transforms."""
        judged = {} if self.placement is None else self.placement.sidecar()
        return {"Transforms": list(self.steps), "approximate": self.approximate, **judged}


def brain_mask(boldref: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Brain in a mean BOLD volume: bright, in one piece, without thin bridges and holes.

    Parameters
    ----------
    boldref
        3-D mean of the realigned series.
    affine
        Its 4x4 voxel-to-mm matrix.

    Returns
    -------
    numpy.ndarray
        Boolean, same shape.

    Notes
    -----
    Coil shading is evened first: with many channels the middle of the head is so dark beside the
    cortex that it would count as air. Otsu's threshold (IEEE Trans Syst Man Cybern 9:62-66, 1979)
    on the lightly smoothed volume, opening by 4 mm, largest component, closing by 6 mm, holes
    filled.
    """
    size = np.array(zooms_mm(affine))
    boldref = np.asarray(boldref, np.float32)
    head = boldref > _HEAD_SHARE * np.percentile(boldref, 98)
    even = evened_brightness(boldref, head, affine)
    smooth = ndimage.gaussian_filter(even, 4 / 2.3548 / size)
    bright = smooth > otsu_threshold(smooth)
    opened = _dilated(_eroded(bright, 4, size), 4, size) & bright
    pieces, count = ndimage.label(_eroded(opened, 4, size))
    if count == 0:
        pieces, count = ndimage.label(opened)
    if count == 0:
        return np.ones(boldref.shape, bool)
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    grown = _dilated(largest, 6, size) & opened
    return ndimage.binary_fill_holes(_eroded(_dilated(grown, 6, size), 6, size) | grown)


def otsu_threshold(image: np.ndarray) -> float:
    """Threshold that parts the values of an image into the two tightest classes."""
    top = np.percentile(image, 99.5)
    counts, edges = np.histogram(np.clip(image, image.min(), top), bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(between[:-1])])


def _ball(radius_mm: float, size: np.ndarray) -> np.ndarray:
    reach = np.maximum(np.floor(radius_mm / size + 0.5), 1).astype(int)
    grids = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    distance = sum((g * s) ** 2 for g, s in zip(grids, size, strict=True))
    ball = distance <= max(radius_mm, float(size.max())) ** 2
    return np.asarray(ball)


def _dilated(mask: np.ndarray, radius_mm: float, size: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(mask, _ball(radius_mm, size))


def _eroded(mask: np.ndarray, radius_mm: float, size: np.ndarray) -> np.ndarray:
    return ndimage.binary_erosion(mask, _ball(radius_mm, size), border_value=1)


def dilated(mask: np.ndarray, affine: np.ndarray, *, radius_mm: float) -> np.ndarray:
    """A mask grown by ``radius_mm`` (at least one voxel) on every side."""
    return _dilated(np.asarray(mask) > 0, radius_mm, np.array(zooms_mm(affine)))


def transform_chain(
    reference: nib.Nifti1Image,
    mask: np.ndarray,
    grid: nib.Nifti1Image,
    *,
    anat: AnatFiles | None,
    who: str,
) -> TransformChain:
    """Register a BOLD image and chain the transforms to the template.

    Parameters
    ----------
    reference
        What of the run is registered: the mean of the realigned series, or an image in its pose.
    mask
        Brain in it.
    grid
        3-D image that gives the output grid in template space.
    anat
        Anatomical derivatives; without them BOLD is registered straight to the template (affine,
        twelve parameters), which is approximate.
    who
        Person and visit, for error messages.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if anat is None:
            forward, inverse = Path(scratch, "forward.h5"), Path(scratch, "inverse.h5")
            data = np.asanyarray(reference.dataobj) * mask
            moving = nib.Nifti1Image(data.astype(np.float32), reference.affine)
            size_mm = float(np.clip(np.mean(zooms_mm(reference.affine)), *REGISTRATION_MM))
            fixed = template("T1w", resolution_mm=size_mm)
            register(fixed, moving, kind="affine", forward=forward, inverse=inverse)
            straight = "boldref to template: affine, mutual information (no T1w image)"
            coordinates = _transformed_coordinates(reference, grid, [forward])
            return TransformChain(coordinates, (straight,))
        placement = place_beside_t1w(reference, mask, anat, who=who)
        steps = (
            f"boldref to T1w: rigid, {placement.method}",
            f"T1w to template: {anat.to_template.name}",
        )
        forward = write_affine(placement.matrix, Path(scratch, "forward.mat"))
        coordinates = _transformed_coordinates(reference, grid, [forward, anat.to_template])
    return TransformChain(coordinates, steps, placement)


def _transformed_coordinates(
    boldref: nib.Nifti1Image, grid: nib.Nifti1Image, chain: list[Path]
) -> np.ndarray:
    """Move an image of its own coordinates along the transforms.

    Coordinates are linear in space, so linear interpolation of a coarse image of them is exact;
    what arrives at a voxel of the output is where it came from.
    """
    spacing, margin = 20.0, 100.0
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in boldref.shape[:3]])).reshape(3, -1)
    corners = boldref.affine[:3, :3] @ corners + boldref.affine[:3, 3:]
    low = corners.min(axis=1) - margin
    shape = np.ceil((corners.max(axis=1) + margin - low) / spacing).astype(int) + 1
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low
    axes = np.indices(shape) * spacing + low[:, None, None, None]
    moved = [
        apply_transform(
            nib.Nifti1Image(axis.astype(np.float32), affine), grid, chain, default=1e4
        ).dataobj
        for axis in axes
    ]
    return np.stack([np.asanyarray(axis) for axis in moved], axis=-1)


def resampled_series(
    series: np.ndarray,
    affine: np.ndarray,
    motion: Motion,
    coordinates_mm: np.ndarray,
    inside: np.ndarray,
    shift: Shift | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Resample a series once: distortion, movement and transforms in one interpolation.

    Parameters
    ----------
    series
        Shape (X, Y, Z, T), as acquired.
    affine
        Its 4x4 voxel-to-mm matrix.
    motion
        Movement of every volume.
    coordinates_mm
        Shape (A, B, C, 3), from :class:`TransformChain`.
    inside
        Shape (A, B, C), boolean: only these voxels are computed, the others stay 0.
    shift
        Distortion of the reference, which moves with the head; None for none.

    Returns
    -------
    values
        float32, shape (N, T): the series of the N voxels inside, in array order. Cubic spline,
        kept within the range of the volume; times the factor by which distortion thinned it.
    seen
        Shape (N,): share of volumes in which the voxel lay in the field of view.
    """
    points = np.ascontiguousarray(coordinates_mm[inside].T, dtype=float)
    top = np.array(series.shape[:3], float)[:, None] - 0.5
    inverse = np.linalg.inv(affine)
    values = np.empty((series.shape[3], points.shape[1]), np.float32)
    seen = np.zeros(points.shape[1])
    displaced, factor = (0.0, 1.0) if shift is None else shift.at(points)
    axis = 0 if shift is None else shift.axis
    for t, matrix in enumerate(motion.matrices()):
        step = inverse @ matrix
        where = np.ascontiguousarray(step[:3, :3]) @ points + step[:3, 3:]
        where[axis] += displaced
        seen += ((where > -0.5) & (where < top)).all(axis=0)
        volume = np.ascontiguousarray(series[..., t], dtype=np.float32)
        ndimage.map_coordinates(volume, where, order=3, mode="nearest", output=values[t])
        np.clip(values[t], volume.min(), volume.max(), out=values[t])
        values[t] *= np.asarray(factor, np.float32)
    return values.T, seen / series.shape[3]


def resampled_volume(
    volume: np.ndarray, affine: np.ndarray, coordinates_mm: np.ndarray, *, order: int = 1
) -> np.ndarray:
    """Resample one volume of the reference's space to the output grid (0 outside).

    Parameters
    ----------
    volume, affine
        3-D, with its 4x4 voxel-to-mm matrix.
    coordinates_mm
        Shape (A, B, C, 3), from :class:`TransformChain`.
    order
        Order of the spline; what it overshoots is cut to the range of the volume.
    """
    inverse = np.linalg.inv(affine)
    where = np.einsum("ij,xyzj->ixyz", inverse[:3, :3], coordinates_mm)
    where += inverse[:3, 3][:, None, None, None]
    volume = np.asarray(volume, np.float32)
    values = ndimage.map_coordinates(volume, where, order=order, mode="constant")
    return np.clip(values, min(volume.min(), 0), volume.max())
