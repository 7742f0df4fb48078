"""The tissues of a head before it is deformed: as crisp as in a person, and as its labels say.

The template's maps are the mean of many people, softer at every border than anybody's tissue, and
with grey matter where people's sulci are. A person's voxel is of several tissues only because it
is large; that is left to the scanner.
"""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np

from commissure.images.atlas import structures
from commissure.images.template import TemplateMap, template

TISSUES: tuple[TemplateMap, ...] = ("GM", "WM", "CSF")

#: What is of a single tissue, under FreeSurfer's numbers: white matter, cortex and ventricles.
#: What has no label in the mask is fluid: that of sulci, cisterns and the brain's surface.
PURE: dict[TemplateMap, tuple[int, ...]] = {
    "WM": (2, 7, 41, 46),
    "GM": (3, 8, 42, 47),
    "CSF": (0, 4, 5, 14, 15, 43, 44),
}

#: Thalamus, caudate, putamen, pallidum, hippocampus, amygdala and accumbens, left and right.
DEEP_GREY = ((10, 49), (11, 50), (12, 51), (13, 52), (17, 53), (18, 54), (26, 58))


@lru_cache(maxsize=1)
def tissue_maps() -> dict[str, nib.Nifti1Image]:
    """Shares of grey matter, white matter and fluid on the template's 1 mm grid.

    Returns
    -------
    dict
        ``GM WM CSF``: float32 images, 0 to 1; their sum is 1 in the template's mask, else 0.

    Notes
    -----
    A structure of deep grey matter has the same shares everywhere, those of the template's median
    voxel there: thalamus and pallidum look between grey and white matter in a T1w. Brain stem and
    ventral diencephalon, tracts and nuclei without edges, keep the template's shares, and so does
    the midline plane, where paired structures have no label.
    """
    soft = np.stack([np.asanyarray(template(name).dataobj) for name in TISSUES])
    affine = template("GM").affine
    total = soft.sum(axis=0)
    shares = soft / np.where(total > 0, total, 1)
    label = np.asanyarray(structures().image.dataobj)
    x_mm = affine[0, 3] + affine[0, 0] * np.arange(label.shape[0])
    sided = (np.abs(x_mm) > 0.1)[:, None, None]
    for place, name in enumerate(TISSUES):
        chosen = np.isin(label, PURE[name]) & (sided | (label > 0))
        shares[:, chosen] = 0
        shares[place, chosen] = 1
    for pair in DEEP_GREY:
        voxels = np.isin(label, pair)
        grey = np.median(soft[0][voxels] / np.maximum(soft[:2, voxels].sum(axis=0), 1e-3))
        shares[:, voxels] = np.array([grey, 1 - grey, 0], np.float32)[:, None]
    shares *= np.asanyarray(template("mask").dataobj) > 0
    shares.setflags(write=False)
    return {
        name: nib.Nifti1Image(share, affine) for name, share in zip(TISSUES, shares, strict=True)
    }
