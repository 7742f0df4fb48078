"""Rigid alignment of an unweighted volume to a shell of the same head."""

from __future__ import annotations

import numpy as np

from commissure.dwi.gradients import quadratic
from commissure.images.rigid import (
    RigidTarget,
    resample_pose,
    rigid_matrix,
    rigid_pose,
    smoothed,
)

#: Cells into which the contrasts of a head are divided, over all contrasts together.
_CELLS = 144


def shell_contrasts(stack: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Contrasts of a shell that tell tissues apart.

    The mean alone does not: a voxel of fluid and white matter looks like one of grey matter.

    Parameters
    ----------
    stack
        ``(x, y, z, volumes)`` of one shell, aligned.
    directions
        ``(volumes, 3)`` unit vectors.

    Returns
    -------
    numpy.ndarray
        ``(x, y, z, 2)``: mean of the signal, and anisotropy of its logarithm (norm of what is not
        isotropic in its quadratic form). Only the mean where the directions span no such form.
    """
    mean = stack.mean(axis=3)
    form = quadratic(directions)
    if np.linalg.matrix_rank(form, tol=0.05) < 6:
        return mean[..., None]
    logs = np.log(np.maximum(stack, 0.05 * mean[..., None] + 1e-6))
    diagonal, rest = np.split(logs @ np.linalg.pinv(form).T.astype(np.float32), 2, axis=3)
    diagonal = diagonal - diagonal.mean(axis=3, keepdims=True)
    anisotropy = np.sqrt((diagonal**2).sum(axis=3) + 2 * (rest**2).sum(axis=3))
    return np.stack([mean, anisotropy], axis=3)


def between_contrasts(
    reference: np.ndarray, contrasts: np.ndarray, affine: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Find the way from a volume to images of the same head that differ from it in contrast.

    The images are repeatedly translated into the contrast of the reference, by the mean that the
    reference has in voxels of like values, and the reference is aligned to this translation: a
    correlation ratio driven by Gauss-Newton steps. Translating several contrasts into one, and not
    one into several, leaves few tissues that are taken for each other.

    Parameters
    ----------
    reference
        3-D, as a b0.
    contrasts
        ``(x, y, z, contrasts)`` on the same grid, as from :func:`shell_contrasts`.
    affine
        4x4, voxel to mm.
    mask
        3-D brain mask.

    Returns
    -------
    numpy.ndarray
        4x4, from the world of ``reference`` to that of ``contrasts``.

    Notes
    -----
    Roche A et al., The correlation ratio as a new similarity measure for multimodal image
    registration, MICCAI 1998.
    """
    head = np.asarray(mask, dtype=np.float32)
    sources = [smoothed(image, affine, 3.0) for image in np.moveaxis(contrasts, 3, 0)]
    # Compared at one smoothness: else a blur by interpolation alone looks like an improvement.
    judged = smoothed(reference, affine, 6.0)

    def seen(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return resample_pose(image, affine, matrix, head.shape, affine, order=1)

    matrix = np.eye(4)
    for fwhm_mm in (12.0, 6.0, 6.0, 6.0):
        inside = seen(head, matrix) > 0.5
        cells = _cells(sources, inside)
        translated = _cell_means(seen(reference, matrix), cells, inside)[cells]
        target = RigidTarget(translated, affine, inside, fwhm_mm=(fwhm_mm,), max_points=30_000)
        pose = target.pose(reference, initial=rigid_pose(matrix, target.centre), robust=True)
        step = rigid_matrix(pose, target.centre)
        before, after = (_unexplained(seen(judged, m), cells, inside) for m in (matrix, step))
        # Newton's steps can lead astray where the translation shows too little.
        if after <= before:
            matrix = step
    return np.linalg.inv(matrix)


def _cells(sources: list[np.ndarray], inside: np.ndarray) -> np.ndarray:
    """Number the voxels of like values: each contrast is cut at its quantiles inside the mask."""
    parts = round(_CELLS ** (1 / len(sources)))
    cells = np.zeros(inside.shape, int)
    for source in sources:
        cuts = np.quantile(source[inside], np.linspace(0, 1, parts + 1)[1:-1])
        cells = cells * parts + np.searchsorted(cuts, source)
    return cells


def _cell_means(image: np.ndarray, cells: np.ndarray, inside: np.ndarray) -> np.ndarray:
    within = cells[inside]
    count = np.bincount(within, minlength=cells.max() + 1)
    total = np.bincount(within, image[inside], minlength=cells.max() + 1)
    return (total / np.maximum(count, 1)).astype(np.float32)


def _unexplained(image: np.ndarray, cells: np.ndarray, inside: np.ndarray) -> float:
    """Share of an image's variance that its means leave: one minus the correlation ratio."""
    rest = image[inside] - _cell_means(image, cells, inside)[cells[inside]]
    return float(np.var(rest) / max(float(np.var(image[inside])), 1e-12))
