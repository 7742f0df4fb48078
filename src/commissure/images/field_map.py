"""The magnetic field of a head in Hz, from whatever a scanner stores of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, label, median_filter

from commissure.errors import DatasetError
from commissure.images.load import load_image, same_grid, zooms_mm
from commissure.images.unwrapping import unwrapped
from commissure.names import read_sidecars

#: Proton's gyromagnetic ratio, Hz per tesla.
_HZ_PER_TESLA = 42.577e6

#: What is darker than this share of the bright end of a magnitude image is air.
_AIR = 0.15

#: Smoothing of the field (standard deviation, mm); how far it is carried on beyond the head.
_SMOOTH_MM, _BEYOND_MM = 2.0, 8.0

#: Difference of two echo times that a field map may have, s.
_ECHO_DIFFERENCE_S = (0.2e-3, 20e-3)


@dataclass(frozen=True)
class FieldMap:
    """The magnetic field around a head.

    Attributes
    ----------
    hz
        3-D, off-resonance in Hz, smooth, going on beyond the head.
    magnitude
        3-D on the same grid, free of distortion; None where there is none.
    head
        3-D of bool: where the field was measured.
    affine
        4x4, voxel to mm.
    """

    hz: np.ndarray
    magnitude: np.ndarray | None
    head: np.ndarray
    affine: np.ndarray


def read_field_map(files: Mapping[str, Path], *, who: str) -> FieldMap | None:
    """Read the field map among the files that belong to a series.

    Parameters
    ----------
    files
        Paths under the keys of :func:`commissure.dataset.field_maps.field_maps_of`.
    who
        Person and visit, for the error message.

    Returns
    -------
    FieldMap or None
        None where there is no field map of gradient echoes.

    Raises
    ------
    DatasetError
        A file is damaged, the images do not lie on one grid, a unit is unknown, a phase difference
        comes without its magnitude, or echo times are missing or cannot be true.
    """
    kind = next((k for k in ("fieldmap", "phasediff", "phase1") if k in files), "")
    if not kind:
        return None
    image = load_image(files[kind], who=who, ndim=3, signed=True)
    values = np.asanyarray(image.dataobj)
    magnitude = _on_grid_of(image, files, "magnitude", who)
    if kind == "fieldmap":
        fields = _sidecar(files, kind, who)
        hz = _in_hz(values, fields, files[kind].name, who)
        head = values != 0 if magnitude is None else head_mask(magnitude, image.affine)
        if half_turn := _half_turn_hz(fields, hz):
            strength = np.ones(hz.shape) if magnitude is None else magnitude
            hz = unwrapped(hz * np.pi / half_turn, strength, head) * np.float32(half_turn / np.pi)
        return FieldMap(_smooth(hz, head, image.affine), magnitude, head, image.affine)
    if magnitude is None:
        raise DatasetError(
            who,
            found=f"there is no magnitude image for {files[kind].name}",
            wanted="magnitude1, by which its phase is unwrapped",
            mend="Add the magnitude images of the field map",
        )
    head = head_mask(magnitude, image.affine)
    fields = _sidecar(files, kind, who)
    radians = _radians(values, fields)
    if kind == "phase1":
        second_fields = _sidecar(files, "phase2", who)
        second = _on_grid_of(image, files, "phase2", who, signed=True)
        second = values if second is None else second
        turn = _radians(second, second_fields) - radians
        radians = np.arctan2(np.sin(turn), np.cos(turn))
        fields = {"EchoTime1": fields.get("EchoTime"), "EchoTime2": second_fields.get("EchoTime")}
    difference_s = _echo_difference(fields, files[kind].name, who)
    hz = unwrapped(radians, magnitude, head) / (2 * np.pi * difference_s)
    return FieldMap(_smooth(hz, head, image.affine), magnitude, head, image.affine)


def _sidecar(files: Mapping[str, Path], kind: str, who: str) -> dict:
    return read_sidecars([files[f"{kind}_json"]] if f"{kind}_json" in files else [], who=who)


def _on_grid_of(
    image: nib.Nifti1Image, files: Mapping[str, Path], kind: str, who: str, *, signed: bool = False
) -> np.ndarray | None:
    if kind not in files:
        return None
    other = load_image(files[kind], who=who, ndim=3, signed=signed)
    if not same_grid(image, other, tolerance_mm=0.01):
        raise DatasetError(
            who,
            found=f"{files[kind].name} does not lie on the grid of the field map",
            wanted="images of one scan",
            mend=f"Take {files[kind].name} from the same conversion",
        )
    return np.asanyarray(other.dataobj)


def _in_hz(values: np.ndarray, fields: Mapping, name: str, who: str) -> np.ndarray:
    unit = str(fields.get("Units", "")).strip().lower()
    factor = {"hz": 1.0, "rad/s": 1 / (2 * np.pi), "t": _HZ_PER_TESLA, "tesla": _HZ_PER_TESLA}
    if unit not in factor:
        raise DatasetError(
            who,
            found=f"the sidecar of {name} has Units {fields.get('Units')!r}",
            wanted="Hz, rad/s or T",
            mend=f"Add Units to the sidecar of {name}",
        )
    return values * np.float32(factor[unit])


def _half_turn_hz(fields: Mapping, hz: np.ndarray) -> float:
    """The frequency at which a map that still has jumps of whole turns jumps; else 0."""
    try:
        half_turn = 0.5 / abs(float(fields["EchoTime2"]) - float(fields["EchoTime1"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0
    # A map that ends where the phase does was never unwrapped.
    return half_turn if 0.95 * half_turn < np.abs(hz).max() < 1.01 * half_turn else 0.0


def _radians(values: np.ndarray, fields: Mapping) -> np.ndarray:
    """Phases in radians: scanners store a turn as 4096, 8192 or 2 pi steps."""
    if str(fields.get("Units", "")).strip().lower() in ("rad", "radian", "radians"):
        return values
    span = float(values.max() - values.min())
    steps = next((turn for turn in (2 * np.pi, 2000, 4096, 8192) if span <= 1.01 * turn), span)
    # Without negative steps the middle one is no phase.
    middle = steps / 2 if values.min() >= 0 and steps > 2 * np.pi + 1 else 0
    return (values - middle) * (2 * np.pi / steps)


def _echo_difference(fields: Mapping, name: str, who: str) -> float:
    first, second = fields.get("EchoTime1"), fields.get("EchoTime2")
    if isinstance(first, int | float) and isinstance(second, int | float):
        difference = abs(second - first)
        if _ECHO_DIFFERENCE_S[0] <= difference <= _ECHO_DIFFERENCE_S[1]:
            return difference if second > first else -difference
    raise DatasetError(
        who,
        found=f"the sidecar of {name} has EchoTime1 {first!r} and EchoTime2 {second!r}",
        wanted="two echo times in seconds, {:g} to {:g} apart".format(*_ECHO_DIFFERENCE_S),
        mend="Write the echo times of both echoes to the sidecar",
    )


def head_mask(magnitude: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The largest bright piece of a magnitude image, without holes."""
    smooth = gaussian_filter(magnitude, 2.0 / np.array(zooms_mm(affine)))
    pieces, _ = label(smooth > _AIR * np.percentile(smooth, 98))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return binary_fill_holes(pieces == sizes.argmax())


def _smooth(hz: np.ndarray, head: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A field without outliers that goes on beyond the head as it is at its border."""
    size = np.array(zooms_mm(affine))
    inside = head.astype(np.float32)
    calm = np.where(head, median_filter(np.where(head, hz, 0), size=3), 0)
    # At the border the median has air in it.
    calm = np.where(head & (np.abs(calm - hz) < 50), hz, calm).astype(np.float32)
    result = np.zeros(hz.shape, np.float32)
    known = np.zeros(hz.shape, bool)
    for sigma in (_SMOOTH_MM, _BEYOND_MM, 4 * _BEYOND_MM):
        weight = gaussian_filter(inside, sigma / size)
        mean = gaussian_filter(calm * inside, sigma / size) / np.maximum(weight, 1e-6)
        reached = ~known & (weight > 0.05)
        result[reached], known = mean[reached], known | reached
    return result
