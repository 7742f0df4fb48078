"""Thickness of the cortex: map, means of regions and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from commissure.anat.cortical_lines import CorticalLines, cortical_lines, relative_brightness
from commissure.anat.volumes import cortex_around, values_at
from commissure.checks import Check, at_least, between

#: Larger voxels show no cortex: it is two to three millimetres thick.
LARGEST_VOXEL_MM = 1.5

#: A region whose border of white matter is smaller than this has no thickness.
LEAST_AREA_MM2 = 30.0

#: Mean thickness of a side's cortex that is possible in a person.
PLAUSIBLE_MM = (1.8, 3.6)

#: Share of the border of white matter under the cortex along which cortex is seen.
LEAST_COVERAGE = 0.9


@dataclass(frozen=True)
class CorticalThickness:
    """Thickness of a person's cortex.

    Attributes
    ----------
    regions
        Of :func:`regional_thickness`, in mm.
    covered
        Of :func:`coverage`.
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
    label = labels_at(lines, coordinates)
    return CorticalThickness(
        regions=regional_thickness(lines, label),
        covered=coverage(lines, label),
        image=thickness_map(lines, level, label),
    )


def labels_at(lines: CorticalLines, coordinates: np.ndarray) -> np.ndarray:
    """Number of the region half way along each line, (N,), 0 outside the cortex.

    Parameters
    ----------
    lines
        Of :func:`commissure.anat.cortical_lines.cortical_lines`.
    coordinates
        (X, Y, Z, 3) template mm of each voxel.
    """
    last = np.array(coordinates.shape[:3]) - 1
    middle = np.clip(np.rint(lines.middle()).astype(int), 0, last)
    return values_at(cortex_around().image, coordinates[tuple(middle.T)])


def thickness_map(lines: CorticalLines, level: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Thickness at every voxel of the cortex: that of the line which starts nearest.

    Parameters
    ----------
    lines
        Of :func:`commissure.anat.cortical_lines.cortical_lines`.
    level
        (X, Y, Z) of :func:`commissure.anat.cortical_lines.relative_brightness`.
    label
        Of :func:`labels_at`.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z) in mm, 0 where there is no cortex: too bright, too dark, or farther from
        the line's start than it is thick there.
    """
    painted = np.zeros(level.shape, np.float32)
    place = np.argwhere(np.abs(level) < 0.5)
    thickness = np.where(label > 0, np.nan_to_num(lines.thickness_mm), 0)
    if thickness.any() and len(place):
        away, nearest = cKDTree(lines.start).query(place * lines.voxel_mm)
        reached = away <= thickness[nearest] + lines.voxel_mm.max() / 2
        painted[tuple(place[reached].T)] = thickness[nearest[reached]]
    return painted


def regional_thickness(lines: CorticalLines, label: np.ndarray) -> dict[str, float]:
    """Mean thickness of the Desikan-Killiany regions and of both sides' cortex, in mm.

    Parameters
    ----------
    lines
        Each counts as much border of white matter as it stands for.
    label
        Of :func:`labels_at`.

    Returns
    -------
    dict
        By region (``superiorfrontal_L``), and ``cortex_L``, ``cortex_R``; NaN where a region has
        less than :data:`LEAST_AREA_MM2` of border.
    """
    cortex = cortex_around()
    sides = {f"cortex_{side}": number for side, number in cortex.groups("hemisphere").items()}
    means = {}
    for name, numbers in {**cortex.groups("name"), **sides}.items():
        chosen = np.isin(label, numbers) & np.isfinite(lines.thickness_mm)
        area = lines.area_mm2[chosen]
        enough = area.sum() >= LEAST_AREA_MM2
        mean = float(np.average(lines.thickness_mm[chosen], weights=area)) if enough else np.nan
        means[name] = mean
    return means


def coverage(lines: CorticalLines, label: np.ndarray) -> float:
    """Share of the border of white matter under the regions along which cortex is seen.

    Parameters
    ----------
    lines, label
        As of :func:`regional_thickness`.
    """
    area = np.where(label > 0, lines.area_mm2, 0)
    return float(area[np.isfinite(lines.thickness_mm)].sum() / area.sum()) if area.any() else 0.0


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
