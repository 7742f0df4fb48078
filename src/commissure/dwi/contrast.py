"""Rigid alignment of an unweighted volume to a shell of the same head."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.images.registration import register
from commissure.images.transforms import read_affine


def between_contrasts(
    reference: np.ndarray, shell: np.ndarray, affine: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Find the way from a volume to an image of the same head that differs from it in contrast.

    Parameters
    ----------
    reference
        3-D, as a b0.
    shell
        3-D on the same grid, as the mean of a shell's volumes.
    affine
        4x4, voxel to mm.
    mask
        3-D brain mask.

    Returns
    -------
    numpy.ndarray
        4x4, from the world of ``reference`` to that of ``shell``.

    Notes
    -----
    Mutual information (Mattes) by ANTs, from where the images lie.
    """
    from scipy.ndimage import binary_dilation

    fixed, moving = (
        nib.Nifti1Image(np.asarray(image, np.float32), affine) for image in (reference, shell)
    )
    with tempfile.TemporaryDirectory() as scratch:
        there = Path(scratch, "there.h5")
        register(
            fixed,
            moving,
            kind="rigid",
            fixed_mask=binary_dilation(np.asarray(mask) > 0),
            initial=np.eye(4),
            forward=there,
            inverse=Path(scratch, "back.h5"),
        )
        return read_affine(there)
