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
    sidecar = scan.associated.get("mrsref_json")
    # An edited reference holds water twice; the pulses leave it alone, so one will do.
    conditions = read_conditions(path, (sidecar,) if sidecar else (), who=scan.who)
    water = conditions.get("OFF", conditions.get(""))
    assert water is not None
    offset = float(np.linalg.norm(water.affine[:3, 3] - svs.affine[:3, 3]))
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
    if svs.placed and water.placed and offset > 1.0:
        raise DatasetError(
            scan.who,
            found=f"the voxel of {water.name} lies {offset:.1f} mm from that of {svs.name}",
            wanted="one voxel",
            mend=f"Remove {water.name}, or pair it with the spectrum it belongs to",
        )
    return water
