"""The ratio image of an MP2RAGE (``UNIT1``): its air is as bright as its brain, and is darkened."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_opening, gaussian_filter, uniform_filter

from commissure.errors import DatasetError
from commissure.images.grid import largest_component
from commissure.images.load import load_image, same_grid, zooms_mm
from commissure.names import Scan

#: Where neighbours scatter more than this share of the range, there is air: noise over the whole
#: range scatters by 0.29 of it, the borders of a cortex by half of that.
SCATTER_MAX = 0.2

#: Edge of the neighbourhood, of the region over which its scatter is averaged, and width of the
#: border that is faded out (mm).
NEIGHBOURHOOD_MM, REGION_MM, FADED_MM = 3.0, 7.0, 1.0

#: Said in the sidecar and the quality record.
NOTE = {
    True: "UNIT1: multiplied by the second inversion, so that the air is dark.",
    False: "UNIT1 without its second inversion: what scatters like noise was set to 0.",
}


def without_noise(scan: Scan, image: nib.Nifti1Image) -> tuple[nib.Nifti1Image, str]:
    """A ratio image with dark air, and what was done in a sentence.

    The ratio of two images without signal is noise over the whole range. The second inversion is
    bright where there is tissue: the product looks as an MPRAGE does (as presurfer does,
    Kashyap S, doi:10.5281/zenodo.4626841). Where it is not there, air is told by its scatter.

    Parameters
    ----------
    scan
        The ``UNIT1``; ``inv2`` among what is associated with it is the second inversion.
    image
        3-D.

    Raises
    ------
    DatasetError
        The second inversion cannot be read, or lies on another grid.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    data = data - data.min()
    path = scan.associated.get("inv2")
    if path is None:
        return _as(image, data * _tissue(data, image.affine)), NOTE[False]
    second = load_image(path, who=scan.who, ndim=3)
    if not same_grid(second, image, tolerance_mm=0.01):
        raise DatasetError(
            scan.who,
            found=f"{path.name} lies on another grid than {scan.path.name}",
            wanted="the second inversion of the same MP2RAGE",
            mend=f"Remove {path.name}, or put the right one there",
        )
    bright = np.asarray(second.dataobj)
    # Above its middle range the second inversion shows the coil, which is not wanted twice.
    weight = np.clip(bright / np.percentile(bright[bright > bright.mean()], 50), 0, 1)
    return _as(image, data * weight), NOTE[True]


def _tissue(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Where neighbours resemble each other: the largest such part, 0 to 1."""
    size = zooms_mm(affine)
    edge, region = (
        [max(3, 2 * round(mm / one / 2) + 1) for one in size]
        for mm in (NEIGHBOURHOOD_MM, REGION_MM)
    )
    mean = uniform_filter(data, edge)
    spread = np.sqrt(np.clip(uniform_filter(data**2, edge) - mean**2, 0, None))
    calm = uniform_filter(spread, region) < SCATTER_MAX * float(np.ptp(data))
    head = largest_component(binary_opening(calm, iterations=2)).astype(np.float32)
    return np.clip(2 * gaussian_filter(head, FADED_MM / np.array(size)), 0, 1)


def _as(image: nib.Nifti1Image, data: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(data.astype(np.float32), image.affine, image.header)
