"""Simulated diffusion series: tensors oriented by anatomy, measured with noise and movement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, map_coordinates

from commissure.files import write_text
from commissure.images.load import zooms_mm
from commissure.images.rigid import rigid_matrix
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.head.tensors import Tensors, tensor_field
from commissure.phantom.layout import named, truth_file
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.distortion import (
    DWI_READOUT_S,
    Displacement,
    before_eddies,
    displacement,
    eddy_fields,
    off_resonance,
)
from commissure.phantom.scanner.echo_planar import (
    FineHead,
    box_places,
    drawn_motion,
    fine_head,
    voxel_boxes,
    voxel_means,
)
from commissure.phantom.scanner.gradients import fsl_bvecs, gradient_table
from commissure.phantom.scanner.simulator import (
    Measured,
    RandomStreams,
    Simulator,
    bids_uri,
    whole_numbers,
    write_motion,
    write_scan,
)

#: The direction of the unweighted volumes with the opposite phase encoding.
REVERSED = "PA"

#: Signal without weighting (T2-weighted echo-planar); white matter is 600.
INTENSITY = {"gm": 800.0, "wm": 600.0, "csf": 1900.0, "outside": 250.0}

#: Diffusivity of what is not white matter, mm²/s.
ISOTROPIC = {"gm": 0.8e-3, "csf": 3.0e-3, "outside": 1.0e-3}

#: Movement between diffusion volumes, over that between BOLD volumes: they are further apart.
MOTION_FACTOR = 1.5
SPIKE_RATE = 0.05
SINCE_T1W_MM, SINCE_T1W_DEG = 1.0, 0.7

#: Share of the slices (b > 0) that lose part of their signal because the head moved meanwhile.
DROPOUT_RATE = 0.006


@dataclass(frozen=True)
class Dropout:
    """One slice that lost signal: its volume, its index along the third axis, the factor left."""

    volume: int
    slice: int
    factor: float


@dataclass(frozen=True)
class DwiSeries:
    """One simulated diffusion series.

    Attributes
    ----------
    data
        (X, Y, Z, N) float32.
    affine
        4x4.
    bvals
        (N,) s/mm².
    bvecs
        (3, N) in FSL's convention for this affine: along the voxel axes, the first component
        negated where the affine has a positive determinant. What the scanner played out: the head
        turned under it.
    metadata
        For the JSON sidecar, BIDS names.
    motion
        (N, 6), convention as in :class:`commissure.phantom.scanner.bold.BoldSeries`.
    truth
        ``fa`` and ``md`` (mm²/s) of the white-matter compartment by tract and for ``WM``: means
        over voxels of the finer grid that are at least half white matter, weighted by it.
    dropouts
        Every slice that lost signal.
    since_t1w
        (6,) how the head had moved since the T1w when the series began, about the scanner's origin.
    eddy_mm
        (N, 4) displacement along the phase encoding by eddy currents, coefficients of 1, x, y, z
        (scanner mm from the centre of the grid); ``None`` without any.
    reversed_b0s
        (X, Y, Z, n) unweighted volumes with the opposite phase encoding, or ``None``.
    """

    data: np.ndarray
    affine: np.ndarray
    bvals: np.ndarray
    bvecs: np.ndarray
    metadata: Mapping[str, object]
    motion: np.ndarray
    truth: Mapping[tuple[str, str], float]
    dropouts: tuple[Dropout, ...] = ()
    since_t1w: np.ndarray = field(default_factory=lambda: np.zeros(6))
    eddy_mm: np.ndarray | None = None
    reversed_b0s: np.ndarray | None = None


def simulate_dwi(
    anatomy: Anatomy, person: Person, protocol: Protocol, rng: np.random.Generator
) -> DwiSeries:
    """Simulate a diffusion series of one or more shells.

    Parameters
    ----------
    anatomy
        The true head.
    person
        ``fa`` by tract and for ``WM``, and ``motion_scale_mm``.
    protocol
        Voxel size, shells, signal-to-noise ratio, and what distorts the images.
    rng
        Draws movement, dropouts and noise.
    """
    pose = rng.normal(0, 1, 6) * ([SINCE_T1W_MM] * 3 + [np.deg2rad(SINCE_T1W_DEG)] * 3)
    head = fine_head(anatomy, protocol.dwi.voxel_mm, pose=pose)
    tensors = tensor_field(head, person, crossing=protocol.dwi.crossing)
    bvals, directions = gradient_table(
        protocol.dwi.directions,
        protocol.dwi.b0s,
        protocol.dwi.b_value_s_mm2,
        more=protocol.dwi.more_shells,
    )
    motion = drawn_motion(
        len(bvals), MOTION_FACTOR * person.motion_scale_mm, rng, spike_rate=SPIKE_RATE
    )
    eddies = None
    if protocol.dwi.eddy_mm:
        eddies = eddy_fields(bvals, directions, protocol.dwi.eddy_mm)
    shift = _shift(head, protocol.off_resonance_hz)
    # The phase runs from front to back, j-: a higher frequency shifts the signal backwards.
    displaced = None if shift is None else displacement(-shift)
    data = clean_series(
        head, tensors, bvals, directions, motion, displaced=displaced, eddies=eddies
    )
    dropouts = _dropouts(bvals, head.shape[2], rng)
    for dropout in dropouts:
        data[:, :, dropout.slice, dropout.volume] *= dropout.factor
    sd = INTENSITY["wm"] / (protocol.dwi.snr * person.scanner.snr_factor)
    noisy = rician(data, sd, rng)
    opposed = None
    if protocol.dwi.reversed_b0s:
        still = np.tile(motion[-1], (protocol.dwi.reversed_b0s, 1))
        opposed = rician(_clean_reversed_b0s(head, tensors, still, shift), sd, rng)
    return DwiSeries(
        data=noisy,
        affine=head.affine,
        bvals=bvals,
        bvecs=fsl_bvecs(directions, head.affine),
        metadata=_sidecar(person, protocol),
        motion=motion,
        truth=tensors.truth,
        dropouts=dropouts,
        since_t1w=pose,
        eddy_mm=eddies,
        reversed_b0s=opposed,
    )


def _shift(head: FineHead, off_resonance_hz: float) -> np.ndarray | None:
    """Size of the displacement by off-resonance (X, Y, Z) in voxels, or ``None`` without any."""
    if not off_resonance_hz:
        return None
    return DWI_READOUT_S * voxel_means(off_resonance(head.template_mm, off_resonance_hz))


def _clean_reversed_b0s(
    head: FineHead, tensors: Tensors, motion: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    """Unweighted volumes whose shift along the phase encoding is the opposite."""
    n = len(motion)
    displaced = None if shift is None else displacement(shift)
    return clean_series(head, tensors, np.zeros(n), np.zeros((n, 3)), motion, displaced=displaced)


def _dropouts(bvals: np.ndarray, slices: int, rng: np.random.Generator) -> tuple[Dropout, ...]:
    return tuple(
        Dropout(int(volume), int(z), float(rng.uniform(0.3, 0.7)))
        for volume, z in np.argwhere(rng.random((len(bvals), slices)) < DROPOUT_RATE)
        if bvals[volume] > 0
    )


def clean_series(
    head: FineHead,
    tensors: Tensors,
    bvals: np.ndarray,
    directions: np.ndarray,
    motion: np.ndarray,
    *,
    displaced: Displacement | None = None,
    eddies: np.ndarray | None = None,
) -> np.ndarray:
    """Signal without noise, (X, Y, Z, N) float32.

    Compartments decay on the finer grid and are then averaged over acquired voxels. A head that
    has turned by R sees the gradient R' g, and is sampled where it has gone. ``displaced`` and
    ``eddies`` (N, 4) shift the images along the second axis; both stay in the scanner when the head
    moves.
    """
    something = voxel_means(head.substance) > 0.02
    reach = 0.0
    if eddies is not None:
        corner_mm = np.abs(head.centre_mm - head.affine[:3, 3])
        reach += float((np.abs(eddies) @ [1, *corner_mm]).max() / zooms_mm(head.affine)[1])
    if displaced is not None:
        reach += float(np.abs(displaced.back).max())
    if reach:
        something = binary_dilation(something, iterations=int(np.ceil(reach)))
    voxels = np.argwhere(something)
    seen, rows = tuple(voxels.T), voxels.T.astype(np.float32)
    sensitivity = head.coil_sensitivity(voxels)
    data = np.zeros((len(bvals), *head.shape), np.float32)
    wm = INTENSITY["wm"] * head.maps["wm"][tensors.where]
    isotropic: dict[float, np.ndarray] = {}
    for n, b in enumerate(bvals):
        b = float(b)
        if b not in isotropic:
            parts = (
                INTENSITY[name] * np.exp(-b * diffusivity) * head.maps[name]
                for name, diffusivity in ISOTROPIC.items()
            )
            isotropic[b] = sum(parts).astype(np.float32)
        seen_gradient = rigid_matrix(motion[n], head.centre_mm)[:3, :3].T @ directions[n]
        seen_gradient = seen_gradient.astype(np.float32)
        decay = _decay(b, tensors, tensors.directions @ seen_gradient)
        if tensors.second is not None and tensors.share is not None:
            across = _decay(b, tensors, tensors.second @ seen_gradient)
            decay = decay + tensors.share * (across - decay)
        image = isotropic[b].copy()
        image[tensors.where] += wm * decay
        origins, factor = rows, sensitivity
        thinner: float | np.ndarray
        if eddies is not None:
            origins, thinner = before_eddies(origins, eddies[n], head.affine, head.centre_mm)
            factor = factor * thinner
        if displaced is not None:
            origins, thinner = displaced.origins(origins)
            factor = factor * thinner
        places = box_places(head, origins, motion[n])
        sampled = map_coordinates(voxel_boxes(image), places, order=1, output=np.float32)
        data[n][seen] = sampled * factor
    return np.moveaxis(data, 0, -1)


def _decay(b: float, tensors: Tensors, cosine: np.ndarray) -> np.ndarray:
    """What the weighting leaves of a bundle's signal."""
    along = tensors.radial + (tensors.axial - tensors.radial) * np.square(cosine)
    return np.exp(-b * along)


def rician(data: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the signal with independent noise of this SD in both channels."""
    real = rng.standard_normal(data.shape, dtype=np.float32)
    real *= np.float32(sd)
    real += data
    imaginary = rng.standard_normal(data.shape, dtype=np.float32)
    imaginary *= np.float32(sd)
    return np.hypot(real, imaginary)


def _sidecar(person: Person, protocol: Protocol) -> dict[str, object]:
    return {
        "Manufacturer": person.scanner.manufacturer,
        "ManufacturersModelName": person.scanner.model,
        "MagneticFieldStrength": round(protocol.field_t, 3),
        "RepetitionTime": 8.0,
        "EchoTime": 0.085,
        "FlipAngle": 90,
        "PhaseEncodingDirection": "j-",
        "TotalReadoutTime": DWI_READOUT_S,
        "PulseSequenceType": "Spin echo EPI",
    }


def dwi_files(person: Person, protocol: Protocol) -> list[Path]:
    """The series with its gradients, its true motion, and what has the opposite phase encoding."""
    image = (".nii.gz", ".json")
    files = named(person, "dwi", "dwi", (*image, ".bval", ".bvec"))
    files.append(truth_file(person, "motion", ".tsv"))
    if protocol.dwi.reversed_b0s:
        files += named(person, "fmap", "epi", image, dir=REVERSED)
    return files


def write_dwi(
    out: Path, anatomy: Anatomy, person: Person, protocol: Protocol, streams: RandomStreams
) -> Measured:
    """Simulate the series and write it."""
    dwi = simulate_dwi(anatomy, person, protocol, streams.scan)
    data = whole_numbers(dwi.data)
    image = write_scan(out, person, "dwi", "dwi", data, dwi.affine, dwi.metadata)
    bval, bvec = (out / path for path in named(person, "dwi", "dwi", (".bval", ".bvec")))
    write_text(" ".join(f"{b:g}" for b in dwi.bvals) + "\n", bval)
    lines = (" ".join(f"{component:.6f}" for component in row) for row in dwi.bvecs)
    write_text("\n".join(lines) + "\n", bvec)
    write_motion(dwi.motion, out / truth_file(person, "motion", ".tsv"))
    if dwi.reversed_b0s is not None:
        opposed = {"PhaseEncodingDirection": "j", "IntendedFor": [bids_uri(image, out)]}
        b0s = whole_numbers(dwi.reversed_b0s)
        metadata = {**dwi.metadata, **opposed}
        write_scan(out, person, "fmap", "epi", b0s, dwi.affine, metadata, dir=REVERSED)
    eddies = {} if dwi.eddy_mm is None else {"eddy_mm_of_1_x_y_z": dwi.eddy_mm.round(6)}
    events = {
        "since_t1w_mm_rad": dwi.since_t1w,
        "dropouts": [vars(dropout) for dropout in dwi.dropouts],
        **eddies,
    }
    return Measured(dwi.truth, events)


SIMULATOR = Simulator(
    stream=3, files=dwi_files, write=write_dwi, units={"md": "mm2/s", "dwi_motion": "mm"}
)
