"""Spheres of Seitzman's 300 regions in the cortex, made from the coordinates in nilearn's wheel.

Seitzman BA et al., NeuroImage 2020;206:116290. Nothing of it is copied: the table is read from the
installed package. The 61 regions below the cortex are not taken, because structures of the template
have series of their own.
"""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from commissure.images.atlas import Atlas, schaefer
from commissure.images.template import installed_data, template

#: Space of the coordinates: FSL's MNI152, which the sources call MNI.
SPACE = "MNI152NLin6Asym"

#: Codes of the anatomical labels that are cortex: at the midline, left, right.
CORTEX = (0, 1, 2)

#: Seitzman's networks in terms of Yeo's seven, where they are the same in other words. Of the 216
#: centres of these, 156 lie in or beside a Schaefer parcel of that network. The others keep their
#: names, and are in no network marker: the limbic network has no counterpart.
NETWORKS = {
    "DefaultMode": "Default", "Visual": "Vis", "FrontoParietal": "Cont",
    "DorsalAttention": "DorsAttn", "Salience": "SalVentAttn", "CinguloOpercular": "SalVentAttn",
    "VentralAttention": "SalVentAttn", "SomatomotorDorsal": "SomMot",
    "SomatomotorLateral": "SomMot", "Auditory": "SomMot",
}  # fmt: skip


@lru_cache(maxsize=1)
def seitzman() -> Atlas:
    """The 239 cortical spheres, 1 mm.

    The names end in the area of the nearest Schaefer parcel (``Seitzman_LH_Default_PFC_3``), by
    which prefrontal and midline sets are chosen, and the number in the source.
    """
    spheres = pd.read_csv(
        installed_data("seitzman_2018_ROIs_300inVol_MNI_allInfo.txt"), sep=" "
    ).rename(columns={"x": "x_mm", "y": "y_mm", "z": "z_mm", "radius(mm)": "radius_mm"})
    anatomy = pd.read_csv(installed_data("seitzman_2018_ROIs_anatomicalLabels.txt")).iloc[:, 0]
    spheres["index"] = np.arange(1, len(spheres) + 1)
    spheres = spheres[anatomy.isin(CORTEX)].reset_index(drop=True)
    grid = template("mask")
    inverse = np.linalg.inv(grid.affine)
    centres = spheres[["x_mm", "y_mm", "z_mm"]].to_numpy()
    data = np.zeros(grid.shape, np.int16)
    for number, centre, radius in zip(spheres["index"], centres, spheres["radius_mm"], strict=True):
        middle = np.rint(nib.affines.apply_affine(inverse, centre)).astype(int)
        around = middle + np.indices((2 * radius + 3,) * 3).reshape(3, -1).T - radius - 1
        away = np.linalg.norm(nib.affines.apply_affine(grid.affine, around) - centre, axis=1)
        data[tuple(around[away <= radius].T)] = number
    side = np.where(centres[:, 0] < 0, "L", "R")
    network = spheres["netName"].map(lambda name: NETWORKS.get(name, name))
    names = [
        f"Seitzman_{each}H_{net}_{area}_{number}".replace("__", "_")
        for each, net, area, number in zip(
            side, network, _areas(centres), spheres["index"], strict=True
        )
    ]
    labels = spheres[["index", "x_mm", "y_mm", "z_mm"]].assign(
        name=names, hemisphere=side, network=network, tissue="GM", structure=names, tract=names
    )
    return Atlas("Seitzman300", SPACE, nib.Nifti1Image(data, grid.affine), labels)


def _areas(centres_mm: np.ndarray) -> list[str]:
    """What the Schaefer parcel nearest to each place is called, without network and number."""
    atlas = schaefer(100)
    data = np.asanyarray(atlas.image.dataobj)
    nearest = distance_transform_edt(data == 0, return_distances=False, return_indices=True)
    inverse = np.linalg.inv(atlas.image.affine)
    voxels = np.rint(nib.affines.apply_affine(inverse, centres_mm)).astype(int)
    found = data[tuple(axis[tuple(voxels.T)] for axis in nearest)]
    named = dict(zip(atlas.labels["index"], atlas.labels["name"].str.split("_"), strict=True))
    return ["_".join(named[number][3:-1]) for number in found]
