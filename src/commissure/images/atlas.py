"""The atlases that come with the program, with their labels.

All of them lie on the grid of the template (:data:`commissure.images.template.TEMPLATE`) and were
laid on its own tissues; ``resources/atlases`` says where each comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from commissure.files import read_table
from commissure.images.grid import resample_to
from commissure.images.load import zooms_mm
from commissure.images.resources import resource
from commissure.images.template import TEMPLATE

#: Cortex is looked for so far from where the template has it.
AROUND_MM = 4.0

#: FreeSurfer's numbers of what cortex and its neighbours are: both sides' cortex and white matter,
#: and fluid.
NEAR_CORTEX = (2, 3, 24, 41, 42)


@dataclass(frozen=True)
class Atlas:
    """A label image in a named template space.

    Attributes
    ----------
    name
        As it appears in the BIDS entity ``atlas-``.
    space
        TemplateFlow name of the space.
    image
        3-D integer labels.
    labels
        One row per label; always ``index`` and ``name``, else as each atlas says. Everywhere,
        ``hemisphere`` is L, R or missing, ``tissue`` is GM, WM or CSF, ``structure`` is what a
        volume or a series is reported under (several labels together where they share it), and
        ``tract`` what a tract average is reported under.
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
def structures() -> Atlas:
    """Ventricles, deep grey matter, cortex, white matter and cerebellum of the template, 1 mm.

    The labels' numbers are those of FreeSurfer's ``aseg``; ``freesurfer`` is its name. The
    template's segmentation has no sides: a label lies left of the midline or right of it, and the
    voxels of paired structures on the midline itself (x = 0) have none, so that both sides are
    equal to the voxel.
    """
    stem = "icbm2009a_sym_structures18_desc-redrawn_dseg"
    image = nib.Nifti1Image.from_filename(
        resource("atlases", "icbm2009a-structures", f"{stem}.nii.gz")
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
    :func:`structures`. ``lobe`` groups them too.
    """
    stem = "tpl-MNI152NLin2009aSym_atlas-DesikanKilliany_res-1_dseg"
    image = _labels_of(resource("atlases", "desikan-killiany", f"{stem}.nii.gz"))
    labels = read_table(resource("atlases", "desikan-killiany", "labels.tsv"))
    return Atlas("DesikanKilliany", TEMPLATE, image, labels)


@lru_cache(maxsize=1)
def cortex_around() -> Atlas:
    """Desikan-Killiany labels, continued by :data:`AROUND_MM` beyond the template's cortex.

    A person's gyri are not the template's: which of these voxels are cortex, the person's own
    grey matter says. Labels stay on their side and out of deep grey matter and cerebellum.
    """
    atlas, parts = desikan_killiany(), structures()
    data = np.asanyarray(atlas.image.dataobj)
    nearby = np.asanyarray(parts.image.dataobj)
    off_mm, place = distance_transform_edt(
        data == 0, sampling=zooms_mm(atlas.image.affine), return_indices=True
    )
    wider = data[tuple(place)]
    wider[(off_mm > AROUND_MM) | ~np.isin(nearby, (0, *NEAR_CORTEX))] = 0
    x_mm = atlas.image.affine[0, 3] + atlas.image.affine[0, 0] * np.arange(data.shape[0])
    left = (wider > 0) & (wider < 2000)
    wider[left & (x_mm > 0)[:, None, None]] = 0
    wider[(wider >= 2000) & (x_mm < 0)[:, None, None]] = 0
    return Atlas(atlas.name, atlas.space, nib.Nifti1Image(wider, atlas.image.affine), atlas.labels)


@lru_cache(maxsize=1)
def regions() -> Atlas:
    """Cortical regions and all other structures in one image: as FreeSurfer's ``aparc+aseg``.

    Cortex that has no Desikan-Killiany region stays ``CerebralCortex``. Columns are ``index``,
    ``name``, ``hemisphere``, ``tissue`` and ``structure``.
    """
    deep, cortex = structures(), desikan_killiany()
    region = np.asanyarray(cortex.image.dataobj)
    data = np.where(region > 0, region, np.asanyarray(deep.image.dataobj))
    columns = ["index", "name", "hemisphere", "tissue", "structure"]
    labels = pd.concat([deep.labels[columns], cortex.labels[columns]], ignore_index=True)
    image = nib.Nifti1Image(data, deep.image.affine)
    return Atlas("ICBM2009aRegions", TEMPLATE, image, labels)


@lru_cache(maxsize=1)
def jhu_dti81() -> Atlas:
    """The 48 white-matter labels of JHU's ICBM-DTI-81, 1 mm, symmetrical (BSD-3).

    ``description`` has the full names. ENIGMA's published tables name two of them wrongly: their
    ``IFO`` is this atlas's uncinate fasciculus (UNC), and their ``UNC`` its tapetum (TAP).
    """
    stem = "tpl-MNI152NLin2009aSym_atlas-JHUICBMDTI81_res-1_dseg"
    image = _labels_of(resource("atlases", "jhu-icbm-dti81", f"{stem}.nii.gz"))
    labels = read_table(resource("atlases", "jhu-icbm-dti81", "labels.tsv"))
    return Atlas("JHUICBMDTI81", TEMPLATE, image, labels)


@lru_cache(maxsize=2)
def schaefer(parcels: int = 100) -> Atlas:
    """Schaefer 2018 parcels with their seven networks on the template's cortex, 1 mm (Apache-2.0).

    Beside ``hemisphere`` there are ``network`` and the centroid ``x_mm``, ``y_mm``, ``z_mm``.

    Parameters
    ----------
    parcels
        100 or 400.
    """
    stem = f"tpl-MNI152NLin2009aSym_atlas-Schaefer2018_seg-7n_scale-{parcels}_res-1_dseg"
    image = _labels_of(resource("atlases", "schaefer2018", f"{stem}.nii.gz"))
    labels = read_table(resource("atlases", "schaefer2018", f"{stem}.tsv"))
    return Atlas(f"Schaefer2018P{parcels}", TEMPLATE, image, labels)


def _labels_of(path: Path) -> nib.Nifti1Image:
    image = nib.Nifti1Image.from_filename(path)
    return nib.Nifti1Image(np.asanyarray(image.dataobj).astype(np.int16), image.affine)
