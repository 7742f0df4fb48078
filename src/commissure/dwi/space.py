"""Masks, grids and the way from the b0 to the T1w image."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.errors import QualityError
from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import register

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
    from dipy.segment.mask import median_otsu
    from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, label

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
    litres = float(mask.sum() * np.prod(zooms_mm(affine)) / 1e6)
    if not 0.3 <= litres <= 3:
        raise QualityError(
            who,
            found=f"the bright object in the b0 has a volume of {litres:.2f} l",
            wanted="a brain of 0.3 to 3 l",
            mend="Look at the b0: wrong voxel size, empty volume, or another organ",
        )
    return mask


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


def matrix_to_t1w(
    b0: np.ndarray,
    b0_mask: np.ndarray,
    affine: np.ndarray,
    t1w: nib.Nifti1Image,
    t1w_mask: nib.Nifti1Image,
    *,
    resolution_mm: float,
) -> np.ndarray:
    """Find the rigid way between the b0 and the T1w image of the same head.

    Mutual information (ANTs), brains only.

    Parameters
    ----------
    b0, b0_mask, affine
        Mean unweighted volume, its brain mask, and their affine.
    t1w, t1w_mask
        Bias-corrected T1w image and its brain mask.
    resolution_mm
        Voxel size at which mutual information is computed.

    Returns
    -------
    numpy.ndarray
        4x4, from the world of the T1w image to that of the b0.
    """
    brain = np.asanyarray(t1w.dataobj) * (np.asanyarray(t1w_mask.dataobj) > 0)
    fixed = nib.Nifti1Image(brain.astype(np.float32), t1w.affine)
    if resolution_mm > min(zooms_mm(t1w.affine)):
        fixed = coarser(fixed, resolution_mm)
    moving = nib.Nifti1Image(np.where(b0_mask, b0, 0).astype(np.float32), affine)
    with tempfile.TemporaryDirectory() as scratch:
        forward = Path(scratch, "forward.h5")
        register(fixed, moving, kind="rigid", forward=forward, inverse=Path(scratch, "back.h5"))
        return affine_matrix(forward)


def affine_matrix(transform: Path) -> np.ndarray:
    """Read a linear ITK transform file as a 4x4 matrix between worlds in RAS+.

    The matrix maps points of the fixed image to points of the moving image.
    """
    import pandas as pd
    from ants import apply_transforms_to_points

    points = pd.DataFrame(np.vstack([np.zeros(3), np.eye(3)]) * 100.0, columns=["x", "y", "z"])
    moved = apply_transforms_to_points(3, points, [str(transform)]).to_numpy()
    flip = np.diag([-1.0, -1.0, 1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ ((moved[1:, :3] - moved[0, :3]) / 100).T @ flip
    matrix[:3, 3] = flip @ moved[0, :3]
    return matrix
