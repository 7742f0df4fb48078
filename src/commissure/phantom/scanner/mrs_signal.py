"""What a spectroscopy voxel sends out: metabolites, macromolecules and water, without noise.

Amplitudes follow the molal water-scaling equation (Gasparovic C et al., Magn Reson Med
55:1219-1226, 2006) exactly. All signals are free induction decays in the phase convention of
NIfTI-MRS, 1/2 per proton and mmol/kg before relaxation: 1 per mmol/kg of water.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.spin_systems import METABOLITES, WATER_PPM
from commissure.phantom.scanner.spins import (
    EDIT_OFF_PPM,
    Press,
    Timing,
    mega_press,
    metabolite_fid,
    slaser,
)

VOI = "ACC"

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

#: The areas above are those at this echo time; they decay with this T2.
MACROMOLECULE_TE_S, MACROMOLECULE_T2_S = 0.030, 0.030

#: The part of the echo time that the first refocusing takes, and the real flip angle: together
#: they lower Glu by 1.5 % and Gln by 1.8 % in a fit with ideal pulses at even timing.
FIRST_ECHO_SHARE = 0.48
REFOCUSING_DEG = 172.0
ADIABATIC_DEG, EDITING_DEG = 177.0, 174.0
SLASER_UNEVEN = 0.01
SHIFT_SD_PPM = 0.0025
SHIFT_LIMIT_PPM = 0.005


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
        signal += (
            WATER_MMOL_PER_KG * share * relaxation_weight(t1, t2, protocol) * np.exp(-times_s / t2)
        )
    return signal


def relaxation_weight(t1_s: float, t2_s: float, protocol: Protocol) -> float:
    """Share of the signal at the echo: (1 - exp(-TR/T1)) exp(-TE/T2)."""
    saturation = 1 - math.exp(-protocol.mrs.repetition_time_s / t1_s)
    return saturation * math.exp(-protocol.mrs.echo_time_s / t2_s)


def timings_of(protocol: Protocol) -> tuple[Timing, ...]:
    """The sequence as it really runs: uneven delays, imperfect refocusing.

    One timing; of MEGA-PRESS two, the editing pulses on and off.
    """
    te, mhz = protocol.mrs.echo_time_s, protocol.proton_mhz
    if protocol.mrs.sequence == "sLASER":
        return (slaser(mhz, te, uneven=SLASER_UNEVEN, degrees=ADIABATIC_DEG),)
    if protocol.mrs.sequence == "MEGA-PRESS":
        return tuple(
            mega_press(
                mhz, te, edit_ppm=ppm, refocusing_deg=REFOCUSING_DEG, editing_deg=EDITING_DEG
            )
            for ppm in (protocol.mrs.edit_ppm, EDIT_OFF_PPM)
        )
    return (Press(mhz, FIRST_ECHO_SHARE * te, (1 - FIRST_ECHO_SHARE) * te, REFOCUSING_DEG),)


@lru_cache(maxsize=64)
def _cached_fid(name: str, timing: Timing, points: int, dwell_s: float) -> np.ndarray:
    return metabolite_fid(name, timing, np.arange(points) * dwell_s)


def _fid(name: str, timing: Timing, times: np.ndarray) -> np.ndarray:
    return _cached_fid(name, timing, len(times), float(times[1]))


def _line_decay(name: str, times: np.ndarray) -> np.ndarray:
    return np.exp(-times / LINE_T2_S.get(name, OTHER_LINE_T2_S))


def voigt_decay(times: np.ndarray, lorentz_hz: float, gauss_hz: float) -> np.ndarray:
    """Decay of a line with these full widths at half maximum."""
    gauss = (np.pi * gauss_hz * times) ** 2 / (4 * math.log(2))
    return np.exp(-np.pi * lorentz_hz * times - gauss)


def turning(ppm: float, field_mhz: float, times: np.ndarray) -> np.ndarray:
    """A line at a chemical shift, in the phase convention of NIfTI-MRS."""
    return np.exp(-2j * np.pi * (ppm - WATER_PPM) * field_mhz * times)


def metabolite_signal(
    concentrations: Mapping[str, float],
    protocol: Protocol,
    times: np.ndarray,
    shim: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """All metabolites at their concentrations, each with a small shift and a line width.

    Shape (T, conditions): one column for each of :func:`timings_of`.
    """
    timings = timings_of(protocol)
    signal = np.zeros((len(times), len(timings)), complex)
    for name, concentration in concentrations.items():
        shift = np.clip(rng.normal(0, SHIFT_SD_PPM), -SHIFT_LIMIT_PPM, SHIFT_LIMIT_PPM)
        moved = turning(WATER_PPM + shift, protocol.proton_mhz, times)
        for condition, timing in enumerate(timings):
            fid = concentration * _fid(name, timing, times) * _line_decay(name, times) * moved
            signal[:, condition] += fid
    return signal * shim[:, None]


def tnaa_line(
    concentrations: Mapping[str, float], protocol: Protocol, times: np.ndarray
) -> np.ndarray:
    """NAA and NAAG without shim and shifts: their height in the spectrum defines the SNR.

    Without editing, which takes NAA away.
    """
    timing = timings_of(protocol)[-1]
    signal = np.zeros(len(times), complex)
    for name in SUMS["tnaa"]:
        signal += concentrations[name] * _fid(name, timing, times) * _line_decay(name, times)
    return signal


def macromolecule_signal(protocol: Protocol, times: np.ndarray) -> np.ndarray:
    """Macromolecules that underlie the metabolites, as Gaussian lines."""
    field_mhz = protocol.proton_mhz
    left = math.exp((MACROMOLECULE_TE_S - protocol.mrs.echo_time_s) / MACROMOLECULE_T2_S)
    signal = np.zeros(len(times), complex)
    for ppm, fwhm_ppm, area in MACROMOLECULES:
        line = turning(ppm, field_mhz, times) * voigt_decay(times, 0.0, fwhm_ppm * field_mhz)
        signal += area * MACROMOLECULE_PROTONS_MMOL_PER_KG / 2 * line
    return left * signal


def lipid_signal(field_mhz: float, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fat from outside the voxel, broad and out of phase."""
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi))
    lines = ((0.89, 0.16, 6.0), (1.28, 0.17, 20.0))
    return phase * sum(
        area * turning(ppm, field_mhz, times) * voigt_decay(times, 0.0, fwhm * field_mhz)
        for ppm, fwhm, area in lines
    )


def residual_water(
    water: float, field_mhz: float, times: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """What water suppression leaves: a few lines around 4.65 ppm, each with a phase of its own."""
    signal = np.zeros(len(times), complex)
    for _ in range(rng.integers(3, 7)):
        height = water * rng.uniform(2e-4, 8e-4) * np.exp(1j * rng.uniform(-np.pi, np.pi))
        line = turning(WATER_PPM + rng.normal(0, 0.04), field_mhz, times)
        signal += height * line * voigt_decay(times, rng.uniform(3, 8), rng.uniform(3, 6))
    return signal
