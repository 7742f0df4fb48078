"""The water reference that belongs to a spectrum."""

from __future__ import annotations

import numpy as np

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs, read_conditions
from commissure.names import Scan


def read_water(scan: Scan, svs: Svs) -> Svs | None:
    """Read the water reference of a spectrum, or None where the dataset has none.

    Raises
    ------
    DatasetError
        Its voxel, coils or sampling are not those of the spectrum.
    """
    path = scan.associated.get("mrsref")
    if path is None:
        return None
    beside = scan.associated.get("mrsref_json")
    # An edited reference holds water twice; the pulses leave it alone, so one will do.
    found = read_conditions(path, (beside,) if beside else (), who=scan.who)
    water = found.get("OFF", found.get(""))
    assert water is not None
    offset = float(np.linalg.norm(water.affine[:3, 3] - svs.affine[:3, 3]))
    for what, mine, theirs, same in (
        ("coils", svs.fids.shape[1], water.fids.shape[1], None),
        ("dwell time (s)", svs.dwell_s, water.dwell_s, 1e-6),
        ("spectrometer frequency (MHz)", svs.frequency_mhz, water.frequency_mhz, 1e-3),
    ):
        if abs(theirs - mine) > (same or 0) * abs(mine):
            raise DatasetError(
                scan.who,
                found=f"{what} of {water.name} is {theirs:g} and of {svs.name} {mine:g}",
                wanted="a water reference with the coils and the sampling of the spectrum",
                mend=f"Convert both again, or remove {water.name}",
            )
    if offset > 1.0:
        raise DatasetError(
            scan.who,
            found=f"the voxel of {water.name} lies {offset:.1f} mm from that of {svs.name}",
            wanted="one voxel",
            mend=f"Remove {water.name}, or pair it with the spectrum it belongs to",
        )
    return water
