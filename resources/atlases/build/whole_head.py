"""Heads with skull and scalp around the template's brain: one for registration, one to simulate.

Both come from the head of one man (MRIcron's ch2, the mean of many scans of him), whose brain
(ch2bet) is registered to the template's. The simulated people get his head as it is. Registration
gets a head that is more like everybody's: the mean of his and its mirror image (the template is
symmetrical too), with his uncommonly thick skull and scalp drawn in, and scalp no brighter than
white matter.

    python resources/atlases/build/whole_head.py PACKAGES
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from packages import image, member
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from commissure.images.grid import coarser
from commissure.images.registration import apply_transform, register
from commissure.images.template import template

FOLDER = Path(__file__).resolve().parents[1] / "whole-head"
PACKAGE = "mricron-data=1.2.20211006+dfsg-4"
WHERE = "usr/share/mricron/templates"

#: What a voxel of 2 mm sees of the image of 1 mm (FWHM).
SEEN_MM = 2.0

#: His scalp is brightest 10 to 12 mm outside the brain, that of others at 5 to 9 mm: what lies
#: outside is as thick as it is times this, and moves no farther than the second number.
THICKER, DRAWN_IN_AT_MOST_MM = 1.5, 5.0


def main(packages: Path) -> None:
    """Write both heads on a grid of 2 mm, and the licence of the package."""
    head = image(packages, PACKAGE, f"{WHERE}/ch2.nii.gz")
    brain = image(packages, PACKAGE, f"{WHERE}/ch2bet.nii.gz")
    fine = template("T1w")
    with tempfile.TemporaryDirectory() as scratch:
        forward, inverse = Path(scratch, "forward.h5"), Path(scratch, "inverse.h5")
        register(
            template("T1w", resolution_mm=2.0),
            coarser(brain, 2.0),
            kind="syn",
            forward=forward,
            inverse=inverse,
            iterations=(100, 70, 20),
        )
        moved = np.asanyarray(apply_transform(head, fine, [forward]).dataobj)
    affine = fine.affine @ np.diag([2, 2, 2, 1])
    _write(_seen(moved), affine, "oneperson")
    _write(common_head(_seen((moved + moved[::-1]) / 2)), affine, "head")
    (FOLDER / "LICENSE").write_bytes(
        member(packages, PACKAGE, "usr/share/doc/mricron-data/copyright")
    )


def common_head(head: np.ndarray) -> np.ndarray:
    """Draw in what lies outside the brain, and dim what is brighter than white matter.

    Parameters
    ----------
    head
        (X, Y, Z) on every second voxel of the template's grid.
    """
    brain = np.asanyarray(template("mask").dataobj)[::2, ::2, ::2] > 0
    white = np.asanyarray(template("WM").dataobj)[::2, ::2, ::2] > 0.9
    distance = 2 * (distance_transform_edt(~brain) - distance_transform_edt(brain))
    distance = gaussian_filter(distance, 1.5)
    outwards = np.stack(np.gradient(distance, 2.0))
    outwards /= np.maximum(np.linalg.norm(outwards, axis=0), 0.3)
    shift = np.clip((THICKER - 1) * np.clip(distance, 0, None), 0, DRAWN_IN_AT_MOST_MM)
    places = np.indices(head.shape) + shift / 2 * outwards
    dimmed = np.minimum(head, np.median(head[white]))
    return np.where(brain, head, map_coordinates(dimmed, places, order=1, mode="nearest"))


def _seen(fine: np.ndarray) -> np.ndarray:
    return gaussian_filter(fine, SEEN_MM / 2.3548)[::2, ::2, ::2]


def _write(head: np.ndarray, affine: np.ndarray, desc: str) -> None:
    data = np.rint(255 * np.clip(head / head.max(), 0, 1)).astype(np.uint8)
    result = nib.Nifti1Image(data, affine)
    result.header.set_xyzt_units("mm")
    nib.save(result, FOLDER / f"tpl-MNI152NLin2009aSym_res-2_desc-{desc}_T1w.nii.gz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
