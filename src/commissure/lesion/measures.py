"""The measures of every lesion of a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import find_objects

from commissure.images.load import voxel_volume_mm3
from commissure.lesion.definitions import THIN_SLICES_MM, TOO_SMALL_MM
from commissure.lesion.diameters import (
    axial_axis,
    largest_diameter,
    plane_diameters,
    slice_distance_mm,
    tilt_degrees,
)
from commissure.lesion.masks import checked_labels

#: Slices tilted more than this from the axial plane are told.
TILTED_DEG = 30.0


@dataclass(frozen=True)
class LesionMeasures:
    """One lesion of one mask.

    Attributes
    ----------
    label
        Its number in the mask.
    longest_mm, short_mm
        Longest diameter in an axial slice, and the longest perpendicular to it in that slice.
    largest_mm
        Largest diameter in space.
    volume_ml
        Voxels times their volume.
    centroid_mm
        (x, y, z) of the world.
    slices
        On how many axial slices it is seen.
    slice_mm
        Distance of the axial slices.
    cut
        Whether it touches the edge of the image.
    ends_mm
        Ends of the longest diameter, two points of the world.
    flags
        What makes its measures doubtful, each a sentence.
    """

    label: int
    longest_mm: float
    short_mm: float
    largest_mm: float
    volume_ml: float
    centroid_mm: tuple[float, float, float]
    slices: int
    slice_mm: float
    cut: bool
    ends_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    flags: tuple[str, ...] = ()

    @property
    def product_mm2(self) -> float:
        """Product of the perpendicular diameters."""
        return self.longest_mm * self.short_mm


@dataclass(frozen=True)
class MeasuredMask:
    """All lesions of a mask.

    Attributes
    ----------
    labels
        (X, Y, Z) int32, the numbers that :attr:`lesions` go by.
    affine
        4x4, voxel to mm.
    lesions
        By label; empty for an empty mask.
    flags
        What is doubtful about the mask as a whole.
    """

    labels: np.ndarray
    affine: np.ndarray
    lesions: tuple[LesionMeasures, ...]
    flags: tuple[str, ...] = ()


def measured_mask(
    mask: nib.Nifti1Image, *, who: str, reference: nib.Nifti1Image | None = None
) -> MeasuredMask:
    """Measure every lesion of a mask.

    Parameters
    ----------
    mask, who, reference
        See :func:`commissure.lesion.masks.checked_labels`.

    Raises
    ------
    DatasetError
        As there.
    """
    labels, flags = checked_labels(mask, who=who, reference=reference)
    affine = np.asarray(mask.affine, float)
    axis = axial_axis(affine)
    distance = slice_distance_mm(affine, axis)
    tilt = tilt_degrees(affine, axis)
    if labels.any() and tilt > TILTED_DEG:
        flags.append(f"the slices are tilted by {tilt:.0f} degrees from the axial plane")
    lesions = tuple(
        _measures(number, labels, box, affine, axis, distance)
        for number, box in enumerate(find_objects(labels), start=1)
        if box is not None
    )
    return MeasuredMask(labels, affine, lesions, tuple(flags))


def _measures(
    number: int,
    labels: np.ndarray,
    box: tuple[slice, ...],
    affine: np.ndarray,
    axis: int,
    distance: float,
) -> LesionMeasures:
    part = labels[box] == number
    here = affine.copy()
    here[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    plane = plane_diameters(part, here)
    voxels = np.argwhere(part)
    x, y, z = here[:3, :3] @ voxels.mean(axis=0) + here[:3, 3]
    slices = int(part.any(axis=tuple({0, 1, 2} - {axis})).sum())
    cut = touches_edge(box, labels.shape)
    flags = []
    if cut:
        flags.append("the edge of the image cuts it")
    if distance > THIN_SLICES_MM and plane.longest_mm < 2 * distance:
        flags.append(
            f"slices {distance:.1f} mm apart are too thick to measure {plane.longest_mm:.1f} mm"
        )
    elif plane.longest_mm < TOO_SMALL_MM:
        flags.append(f"{plane.longest_mm:.1f} mm is too small to be measured")
    first, second = (tuple(float(v) for v in end) for end in plane.ends_mm)
    return LesionMeasures(
        number, plane.longest_mm, plane.short_mm, largest_diameter(part, here),
        float(len(voxels) * voxel_volume_mm3(affine) / 1000), (float(x), float(y), float(z)),
        slices, distance, cut, (first, second), tuple(flags),  # type: ignore[arg-type]
    )  # fmt: skip


def touches_edge(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Whether a lesion's box ends where the image does, beyond which the lesion may go on."""
    return any(side.start == 0 or side.stop == size for side, size in zip(box, shape, strict=True))


def growth_rate(first_ml: float, second_ml: float, days: float) -> float:
    """Specific growth rate between two volumes, in percent a day: 100 ln(V2 / V1) / t.

    NaN where a volume is 0 or no time has passed.

    Notes
    -----
    Mehrara E et al., Specific growth rate versus doubling time, Cancer Res 67:3970-3975, 2007.
    """
    if not (first_ml > 0 and second_ml > 0 and days > 0):
        return math.nan
    return 100 * math.log(second_ml / first_ml) / days


def doubling_time(first_ml: float, second_ml: float, days: float) -> float:
    """Days in which a volume doubles: t ln 2 / ln(V2 / V1); negative where it halves instead.

    NaN where a volume is 0 or no time has passed, infinite where the volume stayed.

    Notes
    -----
    Schwartz M, A biomathematical approach to clinical tumor growth, Cancer 14:1272-1294, 1961.
    """
    rate = growth_rate(first_ml, second_ml, days)
    if rate == 0:
        return math.inf
    return 100 * math.log(2) / rate
