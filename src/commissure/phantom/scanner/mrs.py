"""Simulated single-voxel spectra: shots and coils of an acquisition in the anterior cingulate.

The generator is not the basis of any fit: pulses are not ideal, delays are uneven, every
metabolite has its own small shift and line width. Amplitudes follow the molal water-scaling
equation exactly, so that known concentrations can be asked back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from nibabel.eulerangles import euler2mat
from scipy.ndimage import map_coordinates

from commissure.errors import ConfigError
from commissure.images.atlas import regions
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.mrs_signal import (
    METABOLITE_T1_T2_S,
    SUMS,
    VOI,
    WATER_DENSITY,
    drawn_concentrations,
    lipid_signal,
    macromolecule_signal,
    metabolite_signal,
    relaxation_weight,
    residual_water,
    tissue_water_share,
    tnaa_line,
    turning,
    voigt_decay,
    water_fid,
)
from commissure.phantom.scanner.spin_systems import WATER_PPM

#: Structures that the voxel is centred on, the anterior cingulate: only what lies before and above
#: these template mm, for it reaches back to the central sulcus and down under the genu.
VOI_STRUCTURES = ("ACC_L", "ACC_R")
VOI_FROM_Y_MM, VOI_FROM_Z_MM = 12.0, 10.0

BAD_SHOTS = 0.05
LIPID_PROBABILITY = 0.05


@dataclass(frozen=True)
class Shots:
    """What happened to each transient.

    Attributes
    ----------
    shift_hz
        (shots,) frequency offset: drift and jitter; positive moves lines to higher ppm.
    phase_rad
        (shots,) phase offset.
    bad
        Indices of the corrupted shots.
    """

    shift_hz: np.ndarray
    phase_rad: np.ndarray
    bad: tuple[int, ...]


@dataclass(frozen=True)
class MrsData:
    """One simulated spectroscopy measurement.

    Attributes
    ----------
    fid
        (1, 1, 1, points, coils, shots) complex64, phase convention of NIfTI-MRS; of MEGA-PRESS
        (1, 1, 1, points, coils, shots / 2, 2), edited and not edited in turn.
    water_fid
        (1, 1, 1, points, coils) complex64: without water suppression, one transient.
    affine
        4x4 of the voxel in scanner mm, its edges as columns.
    metadata
        For the JSON sidecars, BIDS names.
    header_extension
        For the NIfTI-MRS header.
    truth
        mmol/kg and ratios by ``(marker, "ACC")``, and ``f_csf`` (volume fraction of CSF).
    fractions
        True volume fractions ``gm wm csf`` in the voxel, sum 1.
    shots
        Offsets of each transient.
    concentrations
        mmol/kg of every metabolite.
    line_width_hz
        FWHM of the shim alone (Voigt of the Lorentzian and Gaussian parts).
    """

    fid: np.ndarray
    water_fid: np.ndarray
    affine: np.ndarray
    metadata: Mapping[str, object]
    header_extension: Mapping[str, object]
    truth: Mapping[tuple[str, str], float]
    fractions: Mapping[str, float]
    shots: Shots
    concentrations: Mapping[str, float] = field(default_factory=dict)
    line_width_hz: float = 0.0


def simulate_mrs(
    anatomy: Anatomy,
    person: Person,
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    lasting: np.random.Generator | None = None,
    noise: np.random.Generator | None = None,
) -> MrsData:
    """Simulate a measurement with its water reference.

    Parameters
    ----------
    anatomy
        The true head: it says where the voxel lies and what it holds.
    person
        ``glu gln gsh tnaa tcr tcho ins`` of region ``ACC`` in mmol per kg of tissue water.
    protocol
        Sequence, sampling and signal-to-noise ratio.
    rng
        Draws position, shim, offsets, artefacts and noise.
    lasting
        Draws what stays of a person, the minor metabolites; ``None`` is ``rng``.
    noise
        Draws the thermal noise; ``None`` is ``rng``.

    Raises
    ------
    ConfigError
        The head has no anterior cingulate, or less than half of the voxel lies in the brain.
    """
    affine = voxel_affine(anatomy, protocol.mrs.voxel_mm, rng)
    fractions = tissue_fractions(anatomy, affine, who=person.participant_id)
    concentrations = _lasting_concentrations(anatomy, person, protocol, rng, lasting)
    times = np.arange(protocol.mrs.points) / protocol.mrs.spectral_width_hz
    shim, line_width_hz = _drawn_shim(times, rng)
    clean, peak = _clean_signal(concentrations, fractions, protocol, times, shim, rng)
    eddy = np.exp(1j * rng.uniform(-0.6, 0.6) * np.exp(-times / rng.uniform(0.02, 0.06)))
    water = water_fid(fractions, protocol, times) * shim
    residual = residual_water(abs(water[0]), protocol.proton_mhz, times, rng)

    shots = _draw_shots(protocol.mrs.transients, rng)
    series = _transients(clean + residual[:, None], shots, peak, protocol.proton_mhz, times, rng)
    weights, mixing = _receiver(peak, person, protocol, rng)
    thermal, scale = noise or rng, 100 / peak
    fid = _received(series * eddy[:, None], weights, mixing, thermal) * scale
    fid = _by_condition(fid, clean.shape[1])
    reference = _received((water * eddy)[:, None], weights, mixing, thermal)[..., 0] * scale
    return MrsData(
        fid=fid[None, None, None].astype(np.complex64),
        water_fid=reference[None, None, None].astype(np.complex64),
        affine=affine,
        metadata=_sidecar(person, protocol),
        header_extension=_header(person, protocol),
        truth=_truth(concentrations) | {("f_csf", VOI): fractions["csf"]},
        fractions=fractions,
        shots=shots,
        concentrations=concentrations,
        line_width_hz=line_width_hz,
    )


def voxel_affine(
    anatomy: Anatomy, edges_mm: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Place the voxel at the centre of the person's anterior cingulate, give or take 3 mm.

    Returns
    -------
    numpy.ndarray
        4x4: the cube from -0.5 to 0.5 around index 0 is the voxel. It is tilted about the
        left-right axis, as an operator does to follow the genu.
    """
    groups = regions().groups("structure")
    numbers = [number for name in VOI_STRUCTURES for number in groups[name]]
    y, z = anatomy.template_mm[..., 1], anatomy.template_mm[..., 2]
    front = (y > VOI_FROM_Y_MM) & (z > VOI_FROM_Z_MM)
    inside = np.argwhere(np.isin(anatomy.regions, numbers) & front)
    if len(inside) == 0:
        raise ConfigError(VOI, found="the head has no anterior cingulate", wanted="a whole brain")
    centre = nib.affines.apply_affine(anatomy.affine, inside.mean(axis=0))
    centre = centre + np.clip(rng.normal(0, 1.5, 3), -3, 3)
    affine = np.eye(4)
    tilt = np.deg2rad(np.clip(rng.normal(0, 8), -20, 20))
    affine[:3, :3] = euler2mat(0, 0, tilt) @ np.diag(edges_mm)
    affine[:3, 3] = centre
    return affine


def tissue_fractions(anatomy: Anatomy, affine: np.ndarray, *, who: str) -> dict[str, float]:
    """Volume fractions ``gm wm csf`` of the voxel, sum 1, from points 1 mm apart."""
    edges = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in np.maximum(np.rint(edges), 1).astype(int)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    places = nib.affines.apply_affine(np.linalg.inv(anatomy.affine) @ affine, points).T
    parts = {
        name: float(map_coordinates(getattr(anatomy, name), places, order=1).mean())
        for name in WATER_DENSITY
    }
    total = sum(parts.values())
    if total < 0.5:
        raise ConfigError(
            who,
            found=f"only {100 * total:.0f} % of the spectroscopy voxel lies in the brain",
            wanted="at least half",
            mend="Make mrs.voxel_mm smaller",
        )
    return {name: part / total for name, part in parts.items()}


def _lasting_concentrations(
    anatomy: Anatomy,
    person: Person,
    protocol: Protocol,
    rng: np.random.Generator,
    lasting: np.random.Generator | None,
) -> dict[str, float]:
    """Concentrations in mmol/kg, which stay from scan to scan."""
    if lasting is not None and lasting is not rng:
        # The first scan drew the place of its voxel before.
        voxel_affine(anatomy, protocol.mrs.voxel_mm, lasting)
    return drawn_concentrations(person, lasting or rng)


def _drawn_shim(times: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Decay (points,) that the shim leaves, and its FWHM in Hz."""
    lorentz_hz, gauss_hz = rng.uniform(0.5, 1.5), rng.uniform(3.5, 5.5)
    width_hz = 0.5346 * lorentz_hz + math.hypot(0.4654 * lorentz_hz, gauss_hz)
    return voigt_decay(times, lorentz_hz, gauss_hz), width_hz


def _clean_signal(
    concentrations: Mapping[str, float],
    fractions: Mapping[str, float],
    protocol: Protocol,
    times: np.ndarray,
    shim: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Signal of all but water, (points, conditions), and the height of tNAA in its spectrum."""
    clean = metabolite_signal(concentrations, protocol, times, shim, rng)
    factor = tissue_water_share(fractions) * relaxation_weight(*METABOLITE_T1_T2_S, protocol)
    tnaa = tnaa_line(concentrations, protocol, times) * shim
    peak = factor * float(np.abs(np.fft.fft(tnaa)).max())
    clean = factor * (clean + macromolecule_signal(protocol, times)[:, None])
    if rng.random() < LIPID_PROBABILITY:
        clean += factor * lipid_signal(protocol.proton_mhz, times, rng)[:, None]
    return clean, peak


def _transients(
    signal: np.ndarray,
    shots: Shots,
    peak: float,
    proton_mhz: float,
    times: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(points, shots): the signal (points, conditions) with what happened to each transient."""
    offset = np.exp(1j * (shots.phase_rad - 2 * np.pi * times[:, None] * shots.shift_hz))
    conditions = signal.shape[1]
    series = signal[:, np.arange(len(shots.phase_rad)) % conditions] * offset
    for shot in shots.bad:
        series[:, shot] = _corrupted(series[:, shot], peak, proton_mhz, times, rng)
    return series


def _receiver(
    peak: float, person: Person, protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivities (coils,), and the matrix (coils, coils) that makes thermal from white noise."""
    weights, covariance = _coils(protocol.mrs.coils, rng)
    combined = float((weights.conj() @ np.linalg.solve(covariance, weights)).real)
    snr = protocol.mrs.snr * person.scanner.snr_factor
    sd = peak / snr * math.sqrt(protocol.mrs.transients * combined / protocol.mrs.points)
    return weights, sd * np.linalg.cholesky(covariance)


def _received(
    signal: np.ndarray, weights: np.ndarray, mixing: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Coils and noise: (points, shots) to (points, coils, shots)."""
    shape = (signal.shape[0], len(weights), signal.shape[1])
    real, imaginary = rng.standard_normal((2, *shape), dtype=np.float32)
    thermal = np.einsum("ij,pjs->pis", mixing, real + 1j * imaginary)
    return signal[:, None, :] * weights[None, :, None] + thermal


def _by_condition(fid: np.ndarray, conditions: int) -> np.ndarray:
    """(points, coils, shots), or (points, coils, shots / conditions, conditions) if edited."""
    return fid.reshape(*fid.shape[:2], -1, conditions) if conditions > 1 else fid


def _draw_shots(count: int, rng: np.random.Generator) -> Shots:
    drift = rng.choice([-1, 1]) * rng.uniform(0.02, 0.1) * np.arange(count)
    return Shots(
        shift_hz=rng.normal(0, 1.0) + drift + rng.normal(0, 0.4, count),
        phase_rad=rng.uniform(-np.pi / 6, np.pi / 6) + np.deg2rad(rng.normal(0, 8, count)),
        bad=tuple(int(i) for i in np.flatnonzero(rng.random(count) < BAD_SHOTS)),
    )


def _corrupted(
    shot: np.ndarray, peak: float, field_mhz: float, times: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A shot during which the person moved: weaker, broader, shifted, with water and fat."""
    moved = shot * rng.uniform(0.4, 0.8) * voigt_decay(times, rng.uniform(5, 15), 0.0)
    moved = moved * np.exp(1j * (rng.uniform(-1.5, 1.5) - 2 * np.pi * rng.uniform(-8, 8) * times))
    # peak is a height in the spectrum: divided by the line's 1/e time in samples it is a height
    # in time.
    height = peak * (np.pi * 12 * times[1])
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi))
    water = 3 * height * turning(WATER_PPM, field_mhz, times) * voigt_decay(times, 10, 5)
    fat = height * turning(1.3, field_mhz, times) * voigt_decay(times, 15, 15)
    return moved + phase * (water + fat)


def _coils(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Complex sensitivities (mean square 1) and noise covariance (unit mean variance)."""
    weights = rng.lognormal(0, 0.4, count) * np.exp(1j * rng.uniform(-np.pi, np.pi, count))
    weights /= math.sqrt(np.mean(np.abs(weights) ** 2))
    mixing = np.eye(count) + 0.15 * (
        rng.standard_normal((count, count)) + 1j * rng.standard_normal((count, count))
    )
    covariance = mixing @ mixing.conj().T
    return weights, covariance / (np.trace(covariance).real / count)


def _truth(concentrations: Mapping[str, float]) -> dict[tuple[str, str], float]:
    totals = {marker: sum(concentrations[name] for name in parts) for marker, parts in SUMS.items()}
    totals["glx"] = totals["glu"] + totals["gln"]
    truth = {(marker, VOI): value for marker, value in totals.items()}
    for marker, value in totals.items():
        if marker != "tcr":
            truth[f"{marker}_tcr", VOI] = value / totals["tcr"]
    return truth


def _sidecar(person: Person, protocol: Protocol) -> dict[str, object]:
    return {
        "Manufacturer": person.scanner.manufacturer,
        "ManufacturersModelName": person.scanner.model,
        "MagneticFieldStrength": round(protocol.field_t, 3),
        "ResonantNucleus": ["1H"],
        "SpectrometerFrequency": [protocol.proton_mhz],
        "SpectralWidth": protocol.mrs.spectral_width_hz,
        "NumberOfSpectralPoints": protocol.mrs.points,
        "NumberOfTransients": protocol.mrs.transients,
        "EchoTime": protocol.mrs.echo_time_s,
        "RepetitionTime": protocol.mrs.repetition_time_s,
        "PulseSequenceType": protocol.mrs.sequence,
        "AcquisitionVoxelSize": list(protocol.mrs.voxel_mm),
        "BodyPart": "BRAIN",
        "BodyPartDetails": "anterior cingulate",
    }


def _header(person: Person, protocol: Protocol) -> dict[str, object]:
    """For the NIfTI-MRS header."""
    return {
        "EchoTime": protocol.mrs.echo_time_s,
        "RepetitionTime": protocol.mrs.repetition_time_s,
        "SpectralWidth": protocol.mrs.spectral_width_hz,
        "Manufacturer": person.scanner.manufacturer,
        "ProtocolName": protocol.mrs.sequence,
    }
