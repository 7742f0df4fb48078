"""Rigid alignment of two volumes of one head that differ in contrast."""

from __future__ import annotations

import numpy as np

from commissure.images.rigid import RigidTarget, resample_pose, rigid_matrix, smoothed


def between_contrasts(
    reference: np.ndarray, moved: np.ndarray, affine: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Align two volumes of the same head that differ in contrast.

    The reference is repeatedly translated into the contrast of the other volume, by the mean
    intensity that its present place gives to each of the reference's intensities, and aligned to
    it: a correlation ratio driven by Gauss-Newton steps.

    Parameters
    ----------
    reference, moved
        3-D, same grid.
    affine
        4x4, voxel to mm.
    mask
        3-D brain mask.

    Returns
    -------
    numpy.ndarray
        4x4, from the world of ``reference`` to that of ``moved``.

    Notes
    -----
    Roche A et al., The correlation ratio as a new similarity measure for multimodal image
    registration, MICCAI 1998.
    """
    around = np.asarray(mask) > 0
    source = smoothed(reference, affine, 3.0)
    pose, centre = np.zeros(6), np.zeros(3)
    for fwhm_mm in (12.0, 6.0, 6.0, 6.0):
        placed = resample_pose(
            moved, affine, rigid_matrix(pose, centre), moved.shape, affine, order=1
        )
        translated = _translated(source, placed, around)
        target = RigidTarget(translated, affine, around, fwhm_mm=(fwhm_mm,), max_points=30_000)
        centre = target.centre
        pose = target.pose(moved, initial=pose, robust=True)
    return rigid_matrix(pose, centre)


def _translated(source: np.ndarray, wanted: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Give ``source`` the contrast of ``wanted``: its mean at each intensity of the source."""
    edges = np.unique(np.quantile(source[inside], np.linspace(0, 1, 49)))
    bins = np.clip(np.searchsorted(edges, source[inside]) - 1, 0, len(edges) - 2)
    count = np.maximum(np.bincount(bins, minlength=len(edges) - 1), 1)
    means = np.bincount(bins, wanted[inside], len(edges) - 1) / count
    return np.interp(source, (edges[1:] + edges[:-1]) / 2, means).astype(np.float32)
