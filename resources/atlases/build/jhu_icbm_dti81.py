"""The white-matter labels of JHU's ICBM-DTI-81 atlas, mirrored back and laid on the template.

The header of the package's file has lost the sign of x: its "R" labels lie at negative x. With
FSL's own header back (x = 90 - i) left and right are mirror images of each other about x = 0.5 mm:
so they are moved by -0.5 mm. Along y, 1 mm to the front brings most white matter of the template
under the labels. The template is exactly symmetrical: a voxel takes the label that covers most of
it and of its mirror image.

    python resources/atlases/build/jhu_icbm_dti81.py PACKAGES
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from packages import image, member

from commissure.images.grid import resample_to
from commissure.images.template import template

FOLDER = Path(__file__).resolve().parents[1] / "jhu-icbm-dti81"
PACKAGE = "mricron-data=1.2.20211006+dfsg-4"
SOURCE = "usr/share/mricron/templates/JHU-WhiteMatter-labels-1mm.nii.gz"

#: What the file's header should have said, and the shift to the template that was measured.
FSL_AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
SHIFT_MM = np.array([-0.5, 1.0, 0.0])


def main(packages: Path) -> None:
    """Write the labels on the template's grid, and the package's notice."""
    source = image(packages, PACKAGE, SOURCE)
    labels = pd.read_csv(FOLDER / "labels.tsv", sep="\t")
    data = symmetrical(np.asanyarray(source.dataobj), labels)
    result = nib.Nifti1Image(data, template("WM").affine)
    result.header.set_xyzt_units("mm")
    stem = "tpl-MNI152NLin2009aSym_atlas-JHUICBMDTI81_res-1_dseg"
    nib.save(result, FOLDER / f"{stem}.nii.gz")
    (FOLDER / "LICENSE").write_bytes(
        member(packages, PACKAGE, "usr/share/doc/mricron-data/copyright")
    )


def symmetrical(source: np.ndarray, labels: pd.DataFrame) -> np.ndarray:
    """Labels (uint8) on the template's grid.

    Parameters
    ----------
    source
        The file's data.
    labels
        ``index`` and ``mirror``: a label's number, and that of the other side (or its own).
    """
    grid = template("WM")
    affine = FSL_AFFINE.copy()
    affine[:3, 3] += SHIFT_MM
    most = np.full(grid.shape, 0.5, np.float32)
    result = np.zeros(grid.shape, np.uint8)
    cover = {
        int(index): resample_to(
            nib.Nifti1Image((source == index).astype(np.float32), affine), grid.shape, grid.affine
        )
        for index in labels["index"]
    }
    for index, mirror in zip(labels["index"], labels["mirror"], strict=True):
        share = (cover[index] + cover[mirror][::-1]) / 2
        result = np.where(share >= most, np.uint8(index), result)
        most = np.maximum(most, share)
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
