"""The smooth brightness that a receive coil lends an image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from ants import n4_bias_field_correction
from scipy.ndimage import gaussian_filter

from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.registration import to_ants

#: Voxel size at which shading is found.
SHADING_MM = 4.0

#: Brightness is evened within neighbourhoods of this width (SD), and where they hold at least this
#: share of the head.
_NEAR_MM, _SHARE_MIN = 20.0, 0.05


def coil_brightness(image: nib.Nifti1Image, mask: np.ndarray, *, rough: bool = False) -> np.ndarray:
    """Smooth brightness of the receive coil by N4: the coarse part, which needs no tissue maps.

    Two levels (a spline of 200 mm, then 100 mm) at 4 mm: with more, N4 takes deep white matter for
    coil brightness where voxels are large.

    Parameters
    ----------
    image
        3-D image of a head.
    mask
        Where the brain is, on the image's grid.
    rough
        A quarter of the work, and a third level (50 mm) for heads under a surface coil: enough to
        tell brain from bone, and not to measure by.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), geometric mean 1 inside the mask; divide the image by it.

    Notes
    -----
    Tustison NJ et al., N4ITK: improved N3 bias correction, IEEE TMI 29:1310-1320, 2010.
    """
    small = coarser(image, SHADING_MM)
    cover = coarser(nib.Nifti1Image(mask.astype(np.float32), image.affine), SHADING_MM)
    brain = nib.Nifti1Image((np.asarray(cover.dataobj) > 0.5).astype(np.float32), small.affine)
    field = n4_bias_field_correction(
        to_ants(small),
        mask=to_ants(brain),
        shrink_factor=3 if rough else 2,
        convergence={"iters": [20, 20, 20] if rough else [50, 50], "tol": 1e-7},
        spline_param=200,
        return_bias_field=True,
    ).numpy()
    field /= np.exp(np.log(field[np.asarray(brain.dataobj) > 0]).mean())
    return resample_to(
        nib.Nifti1Image(field, small.affine), image.shape, image.affine, outside="edge"
    )


def evened_brightness(data: np.ndarray, inside: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """An image over its mean brightness near by: without tissue maps, for looking and outlining.

    Parameters
    ----------
    data
        3-D.
    inside
        3-D of bool: what counts in the mean.
    affine
        4x4, voxel to mm.

    Returns
    -------
    numpy.ndarray
        float32, about 1 inside.
    """
    sd = _NEAR_MM / np.array(zooms_mm(affine))
    data, weight = np.asarray(data, np.float32), gaussian_filter(inside.astype(np.float32), sd)
    near = gaussian_filter(data * inside, sd) / np.maximum(weight, _SHARE_MIN)
    least = _SHARE_MIN * float(near.max())
    return data / np.maximum(near, least) if least > 0 else data
