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
        ``network`` and the centroid ``x_mm``, ``y_mm``, ``z_mm`` in MNI.
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
