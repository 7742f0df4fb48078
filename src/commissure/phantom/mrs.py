"""Simulated single-voxel spectra: shots and coils of a PRESS acquisition in the anterior cingulate.

The generator is not the basis of any fit: pulses are not ideal, the two echo times differ, every
metabolite has its own small shift and line width. Amplitudes follow the molal water-scaling
equation exactly, so that known concentrations can be asked back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import nibabel as nib
import numpy as np
from nibabel.eulerangles import euler2mat

from commissure.errors import ConfigError
from commissure.images.atlas import jhu189
from commissure.phantom.anatomy import Anatomy
from commissure.phantom.person import Person, Protocol
from commissure.phantom.spins import METABOLITES, WATER_PPM, Press, metabolite_fid

VOI = "ACC"

#: Labels of jhu189 that the voxel is centred on: pregenual and dorsal anterior cingulate, of which
#: the atlas' dorsal part reaches far back: only what lies before and above these template mm.
VOI_LABELS = ("rostral_ACC_L", "rostral_ACC_R", "dorsal_ACC_L", "dorsal_ACC_R")
VOI_FROM_Y_MM, VOI_FROM_Z_MM = 12.0, 10.0

#: Pure water, mmol/kg, and the water density of each tissue relative to it.
WATER_MMOL_PER_KG = 55510.0
WATER_DENSITY = {"gm": 0.78, "wm": 0.65, "csf": 0.97}

#: T1 and T2 at 3 T in seconds, the set that FSL-MRS uses: what the amplitudes are made with.
WATER_T1_T2_S = {"gm": (1.50, 0.088), "wm": (0.97, 0.073), "csf": (4.47, 2.03)}
METABOLITE_T1_T2_S = (1.29, 0.194)

#: T2 at 3 T in seconds during the acquisition (Wyss PO et al., Magn Reson Med 80:452-461, 2018, and
#: the table in Osprey): it shapes the line, the loss up to the echo is the common one above.
LINE_T2_S = {
    "Asp": 0.111, "Cr": 0.156, "PCr": 0.150, "GABA": 0.102, "Gln": 0.122, "Glu": 0.126,
    "GPC": 0.217, "PCh": 0.217, "GSH": 0.117, "Ins": 0.199, "NAA": 0.301, "NAAG": 0.185,
    "Tau": 0.120, "PE": 0.110,
}  # fmt: skip
OTHER_LINE_T2_S = 0.150

#: What each marker is the sum of, with the usual share of each part.
SUMS: Mapping[str, Mapping[str, float]] = {
    "glu": {"Glu": 1.0},
    "gln": {"Gln": 1.0},
    "gsh": {"GSH": 1.0},
    "tnaa": {"NAA": 0.88, "NAAG": 0.12},
    "tcr": {"Cr": 0.54, "PCr": 0.46},
    "tcho": {"GPC": 0.62, "PCh": 0.38},
    "ins": {"Ins": 1.0},
}

#: mmol/kg where a person's markers say nothing (de Graaf RA, In Vivo NMR Spectroscopy, 3rd ed.).
DEFAULT_MMOL_PER_KG = {
    "glu": 10.2, "gln": 3.0, "gsh": 1.9, "tnaa": 10.5, "tcr": 8.2, "tcho": 1.75, "ins": 6.5,
    "Ala": 0.4, "Asc": 1.0, "Asp": 2.0, "GABA": 1.3, "Lac": 0.7, "PE": 1.5, "sIns": 0.35,
    "Tau": 1.4,
}  # fmt: skip

#: Macromolecules at 3 T: ppm, FWHM in ppm, relative area (Birch R et al., Magn Reson Med 77:34-43,
#: 2017), thinned to the broader lines.
MACROMOLECULES = (
    (0.91, 0.150, 0.72), (1.21, 0.150, 0.28), (1.39, 0.125, 0.38), (1.67, 0.120, 0.10),
    (2.04, 0.200, 0.70), (2.25, 0.140, 0.33), (2.96, 0.120, 0.20), (3.11, 0.140, 0.11),
    (3.67, 0.262, 0.45), (3.96, 0.293, 0.55),
)  # fmt: skip
MACROMOLECULE_PROTONS_MMOL_PER_KG = 22.0

#: The part of the echo time that the first refocusing takes, and the real flip angle: together
#: they change the multiplets of Glu by 2.5 % and of Gln by 3 % against ideal, even timing.
FIRST_ECHO_SHARE = 0.47
REFOCUSING_DEG = 172.0
SHIFT_SD_PPM = 0.0025
SHIFT_LIMIT_PPM = 0.005

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
        (1, 1, 1, points, coils, shots) complex64, phase convention of NIfTI-MRS.
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
    anatomy: Anatomy, person: Person, protocol: Protocol, rng: np.random.Generator
) -> MrsData:
    """Simulate a PRESS measurement with its water reference.

    Parameters
    ----------
    anatomy
        The true head: it says where the voxel lies and what it holds.
    person
        ``glu gln gsh tnaa tcr tcho ins`` of region ``ACC`` in mmol per kg of tissue water.
    protocol
        Sequence, sampling and signal-to-noise ratio.
    rng
        Draws position, shim, minor metabolites, offsets, artefacts and noise.

    Raises
    ------
    ConfigError
        The head has no anterior cingulate, or less than half of the voxel lies in the brain.
    """
    affine = voxel_affine(anatomy, protocol.mrs_voxel_mm, rng)
    fractions = tissue_fractions(anatomy, affine, who=person.participant_id)
    concentrations = drawn_concentrations(person, rng)
    times = np.arange(protocol.mrs_points) / protocol.mrs_spectral_width_hz
    lorentz_hz, gauss_hz = rng.uniform(0.5, 1.5), rng.uniform(3.5, 5.5)
    shim = _voigt(times, lorentz_hz, gauss_hz)

    clean = _metabolites(concentrations, protocol, times, shim, rng)
    factor = tissue_water_share(fractions) * _weight(*METABOLITE_T1_T2_S, protocol)
    naa = sum(
        concentrations[name] * _fid(name, _sequence(protocol), times) * _decay(name, times)
        for name in ("NAA", "NAAG")
    )
    peak = factor * float(np.abs(np.fft.fft(naa * shim)).max())
    clean = factor * (clean + _macromolecules(protocol.field_mhz, times))
    if rng.random() < LIPID_PROBABILITY:
        clean += factor * _lipids(protocol.field_mhz, times, rng)
    eddy = np.exp(1j * rng.uniform(-0.6, 0.6) * np.exp(-times / rng.uniform(0.02, 0.06)))
    water = water_fid(fractions, protocol, times) * shim
    residual = _residual_water(abs(water[0]), protocol.field_mhz, times, rng)

    shots = _draw_shots(protocol.mrs_shots, rng)
    turn = np.exp(1j * (shots.phase_rad - 2 * np.pi * times[:, None] * shots.shift_hz))
    series = (clean + residual)[:, None] * turn
    for shot in shots.bad:
        series[:, shot] = _corrupted(series[:, shot], peak, protocol.field_mhz, times, rng)

    weights, covariance = _coils(protocol.mrs_coils, rng)
    combined = float((weights.conj() @ np.linalg.solve(covariance, weights)).real)
    snr = protocol.mrs_snr * person.scanner.snr_factor
    sd = peak / snr * math.sqrt(protocol.mrs_shots * combined / protocol.mrs_points)
    mixing = sd * np.linalg.cholesky(covariance)

    def received(signal: np.ndarray) -> np.ndarray:
        """Coils and noise: (points, shots) to (points, coils, shots)."""
        shape = (signal.shape[0], len(weights), signal.shape[1])
        noise = rng.standard_normal((2, *shape), dtype=np.float32)
        noise = np.einsum("ij,pjs->pis", mixing, noise[0] + 1j * noise[1])
        return signal[:, None, :] * weights[None, :, None] + noise

    scale = 100 / peak
    fid = received(series * eddy[:, None]) * scale
    reference = received((water * eddy)[:, None])[..., 0] * scale
    truth = _truth(concentrations) | {("f_csf", VOI): fractions["csf"]}
    return MrsData(
        fid=fid[None, None, None].astype(np.complex64),
        water_fid=reference[None, None, None].astype(np.complex64),
        affine=affine,
        metadata=_sidecar(person, protocol),
        header_extension={
            "EchoTime": protocol.mrs_te_s,
            "RepetitionTime": protocol.mrs_tr_s,
            "SpectralWidth": protocol.mrs_spectral_width_hz,
            "Manufacturer": person.scanner.manufacturer,
            "ProtocolName": "PRESS",
        },
        truth=truth,
        fractions=fractions,
        shots=shots,
        concentrations=concentrations,
        line_width_hz=0.5346 * lorentz_hz + math.hypot(0.4654 * lorentz_hz, gauss_hz),
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
    labels = jhu189().labels
    numbers = labels.loc[labels["name"].isin(VOI_LABELS), "index"].to_numpy()
    y, z = anatomy.template_mm[..., 1], anatomy.template_mm[..., 2]
    front = (y > VOI_FROM_Y_MM) & (z > VOI_FROM_Z_MM)
    inside = np.argwhere(np.isin(anatomy.jhu, numbers) & front)
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
    from scipy.ndimage import map_coordinates

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
            mend="Make mrs_voxel_mm smaller",
        )
    return {name: part / total for name, part in parts.items()}


def drawn_concentrations(person: Person, rng: np.random.Generator) -> dict[str, float]:
    """Concentration of every metabolite in mmol/kg: the person's markers, split and completed.

    Shares within a sum and the metabolites that no marker names vary by 10 and 15 %.
    """
    concentrations = {}
    for marker, parts in SUMS.items():
        total = person.markers.get((marker, VOI), DEFAULT_MMOL_PER_KG[marker])
        shares = {name: share * math.exp(0.1 * rng.normal()) for name, share in parts.items()}
        for name, share in shares.items():
            concentrations[name] = total * share / sum(shares.values())
    for name in METABOLITES:
        if name not in concentrations:
            concentrations[name] = DEFAULT_MMOL_PER_KG[name] * math.exp(0.15 * rng.normal())
    return concentrations


def molal_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    """Share of each tissue in the water of the voxel, from volume fractions."""
    water = {name: fractions[name] * density for name, density in WATER_DENSITY.items()}
    return {name: value / sum(water.values()) for name, value in water.items()}


def tissue_water_share(fractions: Mapping[str, float]) -> float:
    """1 - F_CSF: the share of the voxel's water that metabolites are dissolved in."""
    return 1 - molal_fractions(fractions)["csf"]


def water_fid(
    fractions: Mapping[str, float], protocol: Protocol, times_s: np.ndarray
) -> np.ndarray:
    """Signal of the voxel's water, 1 per molecule and mmol/kg at full relaxation, without shim.

    Gasparovic C et al., Magn Reson Med 55:1219-1226, 2006: each tissue's water relaxes with its
    own T1 and T2, before and during the acquisition.
    """
    signal = np.zeros(len(times_s), complex)
    for name, share in molal_fractions(fractions).items():
        t1, t2 = WATER_T1_T2_S[name]
        signal += WATER_MMOL_PER_KG * share * _weight(t1, t2, protocol) * np.exp(-times_s / t2)
    return signal


def _weight(t1_s: float, t2_s: float, protocol: Protocol) -> float:
    saturation = 1 - math.exp(-protocol.mrs_tr_s / t1_s)
    return saturation * math.exp(-protocol.mrs_te_s / t2_s)


def _sequence(protocol: Protocol) -> Press:
    te = protocol.mrs_te_s
    return Press(
        protocol.field_mhz, FIRST_ECHO_SHARE * te, (1 - FIRST_ECHO_SHARE) * te, REFOCUSING_DEG
    )


@lru_cache(maxsize=64)
def _cached_fid(name: str, press: Press, points: int, dwell_s: float) -> np.ndarray:
    return metabolite_fid(name, press, np.arange(points) * dwell_s)


def _fid(name: str, press: Press, times: np.ndarray) -> np.ndarray:
    return _cached_fid(name, press, len(times), float(times[1]))


def _decay(name: str, times: np.ndarray) -> np.ndarray:
    return np.exp(-times / LINE_T2_S.get(name, OTHER_LINE_T2_S))


def _voigt(times: np.ndarray, lorentz_hz: float, gauss_hz: float) -> np.ndarray:
    """Decay of a line with these full widths at half maximum."""
    gauss = (np.pi * gauss_hz * times) ** 2 / (4 * math.log(2))
    return np.exp(-np.pi * lorentz_hz * times - gauss)


def _turning(ppm: float, field_mhz: float, times: np.ndarray) -> np.ndarray:
    """A line at a chemical shift, in the phase convention of NIfTI-MRS."""
    return np.exp(-2j * np.pi * (ppm - WATER_PPM) * field_mhz * times)


def _metabolites(
    concentrations: Mapping[str, float],
    protocol: Protocol,
    times: np.ndarray,
    shim: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    press = _sequence(protocol)
    signal = np.zeros(len(times), complex)
    for name, concentration in concentrations.items():
        shift = np.clip(rng.normal(0, SHIFT_SD_PPM), -SHIFT_LIMIT_PPM, SHIFT_LIMIT_PPM)
        moved = _turning(WATER_PPM + shift, protocol.field_mhz, times)
        signal += concentration * _fid(name, press, times) * _decay(name, times) * moved
    return signal * shim


def _macromolecules(field_mhz: float, times: np.ndarray) -> np.ndarray:
    signal = np.zeros(len(times), complex)
    for ppm, fwhm_ppm, area in MACROMOLECULES:
        line = _turning(ppm, field_mhz, times) * _voigt(times, 0.0, fwhm_ppm * field_mhz)
        signal += area * MACROMOLECULE_PROTONS_MMOL_PER_KG / 2 * line
    return signal


def _lipids(field_mhz: float, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fat from outside the voxel, broad and out of phase."""
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi))
    lines = ((0.89, 0.16, 6.0), (1.28, 0.17, 20.0))
    return phase * sum(
        area * _turning(ppm, field_mhz, times) * _voigt(times, 0.0, fwhm * field_mhz)
        for ppm, fwhm, area in lines
    )


def _residual_water(
    water: float, field_mhz: float, times: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """What water suppression leaves: a few lines around 4.65 ppm, each with a phase of its own."""
    signal = np.zeros(len(times), complex)
    for _ in range(rng.integers(3, 7)):
        height = water * rng.uniform(2e-4, 8e-4) * np.exp(1j * rng.uniform(-np.pi, np.pi))
        line = _turning(WATER_PPM + rng.normal(0, 0.04), field_mhz, times)
        signal += height * line * _voigt(times, rng.uniform(3, 8), rng.uniform(3, 6))
    return signal


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
    moved = shot * rng.uniform(0.4, 0.8) * _voigt(times, rng.uniform(5, 15), 0.0)
    moved = moved * np.exp(1j * (rng.uniform(-1.5, 1.5) - 2 * np.pi * rng.uniform(-8, 8) * times))
    # peak is a height in the spectrum: divided by the line's 1/e time in samples it is a height
    # in time.
    height = peak * (np.pi * 12 * times[1])
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi))
    water = 3 * height * _turning(WATER_PPM, field_mhz, times) * _voigt(times, 10, 5)
    fat = height * _turning(1.3, field_mhz, times) * _voigt(times, 15, 15)
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
    totals = {
        marker: sum(concentrations[name] for name in parts) for marker, parts in SUMS.items()
    }
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
        "SpectrometerFrequency": [protocol.field_mhz],
        "SpectralWidth": protocol.mrs_spectral_width_hz,
        "NumberOfSpectralPoints": protocol.mrs_points,
        "NumberOfTransients": protocol.mrs_shots,
        "EchoTime": protocol.mrs_te_s,
        "RepetitionTime": protocol.mrs_tr_s,
        "PulseSequenceType": "PRESS",
        "AcquisitionVoxelSize": list(protocol.mrs_voxel_mm),
        "BodyPart": "BRAIN",
        "BodyPartDetails": "anterior cingulate",
    }
