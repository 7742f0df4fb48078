"""Tissue where none like it belongs: lesions and cavities that nobody marked.

The template says where white matter lies in everybody and where fluid does. A ball of fluid, blood
or scar among the white matter contradicts it over millilitres, the folding of a cortex does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label

from commissure.anat.image_quality import Summary
from commissure.anat.volumes import values_at
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


@dataclass(frozen=True)
class Unexpected:
    """The largest part of the brain that is not what it should be.

    Attributes
    ----------
    volume_ml
        Its volume.
    place
        (X, Y, Z) bool, on the grid of every ``step``-th voxel.
    step
        Voxels between points, along each axis.
    """

    volume_ml: float
    place: np.ndarray
    step: tuple[int, ...]


def unexpected_tissue(
    t1w: np.ndarray,
    mask: np.ndarray,
    tissues: Mapping[str, Summary],
    coordinates: np.ndarray,
    voxel_mm: tuple[float, ...],
) -> Unexpected:
    """Find the largest part of a brain whose tissue contradicts its place.

    Parameters
    ----------
    t1w, mask
        (X, Y, Z) bias-corrected intensities; bool.
    tissues
        From :func:`commissure.anat.image_quality.tissue_summaries`: how bright tissues are.
    coordinates
        (X, Y, Z, 3) template mm of each voxel, by a linear map: a warp follows lesions.
    voxel_mm
        Edges of a voxel.

    Notes
    -----
    Ventricles are no lesion: fluid that holds together with fluid where the template has its
    ventricles is left out, up to :data:`WIDENED_MM` from there. Intensities are looked at and not
    an engine's tissues: one that trusts its template calls a lesion what the template has there.
    """
    step = tuple(max(1, round(SPACING_MM / size)) for size in voxel_mm)
    points = tuple(slice(None, None, n) for n in step)
    spacing = [size * n for size, n in zip(voxel_mm, step, strict=True)]
    inside, places = mask[points], coordinates[points]
    seen = gaussian_filter(t1w * mask, [n / 2 for n in step])[points]
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
    against &= inside & ~(near & binary_dilation(ventricles, iterations=2))
    core = distance_transform_edt(against, sampling=spacing) > THICK_MM
    thick = against & (distance_transform_edt(~core, sampling=spacing) <= THICK_MM)
    parts, count = label(thick)
    if not count:
        return Unexpected(0.0, np.zeros(inside.shape, bool), step)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    volume = float(sizes.max() * np.prod(spacing)) / 1000
    return Unexpected(volume, parts == sizes.argmax(), step)
