"""The mask of a lesion that somebody drew: ``_label-lesion_roi`` beside the T1w image (BIDS)."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from commissure.errors import DatasetError
from commissure.images.grid import bounding_box
from commissure.images.load import same_grid, zooms_mm
from commissure.names import Scan

#: Widths at which a lesion is filled from around, fine to coarse (mm, standard deviation).
FILLING_MM = (1.5, 3.0, 6.0, 12.0, 24.0)

#: Least share of known tissue from which a voxel is filled.
KNOWN_SHARE = 0.1


def lesion_mask(scan: Scan, image: nib.Nifti1Image) -> np.ndarray | None:
    """The lesion of a T1w image, (X, Y, Z) bool; None where none is drawn.

    Parameters
    ----------
    scan
        The T1w image; ``roi`` among what is associated with it is the mask.
    image
        3-D, the T1w image or what an engine made of it.

    Raises
    ------
    DatasetError
        The mask cannot be read, or lies on another grid.
    """
    path = scan.associated.get("roi")
    if path is None:
        return None
    try:
        roi: nib.Nifti1Image = nib.load(path)  # type: ignore[assignment]
        drawn = np.nan_to_num(np.asarray(roi.dataobj, dtype=np.float32)) > 0.5
    except Exception as error:  # nibabel, gzip and zlib each raise kinds of their own
        raise DatasetError(
            scan.who,
            found=f"{path.name} cannot be read ({type(error).__name__})",
            wanted="the mask of a lesion",
            mend=f"Save {path.name} again, or remove it",
        ) from error
    drawn = drawn[..., 0] if drawn.ndim == 4 and drawn.shape[3] == 1 else drawn
    if drawn.ndim != 3 or not same_grid(roi, image, tolerance_mm=0.01):
        raise DatasetError(
            scan.who,
            found=f"{path.name} has {drawn.shape} voxels at another place than the "
            f"{image.shape} of {scan.path.name}",
            wanted="a mask on the grid of the T1w image",
            mend=f"Resample {path.name} onto {scan.path.name} (nearest neighbour)",
        )
    return drawn if drawn.any() else None


def filled(image: nib.Nifti1Image, lesion: np.ndarray) -> nib.Nifti1Image:
    """An image with the lesion replaced by what is around it.

    Registration and segmentation then see neither its border nor its intensities: a lesion pulls
    the template's ventricles and sulci towards itself (Brett M et al., NeuroImage 2001;14:486-500;
    filling: Nachev P et al., NeuroImage 2008;39:1215-1226).

    Parameters
    ----------
    image
        3-D T1w.
    lesion
        (X, Y, Z) bool on its grid.
    """
    size = np.array(zooms_mm(image.affine))
    box = bounding_box(lesion, pad=[int(np.ceil(2 * FILLING_MM[-1] / mm)) for mm in size])
    data = np.array(image.dataobj, dtype=np.float32)
    part, unknown = data[box], lesion[box].copy()
    for width in FILLING_MM:
        known = (~unknown).astype(np.float32)
        share = gaussian_filter(known, width / size)
        around = gaussian_filter(part * known, width / size) / np.maximum(share, 1e-6)
        new = unknown & ((share > KNOWN_SHARE) | (width == FILLING_MM[-1]))
        part[new] = around[new]
        unknown &= ~new
    data[box] = part
    return nib.Nifti1Image(data, image.affine, image.header)
