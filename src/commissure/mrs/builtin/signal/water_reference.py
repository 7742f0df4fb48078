"""The water reference that belongs to a spectrum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs, read_conditions
from commissure.names import Scan

#: How far the voxel of a reference may lie off, be larger, and be turned.
_MAX_OFFSET_MM, _MAX_RESIZED, _MAX_TURNED_DEG = 1.0, 0.03, 3.0

#: Water of two references that is alike.
_ALIKE = 0.95

#: Fields that name a session, by what they name; a header has one of each at most.
_SESSION_FIELDS = (
    ("StudyInstanceUID",),
    ("StudyDate", "AcquisitionDate", "AcquisitionDateTime", "SeriesDate"),
)

#: Fields that name the gain of the receiver; none is a standard.
_GAIN_FIELDS = ("ReceiverGain", "RxGain", "AnalogReceiverGain", "DigitalReceiverGain")


@dataclass(frozen=True)
class WaterReference:
    """The water reference of a spectrum.

    Attributes
    ----------
    svs
        As read; None where the dataset has none.
    steps
        How it was chosen, where there was a choice.
    """

    svs: Svs | None
    steps: list[Mapping[str, Any]] = field(default_factory=list)


def read_water(scan: Scan, svs: Svs) -> WaterReference:
    """Read the water reference of a spectrum; of several, the one with most water.

    Raises
    ------
    DatasetError
        No reference has the voxel, coils, sampling and receiver gain of the spectrum.

    Notes
    -----
    Scanners take references for eddy currents with the pulses that saturate outer volumes or
    prepare suppression, and others for quantification without. Those pulses weaken water, by a
    third in a real acquisition of 7 T, and nothing strengthens it.
    """
    keys = [key for key in scan.associated if re.fullmatch(r"mrsref\d*", key)]
    waters, refused = [], []
    for key in keys:
        try:
            waters.append(_read(scan, svs, key))
        except DatasetError as error:
            refused.append(error)
    if refused and not waters:
        raise refused[0]
    if len(keys) < 2:
        return WaterReference(waters[0] if waters else None)
    sizes = [_size(water) for water in waters]
    strongest = waters[int(np.argmax(sizes))]
    over = {water.name: size / max(sizes) for water, size in zip(waters, sizes, strict=True)}
    weakest = min(over.values())
    said = [str(error).splitlines()[0] for error in refused]
    if weakest < _ALIKE:
        said.append(
            f"{len(over)} water references differ by a factor of {1 / weakest:.2f}; the strongest, "
            f"{strongest.name}, was taken, since preparing pulses weaken the others"
        )
    step = {
        "step": "water references", "applied": True, "over_the_strongest": over,
        "taken": strongest.name, **({"note": ". ".join(said) + "."} if said else {}),
    }  # fmt: skip
    return WaterReference(strongest, [step])


def _size(water: Svs) -> float:
    """Size of the water early in its FID, over all coils."""
    early = water.fids.mean(axis=0)[:, 2:12]
    return float(np.sqrt((np.abs(early) ** 2).sum(axis=0)).mean())


def _read(scan: Scan, svs: Svs, key: str) -> Svs:
    """Read one reference and hold it against the spectrum."""
    sidecar = scan.associated.get(f"{key}_json")
    # An edited reference holds water twice; the pulses leave it alone, so one will do.
    conditions = read_conditions(scan.associated[key], (sidecar,) if sidecar else (), who=scan.who)
    water = conditions.get("OFF", conditions.get(""))
    assert water is not None
    for quantity, of_spectrum, of_water, tolerance in (
        ("coils", svs.fids.shape[1], water.fids.shape[1], 0.0),
        ("dwell time (s)", svs.dwell_s, water.dwell_s, 1e-6),
        ("spectrometer frequency (MHz)", svs.frequency_mhz, water.frequency_mhz, 1e-3),
    ):
        if abs(of_water - of_spectrum) > tolerance * abs(of_spectrum):
            raise DatasetError(
                scan.who,
                found=f"{quantity} of {water.name} is {of_water:g} and of {svs.name} "
                f"{of_spectrum:g}",
                wanted="a water reference with the coils and the sampling of the spectrum",
                mend=f"Convert both again, or remove {water.name}",
            )
    if svs.placed and water.placed:
        _check_voxel(scan, svs, water)
    _check_gain(scan, svs, water)
    _check_session(scan, svs, water)
    return water


def _check_session(scan: Scan, svs: Svs, water: Svs) -> None:
    """Refuse a reference whose header names another session."""
    for names in _SESSION_FIELDS:
        said = [
            next((str(each.metadata[n]) for n in names if each.metadata.get(n)), "")
            for each in (svs, water)
        ]
        # Of a date with a time of day, the day.
        days = [text[:10] if "Date" in names[0] else text for text in said]
        if all(days) and days[0] != days[1]:
            raise DatasetError(
                scan.who,
                found=f"{names[0]} is {days[1]} in {water.name} and {days[0]} in {svs.name}",
                wanted="a water reference of the session of the spectrum",
                mend=f"Remove {water.name}, or pair it with the spectrum it belongs to",
            )


def _check_voxel(scan: Scan, svs: Svs, water: Svs) -> None:
    """Refuse a reference of another place, size or angle: the water of another voxel."""
    of_spectrum, of_water = svs.affine[:3], water.affine[:3]
    offset = float(np.linalg.norm(of_water[:, 3] - of_spectrum[:, 3]))
    sizes = [np.linalg.norm(affine[:, :3], axis=0) for affine in (of_spectrum, of_water)]
    axes = [
        affine[:, :3] / size for affine, size in zip((of_spectrum, of_water), sizes, strict=True)
    ]
    # Edges may be stored in another order or direction: it is the cube that must be the same.
    along = np.abs(axes[0].T @ axes[1])
    order = along.argmax(axis=1)
    turned = float(np.degrees(np.arccos(np.clip(along.max(axis=1), 0, 1)).max()))
    edges = " x ".join(f"{v:.0f}" for v in sizes[0])
    of_reference = " x ".join(f"{v:.0f}" for v in sizes[1][order])
    resized = float(np.abs(sizes[1][order] / sizes[0] - 1).max())
    if offset > _MAX_OFFSET_MM:
        found = f"the voxel of {water.name} lies {offset:.1f} mm from that of {svs.name}"
    elif resized > _MAX_RESIZED:
        found = f"the voxel of {water.name} has {of_reference} mm and that of {svs.name} {edges} mm"
    elif turned > _MAX_TURNED_DEG:
        found = f"the voxel of {water.name} is turned by {turned:.0f} degrees against {svs.name}"
    else:
        return
    raise DatasetError(
        scan.who,
        found=found,
        wanted="one voxel",
        mend=f"Remove {water.name}, or pair it with the spectrum it belongs to",
    )


def _check_gain(scan: Scan, svs: Svs, water: Svs) -> None:
    """Refuse a reference whose header names another receiver gain."""
    for name in _GAIN_FIELDS:
        gains = [_number(each.metadata.get(name)) for each in (svs, water)]
        if gains[0] is not None and gains[1] is not None and gains[0] != gains[1]:
            raise DatasetError(
                scan.who,
                found=f"{name} is {gains[1]:g} in {water.name} and {gains[0]:g} in {svs.name}",
                wanted="one receiver gain, or a reference that is scaled to that of the spectrum",
                mend=f"Scale {water.name} and mend its {name}, or remove it",
            )


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain else None
