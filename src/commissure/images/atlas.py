"""The atlases that come with the program, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.files import read_table
from commissure.images.grid import resample_to
from commissure.images.resources import resource
from commissure.images.template import TEMPLATE


@dataclass(frozen=True)
class Atlas:
    """A label image in a named template space.

    Attributes
    ----------
    name
        As it appears in the BIDS entity ``atlas-``.
    space
        TemplateFlow name of the space, or ``MNI`` where the source does not say which.
    image
        3-D integer labels.
    labels
        One row per label; always ``index`` and ``name``. ``jhu189`` adds ``description``,
        ``tissue`` (GM, WM, CSF), ``structure`` and ``tract``; ``schaefer`` adds ``hemisphere``,
        ``network`` and the centroid ``x_mm``, ``y_mm``, ``z_mm`` in MNI; ``structures`` and
        ``desikan_killiany`` add ``hemisphere``, ``tissue``, ``structure`` and FreeSurfer's name,
        the latter ``lobe`` too. ``structure`` is what a volume is reported under, several labels
        together where they share it.
    """

    name: str
    space: str
    image: nib.Nifti1Image
    labels: pd.DataFrame

    def on_grid(self, shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
        """Labels sampled on another grid in template space, by millimetres (nearest neighbour).

        Two MNI templates differ by millimetres; without a transform between them this is
        approximate, and sidecars of files so made say ``approximate``.
        """
        return resample_to(self.image, shape, affine, order=0)

    def groups(self, column: str) -> dict[str, list[int]]:
        """Label numbers by the values of a column, as ``groups("tract")["GCC"]``."""
        named = self.labels.dropna(subset=[column])
        return {str(k): list(v) for k, v in named.groupby(column, sort=False)["index"]}


@lru_cache(maxsize=1)
def jhu189() -> Atlas:
    """JHU-MNI 189 regions, 1 mm: grey matter, white matter and ventricles (GPL-2)."""
    image = nib.Nifti1Image.from_filename(resource("atlases", "jhu189", "jhu189.nii.gz"))
    data = np.asanyarray(image.dataobj).astype(np.int16)
    labels = read_table(resource("atlases", "jhu189", "labels.tsv"))
    return Atlas("JHU189", "MNI", nib.Nifti1Image(data, image.affine), labels)


@lru_cache(maxsize=2)
def schaefer(parcels: int = 100) -> Atlas:
    """Schaefer 2018 cortical parcels with their seven networks, 2 mm, MNI152NLin6Asym (MIT).

    Parameters
    ----------
    parcels
        100 or 400.
    """
    stem = f"Schaefer2018_{parcels}Parcels_7Networks_order"
    image = nib.Nifti1Image.from_filename(
        resource("atlases", "schaefer2018", f"{stem}_FSLMNI152_2mm.nii.gz")
    )
    data = np.asanyarray(image.dataobj).astype(np.int16)
    order = pd.read_csv(
        resource("atlases", "schaefer2018", f"{stem}.txt"), sep="\t", header=None, usecols=[0, 1]
    )
    parts = order[1].str.split("_")
    places = np.nonzero(data)
    where = data[places]
    sums = np.stack([np.bincount(where, axis) for axis in places], axis=1)
    centroids = sums[order[0]] / np.bincount(where)[order[0]][:, None]
    xyz = nib.affines.apply_affine(image.affine, centroids)
    labels = pd.DataFrame(
        {
            "index": order[0],
            "name": order[1],
            "hemisphere": parts.str[1].str[0],
            "network": parts.str[2],
            "x_mm": xyz[:, 0],
            "y_mm": xyz[:, 1],
            "z_mm": xyz[:, 2],
        }
    )
    return Atlas(
        f"Schaefer2018P{parcels}", "MNI152NLin6Asym", nib.Nifti1Image(data, image.affine), labels
    )


@lru_cache(maxsize=1)
def structures() -> Atlas:
    """Ventricles, deep grey matter, cortex, white matter and cerebellum of the template, 1 mm.

    The labels' numbers are those of FreeSurfer's ``aseg``. The template's segmentation has no
    sides: a label lies left of the midline or right of it, and the voxels of paired structures on
    the midline itself (x = 0) have none, so that both sides are equal to the voxel.
    """
    image = nib.Nifti1Image.from_filename(
        resource("atlases", "icbm2009a-structures", "icbm2009a_sym_structures18_dseg.nii.gz")
    )
    classes = np.asanyarray(image.dataobj)
    labels = read_table(resource("atlases", "icbm2009a-structures", "labels.tsv"))
    x_mm = image.affine[0, 3] + image.affine[0, 0] * np.arange(image.shape[0])
    data = np.zeros(image.shape, np.int16)
    for side, slab in (("L", x_mm < 0), ("R", x_mm > 0), (None, x_mm == x_mm)):
        rows = labels[labels["hemisphere"] == side if side else labels["hemisphere"].isna()]
        number = np.zeros(int(labels["class"].max()) + 1, np.int16)
        number[rows["class"]] = rows["index"]
        data[slab] += number[classes[slab]]
    return Atlas("ICBM2009aStructures", TEMPLATE, nib.Nifti1Image(data, image.affine), labels)


@lru_cache(maxsize=1)
def desikan_killiany() -> Atlas:
    """The 68 Desikan-Killiany regions on the template's cortex, 1 mm (BSD-3).

    The labels' numbers are those of FreeSurfer's ``aparc+aseg``: no number is also one of
    :func:`structures`.
    """
    stem = "tpl-MNI152NLin2009aSym_atlas-DesikanKilliany_res-1_dseg"
    image = nib.Nifti1Image.from_filename(resource("atlases", "desikan-killiany", f"{stem}.nii.gz"))
    data = np.asanyarray(image.dataobj).astype(np.int16)
    labels = read_table(resource("atlases", "desikan-killiany", "labels.tsv"))
    return Atlas("DesikanKilliany", TEMPLATE, nib.Nifti1Image(data, image.affine), labels)
