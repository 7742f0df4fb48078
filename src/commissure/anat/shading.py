"""Shading of a T1w image by the receive coil: how much was divided out, and how much is left."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter

from commissure.anat.image_quality import PURE_SHARE, UNERODED_MM, VOXELS_MIN
from commissure.images.grid import coarser
from commissure.images.load import zooms_mm

#: Voxel size and width of the kernel with which white matter is averaged (mm).
AVERAGED_MM, KERNEL_MM = 4.0, 8.0

#: Averages are of places where white matter fills this share of a voxel and more.
FILLED = 0.05


def inu_range(raw: nib.Nifti1Image, corrected: nib.Nifti1Image, mask: np.ndarray) -> float:
    """Range of the brightness that was divided out, from its 5th to its 95th percentile.

    Parameters
    ----------
    raw, corrected
        3-D, as acquired and without shading, on one grid.
    mask
        (X, Y, Z) bool, where it is asked for.
    """
    before, after = (np.asanyarray(image.dataobj)[mask] for image in (raw, corrected))
    known = (before > 0) & (after > 0)
    if known.sum() < VOXELS_MIN:
        return float("nan")
    return _range(before[known] / after[known])


def white_shading(t1w: nib.Nifti1Image, white: np.ndarray) -> float:
    """How much the brightness of white matter still varies from place to place.

    Parameters
    ----------
    t1w
        3-D, without shading as far as an engine removed it.
    white
        (X, Y, Z) share of white matter.

    Returns
    -------
    float
        5th to 95th percentile of its local mean (Gaussian of 8 mm), over the median. Not a number
        where there is hardly any white matter.
    """
    core = white > PURE_SHARE
    if max(zooms_mm(t1w.affine)) < UNERODED_MM:
        core = binary_erosion(core)
    if core.sum() < VOXELS_MIN:
        return float("nan")
    bright, share = (
        _averaged(part, t1w.affine)
        for part in (np.where(core, np.asanyarray(t1w.dataobj), 0), core)
    )
    there = share.max(initial=0) * FILLED < share
    return _range(bright[there] / share[there])


def _averaged(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    image = nib.Nifti1Image(values.astype(np.float32), affine)
    if min(zooms_mm(affine)) < AVERAGED_MM:
        image = coarser(image, AVERAGED_MM)
    return gaussian_filter(np.asarray(image.dataobj), KERNEL_MM / np.array(zooms_mm(image.affine)))


def _range(values: np.ndarray | Sequence[float]) -> float:
    low, high = np.percentile(np.asarray(values) / np.median(values), [5, 95])
    return float(high - low)
