"""Images as a network sees them: one voxel size, one orientation, one range of values."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.images.grid import coarser
from commissure.lesion.marked_image import SOFT_TISSUE_HU, windowed
from commissure.lesion.network.settings import NetworkShape


@dataclass(frozen=True)
class PreparedImage:
    """An image as a network sees it.

    Attributes
    ----------
    data
        (X, Y, Z) float32: CT from -1 to 1 over the window of soft tissue, MRI with mean 0 and
        standard deviation 1 over what is brighter than its mean.
    affine
        4x4, voxel to mm; axes run to the right, to the front and up.
    """

    data: np.ndarray
    affine: np.ndarray


def prepared_image(image: nib.Nifti1Image, shape: NetworkShape, *, who: str) -> PreparedImage:
    """Bring an image to the voxels and values of a network.

    Raises
    ------
    DatasetError
        What is brighter than the mean is of one value.
    """
    canonical = nib.as_closest_canonical(windowed(image, shape.image))
    resampled = coarser(canonical, shape.voxel_mm)
    data = np.asanyarray(resampled.dataobj, np.float32)
    if shape.image == "ct":
        low, high = SOFT_TISSUE_HU
        data = (data - np.float32((low + high) / 2)) / np.float32((high - low) / 2)
        return PreparedImage(data.astype(np.float32), resampled.affine)
    bright = data[data > data.mean(dtype=np.float64)].astype(np.float64)
    spread = float(bright.std()) if bright.size else 0.0
    if not spread > 0:
        raise DatasetError(who, found="an image without contrast", wanted="tissue in an image")
    data = ((data - bright.mean()) / spread).astype(np.float32)
    return PreparedImage(data, resampled.affine)


def prepared_mask(mask: np.ndarray, affine: np.ndarray, voxel_mm: float) -> np.ndarray:
    """A mask on the grid of :func:`prepared_image`, (X, Y, Z) bool: voxels that it half fills."""
    canonical = nib.as_closest_canonical(nib.Nifti1Image(mask.astype(np.float32), affine))
    return np.asanyarray(coarser(canonical, voxel_mm).dataobj) >= 0.5


def padded(data: np.ndarray, edge: int, value: float) -> np.ndarray:
    """An array no smaller than ``edge`` along any axis, with ``value`` at its upper ends."""
    lacking = [(0, max(0, edge - size)) for size in data.shape]
    return np.pad(data, lacking, constant_values=value) if any(n for _, n in lacking) else data
