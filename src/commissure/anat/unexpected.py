"""Tissue where none like it belongs: lesions and cavities that nobody marked.

The template says where white matter lies in everybody and where fluid does. A ball of fluid, blood
or scar among the white matter contradicts it over millilitres, the folding of a cortex does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from scipy.ndimage import (
    binary_dilation,
    binary_propagation,
    distance_transform_edt,
    gaussian_filter,
    label,
)

from commissure.anat.image_quality import Summary, tissue_summaries
from commissure.anat.volumes import values_at
from commissure.images.grid import coarser
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.template import template

#: The template is white matter, or hardly ever fluid, where its maps are above or below this.
SURELY_WHITE, HARDLY_FLUID = 0.85, 0.3

#: Where the template has fluid this deep in the brain, it has ventricles (mm).
VENTRICLE_SHARE, VENTRICLE_MM = 0.7, 25.0

#: Ventricles may be this much wider than the registration has made the template's (mm).
WIDENED_MM = 10.0

#: What is thinner than twice this is no lesion but a border in another place (mm).
THICK_MM = 6.0

#: Distance at which points are compared.
SPACING_MM = 2.0

#: A part of a brain that is larger contradicts its place (mL).
UNEXPECTED_ML = 2.0

#: Fluid is as bright as this part of the brain at most (percentile).
DARKEST_PERCENT = 5.0

#: So far a lesion may go on where fluid might be that of a widened ventricle (mm).
GROWN_MM = 10.0

#: The border of a lesion is of neither kind: so much of it counts as lesion too (mm).
BORDER_MM = 2.0


#: Brighter than white matter by this factor, a voxel in the brain is blood with a contrast
#: agent, fat or fresh bleeding; voxels of this size are compared (mm).
BRIGHT, BRIGHT_MM = 1.25, 2.0


@dataclass(frozen=True)
class Unexpected:
    """Parts of the brain that are not what they should be.

    Attributes
    ----------
    volume_ml
        Volume of the largest, without what might be a widened ventricle.
    place
        3-D image, 1 in all parts of :data:`UNEXPECTED_ML` and more and in what hangs together with
        them, at about :data:`SPACING_MM`.
    """

    volume_ml: float
    place: nib.Nifti1Image


def with_darkest(
    tissues: Mapping[str, Summary], t1w: np.ndarray, mask: np.ndarray
) -> dict[str, Summary]:
    """How bright tissues are, fluid no brighter than the darkest of the brain.

    Skull that an engine took for fluid would be compared with itself; the darkest is fluid.

    Parameters
    ----------
    tissues
        From :func:`commissure.anat.image_quality.tissue_summaries`.
    t1w, mask
        (X, Y, Z) bias-corrected intensities; bool.
    """
    darkest = min(tissues["CSF"].median, float(np.percentile(t1w[mask], DARKEST_PERCENT)))
    return {**tissues, "CSF": replace(tissues["CSF"], median=darkest)}


def lesion_by_place(
    t1w: nib.Nifti1Image, mask: np.ndarray, posterior: np.ndarray, to_template: np.ndarray
) -> nib.Nifti1Image | None:
    """A lesion that nobody drew, as an image to be sampled linearly; None where there is none.

    Parameters
    ----------
    t1w
        3-D, bias-corrected.
    mask, posterior
        (X, Y, Z) bool and (3, X, Y, Z) tissues, on its grid.
    to_template
        4x4, voxel to template mm.
    """
    data = np.asanyarray(t1w.dataobj)
    tissues = with_darkest(tissue_summaries(data, posterior, zooms_mm(t1w.affine)), data, mask)
    found = unexpected_tissue(t1w, mask, tissues, to_template)
    if not found.volume_ml > UNEXPECTED_ML:
        return None
    place = np.asanyarray(found.place.dataobj) > 0
    around = distance_transform_edt(~place, sampling=zooms_mm(found.place.affine)) <= BORDER_MM
    return nib.Nifti1Image(around.astype(np.float32), found.place.affine)


def unexpected_tissue(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    tissues: Mapping[str, Summary],
    to_template: np.ndarray,
    *,
    known: np.ndarray | None = None,
) -> Unexpected:
    """Find parts of a brain whose tissue contradicts its place.

    Parameters
    ----------
    t1w
        3-D, bias-corrected.
    mask
        (X, Y, Z) bool.
    tissues
        From :func:`commissure.anat.image_quality.tissue_summaries`: how bright tissues are.
    to_template
        4x4, voxel to template mm, linear: a warp follows lesions.
    known
        (X, Y, Z) bool: a lesion that was drawn, in which nothing is unexpected.

    Notes
    -----
    Ventricles are no lesion: fluid that holds together with fluid where the template has its
    ventricles is left out, up to :data:`WIDENED_MM` from there. Intensities are looked at and not
    an engine's tissues: one that trusts its template calls a lesion what the template has there.
    """
    step = [max(1, round(SPACING_MM / size)) for size in zooms_mm(t1w.affine)]
    points = tuple(slice(None, None, n) for n in step)
    affine = t1w.affine @ np.diag([*step, 1])
    spacing, inside = zooms_mm(affine), mask[points]
    grid = np.moveaxis(np.indices(inside.shape, dtype=np.float32), 0, -1)
    places = nib.affines.apply_affine(to_template @ np.diag([*step, 1]), grid).astype(np.float32)
    seen = gaussian_filter(np.asanyarray(t1w.dataobj) * mask, [n / 2 for n in step])[points]
    grey, white, fluid = (tissues[name].median for name in ("GM", "WM", "CSF"))
    dark = seen < (grey + fluid) / 2
    expected_white = values_at(template("WM", resolution_mm=2.0), places)
    expected_fluid = values_at(template("CSF", resolution_mm=2.0), places)
    depth = distance_transform_edt(inside, sampling=spacing)
    deep_fluid = dark & (depth > VENTRICLE_MM / 2)
    parts, _ = label(deep_fluid)
    seeds = deep_fluid & (expected_fluid > VENTRICLE_SHARE) & (depth > VENTRICLE_MM)
    ventricles = np.isin(parts, np.unique(parts[seeds])) & deep_fluid
    against = (expected_white > SURELY_WHITE) & (np.abs(seen - white) > (white - grey) / 2)
    against |= (expected_fluid < HARDLY_FLUID) & dark
    near = distance_transform_edt(~seeds, sampling=spacing) < WIDENED_MM
    if known is not None:
        against &= distance_transform_edt(~known[points], sampling=spacing) > BORDER_MM
    against &= inside
    surely = against & ~(near & binary_dilation(ventricles, iterations=2))
    core = distance_transform_edt(surely, sampling=spacing) > THICK_MM
    thick = surely & (distance_transform_edt(~core, sampling=spacing) <= THICK_MM)
    parts, _ = label(thick)
    sizes = np.bincount(parts.ravel()) * float(np.prod(spacing)) / 1000
    sizes[0] = 0
    place = (sizes > UNEXPECTED_ML)[parts]
    if place.any():
        nearby = distance_transform_edt(~place, sampling=spacing) <= GROWN_MM
        place = binary_propagation(place, mask=against & nearby)
    return Unexpected(float(sizes.max()), nib.Nifti1Image(place.astype(np.uint8), affine))


def bright_ml(t1w: nib.Nifti1Image, mask: np.ndarray, white: float) -> float:
    """Volume in the brain that is clearly brighter than white matter (mL).

    Parameters
    ----------
    t1w
        3-D, bias-corrected.
    mask
        (X, Y, Z) bool.
    white
        Intensity of white matter.
    """
    cover = nib.Nifti1Image(mask.astype(np.float32), t1w.affine)
    if min(zooms_mm(t1w.affine)) < BRIGHT_MM:
        t1w, cover = coarser(t1w, BRIGHT_MM), coarser(cover, BRIGHT_MM)
    bright = (np.asanyarray(t1w.dataobj) > BRIGHT * white) & (np.asanyarray(cover.dataobj) > 0.5)
    return float(bright.sum()) * voxel_volume_mm3(t1w.affine) / 1000
