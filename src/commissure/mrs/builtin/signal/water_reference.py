"""The water reference that belongs to a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs, read_conditions
from commissure.names import Scan

#: How far the voxel of a reference may lie off, be larger, and be turned.
_MAX_OFFSET_MM, _MAX_RESIZED, _MAX_TURNED_DEG = 1.0, 0.03, 3.0

#: Fields that name the gain of the receiver; none is a standard.
_GAIN_FIELDS = ("ReceiverGain", "RxGain", "AnalogReceiverGain", "DigitalReceiverGain")


def read_water(scan: Scan, svs: Svs) -> Svs | None:
    """Read the water reference of a spectrum, or None where the dataset has none.

    Raises
    ------
    DatasetError
        Its voxel, coils, sampling or receiver gain are not those of the spectrum.
    """
    path = scan.associated.get("mrsref")
    if path is None:
        return None
    sidecar = scan.associated.get("mrsref_json")
    # An edited reference holds water twice; the pulses leave it alone, so one will do.
    conditions = read_conditions(path, (sidecar,) if sidecar else (), who=scan.who)
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
    return water


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
    for field in _GAIN_FIELDS:
        gains = [_number(each.metadata.get(field)) for each in (svs, water)]
        if gains[0] is not None and gains[1] is not None and gains[0] != gains[1]:
            raise DatasetError(
                scan.who,
                found=f"{field} is {gains[1]:g} in {water.name} and {gains[0]:g} in {svs.name}",
                wanted="one receiver gain, or a reference that is scaled to that of the spectrum",
                mend=f"Scale {water.name} and mend its {field}, or remove it",
            )


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain else None
