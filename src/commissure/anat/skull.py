"""Whether an image shows a head with its skull, or a brain without it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_fill_holes, binary_opening

from commissure.images.grid import coarser, largest_component
from commissure.images.load import voxel_volume_mm3, zooms_mm

#: A head with its skull is larger than this, a brain without it is not (litres).
STRIPPED_BELOW_L = 2.3

#: What is fainter than this share of the bright end is no tissue.
FAINT = 0.1

#: Voxel size at which the tissue is measured.
MEASURED_MM = 4.0


def foreground(image: nib.Nifti1Image) -> np.ndarray:
    """Voxels that differ from the background: the value that the image has at its corners."""
    data = np.asanyarray(image.dataobj)
    corners = data[np.ix_(*([0, -1] for _ in range(3)))].ravel()
    return np.abs(data - np.median(corners)) > 1e-6 * float(np.ptp(data))


def foreground_litres(image: nib.Nifti1Image) -> float:
    """Volume of what differs from the background, in litres.

    A head with its skull fills 3 litres and more (all air noise counts, where the scanner left
    it), a stripped brain 1 to 2.
    """
    return int(foreground(image).sum()) * voxel_volume_mm3(image.affine) / 1e6


def tissue_foreground(image: nib.Nifti1Image) -> np.ndarray:
    """The largest body of what is clearly brighter than the background, with its holes filled.

    Ringing of a spline, noise, and a background that is not zero stay below a tenth of the bright
    end of the image.
    """
    data = np.asanyarray(image.dataobj)
    corners = data[np.ix_(*([0, -1] for _ in range(3)))].ravel()
    background = float(np.median(corners))
    top = float(np.percentile(data, 98))
    bright = data - background > FAINT * max(top - background, 0.5 * (data.max() - background))
    return binary_fill_holes(largest_component(binary_opening(bright)))


def looks_stripped(image: nib.Nifti1Image) -> bool:
    """Whether an image shows a brain without its skull: its tissue is smaller than any head."""
    rough = coarser(image, MEASURED_MM) if min(zooms_mm(image.affine)) < MEASURED_MM else image
    litres = tissue_foreground(rough).sum() * voxel_volume_mm3(rough.affine) / 1e6
    return bool(litres < STRIPPED_BELOW_L)
