"""Files of a simulated spectroscopy measurement: NIfTI-MRS and sidecars."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nifti_mrs.create_nmrs import gen_nifti_mrs

from commissure.files import atomic, write_json
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.layout import named
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.mrs import MrsData, simulate_mrs
from commissure.phantom.scanner.mrs_signal import SUMS, VOI
from commissure.phantom.scanner.simulator import (
    Measured,
    RandomStreams,
    Simulator,
    bids_uri,
    sidecar_of,
)


def mrs_files(person: Person, protocol: Protocol) -> list[Path]:
    """The measurement and its water reference."""
    return [
        path
        for suffix in ("svs", "mrsref")
        for path in named(person, "mrs", suffix, (".nii.gz", ".json"), voi=VOI)
    ]


def simulate_and_write(
    out: Path, anatomy: Anatomy, person: Person, protocol: Protocol, streams: RandomStreams
) -> Measured:
    """Simulate the measurement and write it."""
    mrs = simulate_mrs(anatomy, person, protocol, streams.scan, lasting=streams.lasting)
    return write_mrs(out, person, protocol, mrs)


def write_mrs(out: Path, person: Person, protocol: Protocol, mrs: MrsData) -> Measured:
    """Write a measurement with its water reference and sidecars."""
    svs, svs_sidecar, water, water_sidecar = (out / path for path in mrs_files(person, protocol))
    for fid, image, sidecar, metadata in (
        (mrs.fid, svs, svs_sidecar, {"ReferenceSignal": bids_uri(water, out)}),
        (mrs.water_fid, water, water_sidecar, {"NumberOfTransients": 1}),
    ):
        _write_nifti_mrs(mrs, fid, protocol, image)
        suppressed = {"WaterSuppression": image == svs}
        write_json(sidecar_of(person, {**mrs.metadata, **suppressed, **metadata}), sidecar)
    events = {
        "tissue_fractions": mrs.fractions,
        "line_width_hz": mrs.line_width_hz,
        "concentrations_mmol_per_kg": mrs.concentrations,
        **vars(mrs.shots),
    }
    return Measured(mrs.truth, events)


def _write_nifti_mrs(mrs: MrsData, fid: np.ndarray, protocol: Protocol, path: Path) -> None:
    """Write FIDs (1, 1, 1, points, coils[, shots[, edits]]) as NIfTI-MRS."""
    edited = fid.ndim == 7
    image = gen_nifti_mrs(
        fid.astype(np.complex64),
        1 / protocol.mrs.spectral_width_hz,
        protocol.proton_mhz,
        affine=mrs.affine,
        dim_tags=["DIM_COIL", "DIM_DYN", "DIM_EDIT" if edited else None],
        nifti_version=1,
        no_conj=True,  # the simulator speaks the file's convention, not that of the package
    )
    for key, value in mrs.header_extension.items():
        image.add_hdr_field(key, value)
    if edited:
        image.set_dim_tag("DIM_EDIT", "DIM_EDIT", header={"EditCondition": ["ON", "OFF"]})
    with atomic(path) as draft:
        nib.save(image.image.nibImage, draft)


SIMULATOR = Simulator(
    stream=4,
    files=mrs_files,
    write=simulate_and_write,
    units={"fwhm": "ppm", **dict.fromkeys((*SUMS, "glx"), "mmol/kg")},
)
