"""Masks of follow-ups in the space of the baseline."""

from __future__ import annotations

from typing import Literal

import nibabel as nib
import numpy as np

from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import linear_map

#: Voxels at which visits are registered, in mm: six or twelve numbers need no finer ones.
REGISTERED_MM = 2.0


def in_baseline_space(
    baseline: nib.Nifti1Image,
    follow_up: nib.Nifti1Image,
    labels: np.ndarray,
    *,
    kind: Literal["rigid", "affine"] = "rigid",
    compared: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring the labels of a follow-up onto the grid of the baseline.

    Lesions are measured where they were drawn; these labels only say which is which.

    Parameters
    ----------
    baseline, follow_up
        The images of both visits.
    labels
        (X, Y, Z) on the grid of the follow-up.
    kind
        ``rigid`` for a head, ``affine`` for an organ that breathing and weight change.
    compared
        (X, Y, Z) bool on the grid of the baseline: where the images are compared, as the brain or
        the liver, best without its lesions.

    Returns
    -------
    labels : numpy.ndarray
        On the grid of the baseline, with the same numbers. A label that falls between its voxels
        keeps the voxel in which its centre lies.
    matrix : numpy.ndarray
        4x4, mm of the baseline to mm of the follow-up.
    """
    fixed, moving = _no_finer(baseline), _no_finer(follow_up)
    mask = None
    if compared is not None:
        inside = nib.Nifti1Image(compared.astype(np.uint8), baseline.affine)
        mask = resample_to(inside, fixed.shape, fixed.affine, order=0)
    matrix = linear_map(fixed, moving, kind=kind, fixed_mask=mask)
    return moved_labels(baseline, follow_up.affine, labels, matrix), matrix


def _no_finer(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return coarser(image, REGISTERED_MM) if min(zooms_mm(image.affine)) < REGISTERED_MM else image


def covered(
    baseline: nib.Nifti1Image, follow_up: nib.Nifti1Image, matrix: np.ndarray
) -> np.ndarray:
    """Where on the grid of the baseline the follow-up has an image, (X, Y, Z) bool.

    ``matrix`` as of :func:`in_baseline_space`.
    """
    everywhere = np.ones(follow_up.shape[:3], np.uint8)
    there = nib.Nifti1Image(everywhere, np.linalg.inv(matrix) @ follow_up.affine)
    return resample_to(there, baseline.shape[:3], baseline.affine, order=0) > 0


def likeness(baseline: nib.Nifti1Image, follow_up: nib.Nifti1Image, matrix: np.ndarray) -> float:
    """Correlation of both images where the follow-up has one; NaN where it reaches nothing.

    ``matrix`` as of :func:`in_baseline_space`. Low where registration failed, or where the images
    are not of one body.
    """
    fixed, moving = _no_finer(baseline), _no_finer(follow_up)
    there = nib.Nifti1Image(np.asanyarray(moving.dataobj), np.linalg.inv(matrix) @ moving.affine)
    moved = resample_to(there, fixed.shape[:3], fixed.affine, order=1)
    reached = covered(fixed, moving, matrix)
    first, second = np.asanyarray(fixed.dataobj)[reached], moved[reached]
    if first.size < 2 or not (first.std() > 0 and second.std() > 0):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def moved_labels(
    baseline: nib.Nifti1Image, affine: np.ndarray, labels: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """Labels on the grid of the baseline, by a known map (4x4, mm of baseline to follow-up)."""
    there = nib.Nifti1Image(labels.astype(np.int32), np.linalg.inv(matrix) @ affine)
    shape = baseline.shape[:3]
    moved = resample_to(there, shape, baseline.affine, order=0)
    for number in sorted(set(np.unique(labels)) - set(np.unique(moved))):
        centre = np.argwhere(labels == number).mean(axis=0)
        world = nib.affines.apply_affine(there.affine, centre)
        voxel = np.rint(nib.affines.apply_affine(np.linalg.inv(baseline.affine), world)).astype(int)
        if ((voxel >= 0) & (voxel < shape)).all() and moved[tuple(voxel)] == 0:
            moved[tuple(voxel)] = number
    return moved
