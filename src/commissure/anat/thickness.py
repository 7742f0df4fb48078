"""Thickness of the cortex: map, means of regions and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.spatial import cKDTree

from commissure.anat.cortical_lines import CorticalLines, cortical_lines, relative_brightness
from commissure.anat.volumes import cortex_around, values_at
from commissure.checks import Check, at_least, between
from commissure.images.atlas import desikan_killiany

#: Larger voxels show no cortex: it is two to three millimetres thick.
LARGEST_VOXEL_MM = 1.5

#: A region whose border of white matter is smaller than this has no thickness.
LEAST_AREA_MM2 = 30.0

#: Mean thickness of a side's cortex that is possible in a person.
PLAUSIBLE_MM = (2.0, 3.3)

#: The template's cortex is covered where a line passes so near; which voxels of it are looked at.
NEAR_MM = 4.0
SAMPLED = 10

#: Share of a region, and mean of all regions, that must be covered.
LEAST_OF_REGION = 0.5
LEAST_COVERAGE = 0.9


@dataclass(frozen=True)
class CorticalThickness:
    """Thickness of a person's cortex.

    Attributes
    ----------
    regions
        Of :func:`regional_thickness`, in mm.
    covered
        Mean of :func:`coverage`.
    image
        Of :func:`thickness_map`, (X, Y, Z) in mm.
    """

    regions: dict[str, float]
    covered: float
    image: np.ndarray


def cortical_thickness(
    t1w: np.ndarray,
    posterior: np.ndarray,
    aseg: np.ndarray | None,
    affine: np.ndarray,
    coordinates: np.ndarray,
) -> CorticalThickness:
    """Measure the thickness of the cortex.

    Parameters
    ----------
    t1w, posterior, aseg, affine
        As of :func:`commissure.anat.cortical_lines.relative_brightness`.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    """
    level = relative_brightness(t1w, posterior, aseg, affine)
    lines = cortical_lines(level, affine)
    places = template_places(lines, coordinates)
    return CorticalThickness(
        regions=regional_thickness(lines, places),
        covered=float(np.mean([*coverage(lines, places).values()])),
        image=thickness_map(lines, level, places),
    )


def template_places(lines: CorticalLines, coordinates: np.ndarray) -> np.ndarray:
    """Template mm half way along each line, (N, 3).

    Parameters
    ----------
    lines
        Of :func:`commissure.anat.cortical_lines.cortical_lines`.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    """
    last = np.array(coordinates.shape[:3]) - 1
    middle = np.clip(np.rint(lines.middle()).astype(int), 0, last)
    return coordinates[tuple(middle.T)]


def thickness_map(lines: CorticalLines, level: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Thickness at every voxel of the cortex: that of the line which starts nearest.

    Parameters
    ----------
    lines
        Of :func:`commissure.anat.cortical_lines.cortical_lines`.
    level
        (X, Y, Z) of :func:`commissure.anat.cortical_lines.relative_brightness`.
    places
        Of :func:`template_places`.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z) in mm, 0 where there is no cortex: too bright, too dark, or farther from
        the line's start than it is thick there.
    """
    painted = np.zeros(level.shape, np.float32)
    label = values_at(cortex_around().image, places)
    place = np.argwhere(np.abs(level) < 0.5)
    thickness = np.where(label > 0, np.nan_to_num(lines.thickness_mm), 0)
    if thickness.any() and len(place):
        away, nearest = cKDTree(lines.start).query(place * lines.voxel_mm)
        reached = away <= thickness[nearest] + lines.voxel_mm.max() / 2
        painted[tuple(place[reached].T)] = thickness[nearest[reached]]
    return painted


def regional_thickness(lines: CorticalLines, places: np.ndarray) -> dict[str, float]:
    """Mean thickness of the Desikan-Killiany regions and of both sides' cortex, in mm.

    Parameters
    ----------
    lines
        Each counts as much border of white matter as it stands for.
    places
        Of :func:`template_places`.

    Returns
    -------
    dict
        By region (``superiorfrontal_L``), and ``cortex_L``, ``cortex_R``; NaN where a region has
        less than :data:`LEAST_AREA_MM2` of border or less than half of it is covered.
    """
    cortex = cortex_around()
    label = values_at(cortex.image, places)
    covered = coverage(lines, places)
    sides = {f"cortex_{side}": number for side, number in cortex.groups("hemisphere").items()}
    means = {}
    for name, numbers in {**cortex.groups("name"), **sides}.items():
        chosen = np.isin(label, numbers) & np.isfinite(lines.thickness_mm)
        area = lines.area_mm2[chosen]
        enough = area.sum() >= LEAST_AREA_MM2 and covered.get(name, 1) >= LEAST_OF_REGION
        mean = float(np.average(lines.thickness_mm[chosen], weights=area)) if enough else np.nan
        means[name] = mean
    return means


def coverage(lines: CorticalLines, places: np.ndarray) -> dict[str, float]:
    """Share of each region, in the template, that lies near a line through cortex.

    Parameters
    ----------
    lines, places
        As of :func:`regional_thickness`.
    """
    atlas = desikan_killiany()
    label = np.asanyarray(atlas.image.dataobj)
    voxel = np.argwhere(label)[::SAMPLED]
    usable = np.isfinite(lines.thickness_mm) & np.isfinite(places).all(axis=1)
    if not usable.any():
        return dict.fromkeys(atlas.groups("name"), 0.0)
    at = nib.affines.apply_affine(atlas.image.affine, voxel)
    near = cKDTree(places[usable]).query(at, distance_upper_bound=NEAR_MM)[0] < NEAR_MM
    label = label[tuple(voxel.T)]
    return {
        name: float(near[np.isin(label, numbers)].mean())
        for name, numbers in atlas.groups("name").items()
    }


def thickness_checks(thickness: CorticalThickness) -> list[Check]:
    """Whether each side's mean is possible, and whether all of the cortex is seen."""
    sides = ("cortex_L", "cortex_R")
    regions = [value for name, value in thickness.regions.items() if name not in sides]
    return [
        *(
            between(f"thickness_{name}_mm", thickness.regions[name], *PLAUSIBLE_MM)
            for name in sides
        ),
        at_least("thickness_coverage", thickness.covered, LEAST_COVERAGE),
        at_least("thickness_regions", int(np.isfinite(regions).sum()), len(regions)),
    ]


def implausible(checks: Sequence[Check]) -> bool:
    """Whether one of :func:`thickness_checks` failed."""
    return any(check.name.startswith("thickness_") and check.passed is False for check in checks)
