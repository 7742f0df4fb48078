"""The image in which lesions are marked."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.images.load import load_image
from commissure.lesion.masks import check_ct_units
from commissure.names import Scan, parse_name

#: Hounsfield units of black and white: a usual window of the abdomen, centre 40, width 400.
SOFT_TISSUE_HU = (-160.0, 240.0)


def image_suffix(scan: Scan) -> str:
    """BIDS suffix of the image in which lesions are marked; empty where there is none."""
    image = scan.associated.get("image")
    return parse_name(image.name)[1] if image else ""


def image_of(scan: Scan) -> Path:
    """Path of the image in which the lesions of a mask are marked.

    Raises
    ------
    DatasetError
        There is none.
    """
    if "image" not in scan.associated:
        raise DatasetError(
            scan.who,
            found=f"no image belongs to {scan.path.name}",
            wanted="a T1w, T2w or FLAIR image, or ct, beside it with the same entities",
            mend="Name the mask as its image, with label-lesion_dseg in place of the suffix",
        )
    return scan.associated["image"]


def marked_image(scan: Scan) -> nib.Nifti1Image:
    """The image in which the lesions of a mask are marked, as float32.

    Raises
    ------
    DatasetError
        There is none, it cannot be read, or it is CT that is not in Hounsfield units.
    """
    path = image_of(scan)
    ct = image_suffix(scan) == "ct"
    image = load_image(path, who=scan.who, ndim=3, signed=ct)
    if ct:
        check_ct_units(np.asanyarray(image.dataobj), who=scan.who)
    return image


def windowed(image: nib.Nifti1Image, suffix: str) -> nib.Nifti1Image:
    """CT with the values beyond the window at its ends; other images as they are.

    Air, metal and bone would otherwise take most of the grey values that registration compares.
    """
    if suffix != "ct":
        return image
    return nib.Nifti1Image(
        np.clip(np.asanyarray(image.dataobj), *SOFT_TISSUE_HU), image.affine, image.header
    )
