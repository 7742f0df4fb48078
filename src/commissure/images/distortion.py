"""From what the distortion of a series is known: opposed images, or a field map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.images.field_map import FieldMap, head_mask, read_field_map
from commissure.images.field_map_files import unused_field_maps
from commissure.images.grid import resample_to, sampled_at, world_places
from commissure.images.load import load_image
from commissure.images.registration import between_contrasts
from commissure.images.rigid import RigidTarget, resample_pose
from commissure.images.susceptibility import Shift, opposed_shift, phase_axis
from commissure.names import Scan, read_sidecars

#: Signal in the brain, against the brightest volume, below which a volume is weighted.
_UNWEIGHTED_SHARE = 0.75

#: Levels by which images are compared with the magnitude of a field map, and how much less alike a
#: corrected series may be.
_QUANTILES, _INFORMATION_LOST = np.linspace(0, 1, 33)[1:-1], 0.002

#: Where a field moves less than this, both of its signs are right; how many voxels it takes to
#: tell them apart.
_DISPLACED_VOXELS, _DISPLACED_COUNT = 0.3, 300

#: How far from the brain's median its field lies, Hz per tesla at the 99th percentile: from, to.
#: Measured heads at 3 T: 14, and 44 in thick slices. In rad/s the first would be 86, and read as
#: rad/s 2.2.
_SPREAD_HZ_PER_TESLA = (3.0, 60.0)

#: Readout times of opposed images may differ by this share.
_READOUT_TOLERANCE = 0.05

#: Echo times of images of one contrast may differ by this share.
_ECHO_TOLERANCE = 0.2


def shift_of_series(
    scan: Scan,
    metadata: Mapping[str, Any],
    b0: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    notes: list[str],
    *,
    b0_max_b_s_mm2: float = 50.0,
) -> tuple[Shift | None, str]:
    """Distortion of a series, from the images that belong to it.

    Parameters
    ----------
    scan
        The series; its associated files ``epi`` with ``epi_json`` are unweighted images of the
        opposite phase encoding, ``phasediff``, ``phase1`` and ``fieldmap`` are field maps.
    metadata
        Sidecar of the series.
    b0, mask, affine
        Mean unweighted volume, its brain mask, and their affine.
    notes
        Takes the reason where images cannot serve, and field maps that name no image.
    b0_max_b_s_mm2
        Largest b-value that counts as unweighted, where opposed images have b-values.

    Returns
    -------
    shift : Shift or None
        None where there are no images or they cannot serve.
    source : str
        Name of the image that it is from; empty for none.
    """
    if "epi" in scan.associated:
        shift = shift_from_opposed_image(
            scan, metadata, b0, mask, affine, notes, b0_max_b_s_mm2=b0_max_b_s_mm2
        )
        if shift is not None:
            return shift, scan.associated["epi"].name
    if kind := field_map_kind(scan):
        shift = shift_from_field_map(scan, metadata, b0, mask, affine, notes)
        if shift is not None:
            return shift, scan.associated[kind].name
    notes += unused_field_maps(scan)
    return None, ""


def field_map_kind(scan: Scan) -> str:
    """Which field map of gradient echoes belongs to a series; empty where none does."""
    return next((k for k in ("fieldmap", "phasediff", "phase1") if k in scan.associated), "")


def shift_from_opposed_image(
    scan: Scan,
    metadata: Mapping[str, Any],
    reference: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    notes: list[str],
    *,
    b0_max_b_s_mm2: float = 50.0,
    same_echo_time: bool = False,
) -> Shift | None:
    """Distortion of a series from itself and the image ``epi`` of the opposite phase encoding.

    Parameters
    ----------
    scan, metadata, mask, affine, notes, b0_max_b_s_mm2
        As in :func:`shift_of_series`.
    reference
        3-D, volume of the series of the same contrast as the opposed image.
    same_echo_time
        Whether images of another echo time are refused: as a spin-echo image beside a gradient-echo
        series, they differ for other reasons than the field.
    """
    path, fields = scan.associated["epi"], _sidecar(scan, "epi")
    axis, reason = opposed_axis(metadata, fields)
    own_s, its_s = metadata.get("EchoTime"), fields.get("EchoTime")
    if same_echo_time and own_s and its_s and abs(its_s - own_s) > _ECHO_TOLERANCE * own_s:
        reason = f"its echo time is {its_s} s, that of the series {own_s} s: it has another "
        reason += "contrast, and serves only beside one of the same phase encoding as the series"
    if axis is None or reason:
        notes.append(f"Susceptibility is not corrected by {path.name}: {reason}.")
        return None
    shape = (mask.shape[0], mask.shape[1], mask.shape[2])
    backward = _mean_unweighted(scan, "epi", shape, affine, mask, b0_max_b_s_mm2, notes)
    return opposed_shift(reference, backward, affine, mask, axis=axis)[0]


def field_of_opposed_pair(scan: Scan, notes: list[str]) -> FieldMap | None:
    """The field from two images of both phase encodings, ``epi_same`` and ``epi``.

    Parameters
    ----------
    scan
        The series to which they belong.
    notes
        Takes the reason where they cannot serve.

    Returns
    -------
    FieldMap or None
        On the grid of ``epi_same``, whose image without distortion is the magnitude.
    """
    same, opposed = (_sidecar(scan, key) for key in ("epi_same", "epi"))
    axis, reason = opposed_axis(same, opposed)
    encoded = phase_axis(same.get("PhaseEncodingDirection"))
    readout_s = same.get("TotalReadoutTime", opposed.get("TotalReadoutTime"))
    if not reason and not _is_readout(readout_s):
        reason = f"its sidecar has TotalReadoutTime {readout_s!r}, seconds are needed"
    if axis is None or encoded is None or reason or not isinstance(readout_s, int | float):
        name = scan.associated["epi_same"].name
        notes.append(f"{name} does not serve for the field: {reason}.")
        return None
    image = load_image(scan.associated["epi_same"], who=scan.who)
    shape, affine = (image.shape[0], image.shape[1], image.shape[2]), image.affine
    first = np.asanyarray(image.dataobj).reshape(*shape, -1)[..., 0]
    mask = head_mask(first, affine)
    forward, backward = (
        _mean_unweighted(scan, key, shape, affine, mask, 50.0, notes) for key in ("epi_same", "epi")
    )
    shift, _ = opposed_shift(forward, backward, affine, mask, axis=axis)
    undone = sampled_at(forward, affine, np.eye(4), *shift.seen_from(world_places(shape, affine)))
    hz = shift.voxels / np.float32(encoded[1] * voxels_per_hz(readout_s, shape[axis]))
    return FieldMap(hz, undone, mask, affine)


def voxels_per_hz(readout_s: float, lines: int) -> float:
    """Shift along the phase encoding for a field of 1 Hz, in voxels."""
    # Between the middles of the first and the last of n lines the phase winds n - 1 times a line.
    return readout_s * lines / (lines - 1)


def _is_readout(readout_s: object) -> bool:
    return isinstance(readout_s, int | float) and 0 < readout_s < 1


def _sidecar(scan: Scan, key: str) -> dict[str, Any]:
    json = f"{key}_json"
    return read_sidecars([scan.associated[json]] if json in scan.associated else [], who=scan.who)


def opposed_axis(series: Mapping[str, Any], opposed: Mapping[str, Any]) -> tuple[int | None, str]:
    """Axis of the phase encoding, or None and the reason why two images do not fit.

    Parameters
    ----------
    series, opposed
        Sidecars.
    """
    forward, backward = (
        phase_axis(sidecar.get("PhaseEncodingDirection")) for sidecar in (series, opposed)
    )
    if forward is None or backward is None:
        return None, "a sidecar names no PhaseEncodingDirection"
    if (forward[0], -forward[1]) != backward:
        return None, "its phase encoding is not opposite to that of the series"
    series_s, opposed_s = (sidecar.get("TotalReadoutTime") for sidecar in (series, opposed))
    if series_s and opposed_s and abs(series_s - opposed_s) > _READOUT_TOLERANCE * series_s:
        return None, f"its readout takes {opposed_s:g} s, that of the series {series_s:g} s"
    return forward[0], ""


def _mean_unweighted(
    scan: Scan,
    key: str,
    shape: tuple[int, int, int],
    affine: np.ndarray,
    mask: np.ndarray,
    b0_max: float,
    notes: list[str],
) -> np.ndarray:
    """Mean of the unweighted volumes of an associated image, on a grid wanted."""
    path = scan.associated[key]
    image = load_image(path, who=scan.who)
    if image.shape[:3] != tuple(shape):
        notes.append(
            f"{path.name} has {image.shape[:3]} voxels and the series {tuple(shape)}: it was "
            "brought to the grid of the series."
        )
    data = np.asanyarray(image.dataobj).astype(np.float32).reshape(*image.shape[:3], -1)
    volumes = [
        resample_to(nib.Nifti1Image(volume, image.affine), shape, affine, outside="edge")
        for volume in np.moveaxis(data, 3, 0)
    ]
    signals = np.array([float(np.median(volume[mask])) for volume in volumes])
    unweighted = signals >= _UNWEIGHTED_SHARE * signals.max()
    if key == "epi" and "epi_bval" in scan.associated:
        b = np.loadtxt(scan.associated["epi_bval"], ndmin=1).ravel()
        unweighted &= (b <= b0_max) if b.size == len(volumes) else True
    if not unweighted.any():
        unweighted[signals.argmax()] = True
    if not unweighted.all():
        notes.append(
            f"{int((~unweighted).sum())} of {len(volumes)} volumes of {path.name} are weighted and "
            "did not serve."
        )
    chosen = [volume for volume, keep in zip(volumes, unweighted, strict=True) if keep]
    target = RigidTarget(chosen[0], affine, mask)
    others = [
        resample_pose(volume, affine, target.matrix(target.pose(volume)), shape, affine)
        for volume in chosen[1:]
    ]
    return np.mean([chosen[0], *others], axis=0)


def shift_from_field_map(
    scan: Scan,
    metadata: Mapping[str, Any],
    reference: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    notes: list[str],
    *,
    field: FieldMap | None = None,
    source: str = "",
    against: Literal["uncorrected", "opposite"] = "uncorrected",
) -> Shift | None:
    """Distortion of a series by the field map that belongs to it, or by a field that is given.

    Parameters
    ----------
    scan, metadata, mask, affine, notes
        As in :func:`shift_of_series`.
    reference
        3-D, mean volume of the series.
    field, source
        The field, and the name of what it is from; else the field map of the series is read.
    against
        Without what the series must not be more like the magnitude image: without the correction,
        or with the ``opposite`` one, where the series' contrast is so much another that smoothing
        by interpolation decides.
    """
    name = source or scan.associated[field_map_kind(scan)].name
    encoded = phase_axis(metadata.get("PhaseEncodingDirection"))
    readout_s = metadata.get("TotalReadoutTime")
    reason = ""
    if encoded is None:
        reason = "the sidecar of the series names no PhaseEncodingDirection"
    elif not _is_readout(readout_s):
        reason = f"the sidecar of the series has TotalReadoutTime {readout_s!r}, seconds are needed"
    if not reason and field is None:
        try:
            field = read_field_map(scan.associated, who=scan.who)
        except DatasetError as error:
            reason = str(error).removeprefix(f"{scan.who}: ").rstrip(".")
    if reason or field is None or encoded is None or not isinstance(readout_s, int | float):
        notes.append(f"Susceptibility is not corrected by {name}: {reason}.")
        return None
    shift, magnitude = _shift_of_field(field, encoded, readout_s, reference, mask, affine)
    inside = np.asarray(mask) > 0
    hz = shift.voxels[inside] / voxels_per_hz(readout_s, inside.shape[shift.axis])
    unlikely = "" if source else _unlikely_spread(hz, metadata.get("MagneticFieldStrength"))
    if unlikely:
        notes.append(f"Susceptibility is not corrected by {name}: {unlikely}.")
        return None
    if magnitude is None:
        return shift

    def undone(shift: Shift) -> np.ndarray:
        places = shift.seen_from(world_places(reference.shape, affine))
        return sampled_at(reference, affine, np.eye(4), *places)

    other, words = reference, "without"
    where = inside
    if against == "opposite":
        other, words = undone(shift.times(-1)), "with the opposite sign"
        where = where & (np.abs(shift.voxels) > _DISPLACED_VOXELS)
    if where.sum() < _DISPLACED_COUNT:
        return shift
    compared, corrected = (shared_information(x, magnitude, where) for x in (other, undone(shift)))
    if corrected >= compared - _INFORMATION_LOST:
        return shift
    notes.append(
        f"Susceptibility is not corrected by {name}: with it the series is less like the "
        f"undistorted magnitude image ({corrected:.3f} of mutual information) than {words} "
        f"({compared:.3f}). Its sign, unit or echo times may be wrong."
    )
    return None


def _unlikely_spread(hz: np.ndarray, field_t: object) -> str:
    """Why a field (Hz, in the brain) is not that of a head, in words; empty where it may be."""
    if not isinstance(field_t, int | float) or not 0.1 < field_t < 12 or not hz.size:
        return ""
    spread_hz = float(np.percentile(np.abs(hz - np.median(hz)), 99))
    low_hz, high_hz = (field_t * limit for limit in _SPREAD_HZ_PER_TESLA)
    if low_hz <= spread_hz <= high_hz:
        return ""
    return (
        f"its field differs within the brain by {spread_hz:.3g} Hz (99 % of places), where "
        f"{low_hz:.0f} to {high_hz:.0f} Hz are usual at {field_t:g} T. Its unit or its echo times "
        "may be wrong"
    )


def shared_information(image: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """Mutual information of two 3-D images inside a mask, over their mean entropy."""
    inside = np.asarray(mask) > 0
    first, second = (
        np.searchsorted(np.quantile(x[inside], _QUANTILES), x[inside]) for x in (image, other)
    )
    count = len(_QUANTILES) + 1
    joint = np.bincount(count * first + second, minlength=count**2).reshape(count, count)
    joint = joint / joint.sum()
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (joint, joint.sum(0), joint.sum(1))]
    return float((entropies[1] + entropies[2] - entropies[0]) / np.mean(entropies[1:]))


def _shift_of_field(
    field: FieldMap,
    encoded: tuple[int, float],
    readout_s: float,
    b0: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
) -> tuple[Shift, np.ndarray | None]:
    """The shift that a field gives a series, and the magnitude image laid on the series."""
    axis, sense = encoded

    def on_series(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        # The matrix leads from the world of the series to that of the field map.
        moved = nib.Nifti1Image(image, np.linalg.inv(matrix) @ field.affine)
        return resample_to(moved, mask.shape, affine, outside="edge")

    matrix, magnitude = np.eye(4), None
    if field.magnitude is not None:
        magnitude = on_series(field.magnitude.astype(np.float32), matrix)
        matrix = between_contrasts(b0, magnitude, affine, mask)
        magnitude = on_series(field.magnitude.astype(np.float32), matrix)
    scale = np.float32(sense * voxels_per_hz(readout_s, mask.shape[axis]))
    voxels = on_series(field.hz, matrix) * scale
    return Shift(voxels, affine, axis), magnitude
