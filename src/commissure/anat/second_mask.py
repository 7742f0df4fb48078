"""A second brain mask, by intensity and shape alone: what the engine's is compared with.

It knows nothing of the engine's mask, of a template's brain or of a warp. It is rougher than a
mask to measure with, and free of the errors that a registration makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
)

from commissure.anat.image_quality import Summary, above_plane
from commissure.images.grid import coarser, largest_component, resample_to

#: Voxel size at which both masks are compared.
COMPARED_MM = 2.0

#: Tissue that is thicker than twice this holds together where scalp, dura and muscle do not.
CORE_MM = 4.1

#: Nothing that is nearer to the skin is brain.
SKIN_MM = 11.0

#: Of white matter, the share that the head is brighter than.
HEAD_SHARE = 0.15

#: Sulci that are narrower are filled.
FILLED_MM = 10.0

#: Masks differ by this much without a fault: half the width of the fluid, and of a gyrus.
MISSED_MM, EMPTY_MM = 3.0, 6.0


@dataclass(frozen=True)
class Comparison:
    """Two masks of one brain, above nasion and inion and away from the skin.

    Attributes
    ----------
    dice
        Overlap.
    missed_ml
        Tissue of the second that lies more than 3 mm outside of the first.
    empty_ml
        Part of the first that lies more than 6 mm outside of the second.
    """

    dice: float
    missed_ml: float
    empty_ml: float


def compare_masks(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    tissues: Mapping[str, Summary],
    to_template: np.ndarray,
) -> Comparison:
    """Compare a brain mask with one that is found by intensity and shape.

    Parameters
    ----------
    t1w
        3-D, bias-corrected, with what is around the brain.
    mask
        (X, Y, Z) bool.
    tissues
        From :func:`commissure.anat.image_quality.tissue_summaries`: how bright tissues are.
    to_template
        4x4, voxel to about template mm; only places the plane through nasion and inion.
    """
    low = coarser(t1w, COMPARED_MM)
    cover = resample_to(nib.Nifti1Image(mask.astype(np.float32), t1w.affine), low.shape, low.affine)
    first = cover > 0.5
    grey, white, fluid = (tissues[name].median for name in ("GM", "WM", "CSF"))
    if not fluid < grey < white:
        return Comparison(float("nan"), float("nan"), float("nan"))
    data = np.asarray(low.dataobj)
    step = np.linalg.inv(t1w.affine) @ low.affine
    region = above_plane(low.shape, to_template @ step)
    region &= _skin_depth(data > HEAD_SHARE * white) > SKIN_MM
    tissue = (data > (grey + fluid) / 2) & (data < white + 0.6 * (white - grey))
    # Muscle that the field of view cuts is as thin as what is left of it.
    depth = distance_transform_edt(np.pad(tissue, 1))[1:-1, 1:-1, 1:-1] * COMPARED_MM
    core = largest_component(region & (depth > CORE_MM))
    grown = tissue & (distance_transform_edt(~core) * COMPARED_MM <= CORE_MM + 1)
    second = _filled(grown) & region
    first, grown = first & region, grown & region
    voxel_ml = COMPARED_MM**3 / 1000
    if not (first.any() and second.any()):
        return Comparison(0.0, float(grown.sum()) * voxel_ml, float(first.sum()) * voxel_ml)
    outside_first = distance_transform_edt(~first) * COMPARED_MM
    outside_second = distance_transform_edt(~second) * COMPARED_MM
    return Comparison(
        dice=float(2 * (first & second).sum() / (first.sum() + second.sum())),
        missed_ml=float((grown & (outside_first > MISSED_MM)).sum()) * voxel_ml,
        empty_ml=float((first & (outside_second > EMPTY_MM)).sum()) * voxel_ml,
    )


def _skin_depth(bright: np.ndarray) -> np.ndarray:
    """Depth in mm under the surface of the head; a head that the field of view cuts goes on."""
    head = binary_fill_holes(largest_component(binary_opening(bright)))
    return distance_transform_edt(np.pad(head, 1, mode="edge"))[1:-1, 1:-1, 1:-1] * COMPARED_MM


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask with its sulci closed and its holes filled."""
    steps = round(FILLED_MM / COMPARED_MM)
    wide = binary_closing(np.pad(mask, steps + 1), iterations=steps)
    inner = slice(steps + 1, -(steps + 1))
    return binary_fill_holes(wide)[inner, inner, inner]
