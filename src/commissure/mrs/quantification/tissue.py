"""What the spectroscopic voxel holds, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.errors import QualityError
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import regions
from commissure.images.load import load_image, same_grid
from commissure.images.registration import apply_transform
from commissure.images.template import template
from commissure.mrs.quantification.relaxation import TissueFractions

#: Structures of :func:`commissure.images.atlas.regions` that a voxel of a common name is meant to
#: cover.
VOI_STRUCTURES: dict[str, tuple[str, ...]] = {
    "ACC": ("ACC_L", "ACC_R"),
    "PCC": ("PCC_L", "PCC_R"),
    "HIPPO": ("Hippocampus_L", "Hippocampus_R"),
    "THAL": ("Thalamus_L", "Thalamus_R"),
    "STR": ("Caudate_L", "Caudate_R", "Putamen_L", "Putamen_R"),
}


def voxel_points(affine: np.ndarray, *, spacing_mm: float = 0.5) -> np.ndarray:
    """Points that fill the spectroscopic voxel evenly, (points, 3) in scanner mm.

    Parameters
    ----------
    affine
        4x4 of the voxel: the cube from -0.5 to 0.5 around index 0.
    """
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    axes = []
    for edge in edges:
        n = max(2, int(np.ceil(edge / spacing_mm)))
        axes.append((np.arange(n) + 0.5) / n - 0.5)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid @ affine[:3, :3].T + affine[:3, 3]


def voxel_share(affine: np.ndarray, image: nib.Nifti1Image) -> tuple[np.ndarray, float]:
    """Share of the spectroscopic voxel that falls into each voxel of an image.

    Parameters
    ----------
    affine
        Of the spectroscopic voxel.
    image
        Gives the grid; scanner space.

    Returns
    -------
    share, inside
        Array on the image's grid that sums to ``inside``, the part of the spectroscopic voxel
        that lies within the image's field of view. Points stand every half millimetre or closer,
        at least twice per image voxel and axis, which makes partial volume exact to a per cent.
    """
    finest = float(np.linalg.norm(image.affine[:3, :3], axis=0).min())
    points = voxel_points(affine, spacing_mm=min(0.5, finest / 2))
    inverse = np.linalg.inv(image.affine)
    index = np.floor(points @ inverse[:3, :3].T + inverse[:3, 3] + 0.5).astype(int)
    shape = image.shape[:3]
    within = ((index >= 0) & (index < shape)).all(axis=1)
    flat = np.ravel_multi_index(index[within].T, shape)
    share = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape) / len(points)
    return share, float(within.mean())


def tissue_fractions(
    affine: np.ndarray, gm: nib.Nifti1Image, wm: nib.Nifti1Image, csf: nib.Nifti1Image, *, who: str
) -> tuple[TissueFractions, float]:
    """Volume fractions of the spectroscopic voxel from tissue probabilities.

    Returns
    -------
    fractions, inside
        GM, WM and CSF, normalised to sum 1, and the share of the voxel that is one of them.

    Raises
    ------
    QualityError
        Less than half of the voxel lies in the brain, or the maps are on different grids.
    """
    if not (same_grid(gm, wm) and same_grid(gm, csf)):
        raise QualityError(
            who,
            found=f"the tissue probabilities have shapes {gm.shape}, {wm.shape}, {csf.shape}",
            wanted="one grid for GM, WM and CSF",
            mend="Run the anatomical preprocessing again",
        )
    share, _ = voxel_share(affine, gm)
    part = [float((share * np.asanyarray(i.dataobj)).sum()) for i in (gm, wm, csf)]
    inside = sum(part)
    if inside < 0.5:
        raise QualityError(
            who,
            found=f"{100 * inside:.0f} % of the spectroscopic voxel at "
            f"({', '.join(f'{v:.0f}' for v in affine[:3, 3])}) mm lies in the brain of the T1w",
            wanted="at least 50 %",
            mend="Check that T1w and spectrum are of one session and share scanner coordinates",
        )
    return TissueFractions(*(p / inside for p in part)), inside


@dataclass(frozen=True)
class VoxelPlace:
    """Where the voxel lies in template space.

    Attributes
    ----------
    centre_mm
        Centre of mass, template mm.
    structures
        Share of the voxel in each atlas structure, largest first.
    at_centre
        Atlas label under the centre; empty where there is none.
    """

    centre_mm: tuple[float, float, float]
    structures: Mapping[str, float]
    at_centre: str


def voxel_place(affine: np.ndarray, anat: AnatFiles, *, who: str) -> VoxelPlace:
    """Carry the voxel to the template and look it up among its regions.

    Parameters
    ----------
    affine
        Of the spectroscopic voxel, scanner space, which the T1w image shares.
    """
    t1w = load_image(anat.preproc, who=who, ndim=3)
    share, _ = voxel_share(affine, t1w)
    inside = nib.Nifti1Image((share / share.max()).astype(np.float32), t1w.affine)
    grid = template("mask", resolution_mm=2.0)
    moved = np.clip(np.asanyarray(apply_transform(inside, grid, [anat.to_template]).dataobj), 0, 1)
    atlas = regions()
    nx, ny, nz = grid.shape[:3]
    labels = atlas.on_grid((nx, ny, nz), grid.affine)
    table = atlas.labels
    named = table["structure"].fillna(table["name"])
    shown = dict(zip(table["index"].astype(int), named.astype(str), strict=True))
    weight = np.bincount(labels.ravel(), weights=moved.ravel(), minlength=max(shown) + 1)
    by_name: dict[str, float] = {}
    for index, name in shown.items():
        by_name[name] = by_name.get(name, 0.0) + float(weight[index] / moved.sum())
    where = np.argwhere(moved > 0)
    centre = np.average(where, axis=0, weights=moved[moved > 0])
    centre_mm = nib.affines.apply_affine(grid.affine, centre)
    middle = int(labels[tuple(np.round(centre).astype(int))])
    ranked = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    return VoxelPlace(
        centre_mm=(float(centre_mm[0]), float(centre_mm[1]), float(centre_mm[2])),
        structures={name: value for name, value in ranked if value >= 0.01},
        at_centre=shown.get(middle, ""),
    )


def brain_maps(anat: AnatFiles, *, who: str) -> tuple[nib.Nifti1Image, ...]:
    """Load the probabilities of GM, WM and CSF."""
    return tuple(load_image(Path(p), who=who, ndim=3) for p in (anat.gm, anat.wm, anat.csf))
