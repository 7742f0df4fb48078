"""FreeSurfer's labels of cortex, white matter, cerebellum, brain stem and fluid, by tissue."""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt

from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, resample_to

#: FreeSurfer's number of fluid outside of the ventricles.
CSF_LABEL = 24

#: Names of labels, without their side, by what they consist of.
WHITE = ("CerebralWM", "BrainStem", "CerebellumWM")
GREY = ("CerebralCortex", "CerebellumCortex")

_CORTEX_OVER = {"CerebralWM": "CerebralCortex", "CerebellumWM": "CerebellumCortex"}


def stem(name: str) -> str:
    """A label's name without its side."""
    return name[:-2] if name.endswith(("_L", "_R")) else name


@lru_cache(maxsize=1)
def _territories() -> tuple[np.ndarray, np.ndarray]:
    """The nearest label of cortex, white matter, cerebellum or brain stem, at 2 mm; its affine."""
    atlas = structures()
    data = np.asanyarray(atlas.image.dataobj)[::2, ::2, ::2]
    affine = atlas.image.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    table = atlas.labels.set_index("index")["name"]
    far = [i for i in table.index if stem(table[i]) in (*GREY, *WHITE)]
    place = distance_transform_edt(~np.isin(data, far), return_distances=False, return_indices=True)
    return data[tuple(place)], affine


def tissue_labels(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    posterior: np.ndarray,
    coordinates: np.ndarray,
    affine: np.ndarray,
) -> np.ndarray:
    """Cortex, white matter, cerebellum, brain stem and fluid by tissue, on the T1w's grid."""
    atlas = structures()
    numbers = dict(zip(atlas.labels["name"], atlas.labels["index"], strict=True))
    coarse = nearest_values(*_territories(), coordinates).astype(np.int16)
    box = bounding_box(mask, pad=0)
    part = t1w.slicer[box]
    territory = resample_to(nib.Nifti1Image(coarse, affine), part.shape, part.affine, order=0)
    tissue = posterior[(slice(None), *box)].argmax(axis=0)
    grey = np.arange(max(numbers.values()) + 1, dtype=np.int16)
    white = grey.copy()
    for side in "LR":
        for matter, cortex in _CORTEX_OVER.items():
            grey[numbers[f"{matter}_{side}"]] = numbers[f"{cortex}_{side}"]
            white[numbers[f"{cortex}_{side}"]] = numbers[f"{matter}_{side}"]
    values = np.where(tissue == 0, grey[territory], white[territory])
    values = np.where(tissue == 2, CSF_LABEL, values)
    labels = np.zeros(t1w.shape, np.int16)
    labels[box] = np.where(mask[box], values, 0)
    return labels


def nearest_values(data: np.ndarray, affine: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Value of the nearest voxel at mm coordinates (..., 3); 0 outside or where unknown."""
    step = np.linalg.inv(affine)
    voxel = np.rint(np.nan_to_num(places, nan=-9999.0) @ step[:3, :3].T + step[:3, 3]).astype(int)
    known = ((voxel >= 0) & (voxel < data.shape)).all(axis=-1)
    x, y, z = np.moveaxis(np.where(known[..., None], voxel, 0), -1, 0)
    return np.where(known, data[x, y, z], 0)
