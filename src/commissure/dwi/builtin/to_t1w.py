"""Masks, grids and the way from the b0 to the T1w image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from dipy.segment.mask import median_otsu
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, label

from commissure.errors import QualityError
from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm

#: Voxels at which the brain is outlined: finer ones cost time and give a rougher outline.
_MASK_MM = 3.0


def b0_brain_mask(b0: np.ndarray, affine: np.ndarray, *, who: str) -> np.ndarray:
    """Outline the brain on an unweighted volume: median filter, Otsu, largest piece, no holes.

    Parameters
    ----------
    b0
        3-D mean of the unweighted volumes.
    affine
        4x4, voxel to mm.
    who
        Person and visit, for the error message.

    Returns
    -------
    numpy.ndarray
        3-D of bool.

    Raises
    ------
    QualityError
        What stands out has no brain's volume (0.3 to 3 l).

    Notes
    -----
    DIPY's ``median_otsu``; fat is dark in a diffusion series, which makes this enough.
    """
    image = nib.Nifti1Image(np.asarray(b0, dtype=np.float32), affine)
    if min(zooms_mm(affine)) < _MASK_MM:
        image = coarser(image, _MASK_MM)
    _, bright = median_otsu(np.asanyarray(image.dataobj), median_radius=1, numpass=2)
    # Tongue and eyes hang on the brain by threads; what survives a deep erosion is the brain.
    core, _ = label(binary_erosion(bright, iterations=2))
    sizes = np.bincount(core.ravel())
    sizes[0] = 0
    brain = binary_dilation(core == sizes.argmax(), iterations=3) & bright
    brain = binary_fill_holes(brain)
    mask = resample_to(nib.Nifti1Image(brain.astype(np.float32), image.affine), b0.shape, affine)
    mask = mask > 0.5
    refuse_no_brain(mask, affine, who=who)
    return mask


def refuse_no_brain(mask: np.ndarray, affine: np.ndarray, *, who: str) -> None:
    """Refuse a mask that has no brain's volume.

    Parameters
    ----------
    mask
        3-D of bool.
    affine
        4x4, voxel to mm.
    who
        Person and visit, for the error message.

    Raises
    ------
    QualityError
        The volume is not 0.3 to 3 l.
    """
    litres = float(mask.sum() * np.prod(zooms_mm(affine)) / 1e6)
    if not 0.3 <= litres <= 3:
        raise QualityError(
            who,
            found=f"the bright object in the b0 has a volume of {litres:.2f} l",
            wanted="a brain of 0.3 to 3 l",
            mend="Look at the b0: wrong voxel size, empty volume, or another organ",
        )


def aligned_grid(
    mask: nib.Nifti1Image, resolution_mm: float
) -> tuple[tuple[int, int, int], np.ndarray]:
    """A grid of cubic voxels along the axes of a T1w image, around its brain.

    Parameters
    ----------
    mask
        Brain mask in T1w space.
    resolution_mm
        Voxel edge.

    Returns
    -------
    shape, affine
        The brain's box and two voxels more on each side.
    """
    voxels = np.argwhere(np.asanyarray(mask.dataobj) > 0)
    size = np.array(zooms_mm(mask.affine))
    low, high = voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5
    count = np.ceil((high - low) * size / resolution_mm).astype(int) + 4
    step = resolution_mm / size
    first = (low + high) / 2 - (count - 1) / 2 * step
    affine = mask.affine.astype(float).copy()
    affine[:3, :3] = mask.affine[:3, :3] * step
    affine[:3, 3] = mask.affine[:3, :3] @ first + mask.affine[:3, 3]
    return (int(count[0]), int(count[1]), int(count[2])), affine
