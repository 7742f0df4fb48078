"""Where the template expects each structure: its labels, softened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from commissure.anat.builtin.tissue_labels import stem
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box
from commissure.images.load import zooms_mm

#: FWHM/2.35 of the template's labels: how far off the warp and one brain's shape may be.
LOOSENESS_MM = 1.0

#: A structure is looked for as far from its place in the template.
MARGIN_MM = 8.0

#: What lies between putamen and insula, and how far from the putamen that is looked for. Thin
#: sheets of white and grey matter share its voxels, so that it has a brightness of its own.
CAPSULE = "ExternalCapsule"
CAPSULE_MM = 5.0

#: What is looked for; the other classes are its surroundings.
WANTED = (
    "LateralVentricle", "InferiorLateralVentricle", "Thalamus", "Caudate", "Putamen", "Pallidum",
    "Hippocampus", "Amygdala", "Accumbens", "VentralDC", "ThirdVentricle",
)  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """The template's label of one class, softened, in a box of the template."""

    name: str
    corner: np.ndarray
    probability: np.ndarray


@lru_cache(maxsize=1)
def expectations() -> tuple[Expectation, ...]:
    """The template's labels, softened; midline voxels of paired structures go half to each side."""
    atlas = structures()
    data = np.asanyarray(atlas.image.dataobj)
    sigma = LOOSENESS_MM / np.array(zooms_mm(atlas.image.affine))
    result = []
    parts = {
        str(name): data == index
        for index, name in zip(atlas.labels["index"], atlas.labels["name"], strict=True)
    }
    for side, outwards in (("L", -1), ("R", 1)):
        white = parts[f"CerebralWM_{side}"]
        shell = _beside_putamen(parts[f"Putamen_{side}"], white, outwards=outwards)
        parts[f"CerebralWM_{side}"] = white & ~shell
        parts[f"{CAPSULE}_{side}"] = shell
    for name, label in parts.items():
        box = bounding_box(label, pad=[int(np.ceil(3.5 * s)) for s in sigma])
        soft = gaussian_filter(label[box].astype(np.float32), sigma)
        corner = np.array([part.start for part in box], np.float32)
        result.append(Expectation(name, corner, soft))
    return tuple(result)


def _beside_putamen(putamen: np.ndarray, white: np.ndarray, *, outwards: int) -> np.ndarray:
    """External capsule, claustrum and extreme capsule: white matter lateral of a putamen, 1 mm."""
    box = bounding_box(putamen, pad=round(CAPSULE_MM) + 1)
    off_mm, place = distance_transform_edt(~putamen[box], return_indices=True)
    lateral_mm = outwards * (np.indices(off_mm.shape)[0] - place[0])
    shell = np.zeros(putamen.shape, bool)
    shell[box] = (off_mm <= CAPSULE_MM) & (lateral_mm > 0.5 * off_mm)
    return shell & white


@lru_cache(maxsize=1)
def near_wanted() -> np.ndarray:
    """Where in the template a wanted structure is near, (X, Y, Z) bool."""
    atlas = structures()
    numbers = [i for i, name in zip(atlas.labels["index"], atlas.labels["name"], strict=True)
               if stem(name) in WANTED]  # fmt: skip
    wanted = np.isin(np.asanyarray(atlas.image.dataobj), numbers)
    box = bounding_box(wanted, pad=round(MARGIN_MM))
    near = np.zeros(wanted.shape, bool)
    near[box] = distance_transform_edt(~wanted[box]) <= MARGIN_MM
    return near
