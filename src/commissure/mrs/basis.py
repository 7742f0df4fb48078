"""Basis spectra: density-matrix simulation of PRESS, and macromolecules as Gaussians.

Frequencies count upwards in ppm from the carrier: a line at ``ppm`` turns as
``exp(2 pi i (ppm - 4.65) f0 t)`` with the spectrometer frequency ``f0`` in MHz. This is the
convention of the ``nifti-mrs`` package, the complex conjugate of what a NIfTI-MRS file stores.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from commissure.mrs.relaxation import RELAXATION_SETS
from commissure.mrs.spin_systems import SPIN_SYSTEMS, Group

#: Chemical shift of water at body temperature: where the carrier lies unless a header says else.
WATER_PPM = 4.65


@dataclass(frozen=True)
class Basis:
    """Unit-concentration FIDs.

    Attributes
    ----------
    names
        One per row of ``fids``.
    fids
        Complex, (metabolites, points); half a unit per proton, so that water has 1.
    macromolecules
        How many of the rows, at the end, are macromolecular. A row whose name begins with ``-``
        is a correction, no metabolite.
    description
        How the basis was made, for sidecars.
    """

    names: tuple[str, ...]
    fids: np.ndarray
    macromolecules: int
    description: str

    @property
    def metabolites(self) -> tuple[str, ...]:
        """Names without the macromolecules and corrections."""
        shown = self.names[: len(self.names) - self.macromolecules]
        return tuple(name for name in shown if not name.startswith("-"))


def ppm_axis(points: int, dwell_s: float, frequency_mhz: float) -> np.ndarray:
    """Chemical shift of each point of ``fftshift(fft(fid))``, ascending."""
    return np.fft.fftshift(np.fft.fftfreq(points, dwell_s)) / frequency_mhz + WATER_PPM


@lru_cache(maxsize=16)
def _operators(spins: int) -> np.ndarray:
    """Ix, Iy, Iz of each spin in the product basis, (3, spins, 2**spins, 2**spins)."""
    pauli = 0.5 * np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    out = np.empty((3, spins, 2**spins, 2**spins), complex)
    for axis, spin in itertools.product(range(3), range(spins)):
        left, right = np.eye(2**spin), np.eye(2 ** (spins - spin - 1))
        out[axis, spin] = np.kron(np.kron(left, pauli[axis]), right)
    return out


def _lines(
    offsets_hz: np.ndarray, couplings: tuple[tuple[int, int, float], ...], te_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and complex amplitudes of a coupled group after an ideal PRESS."""
    spins = len(offsets_hz)
    axes = _operators(spins)
    hamiltonian = 2 * np.pi * np.einsum("s,sij->ij", offsets_hz, axes[2])
    for i, k, j_hz in couplings:
        for axis in axes:
            hamiltonian += 2 * np.pi * j_hz * (axis[i] @ axis[k])
    energy, states = np.linalg.eigh(hamiltonian)
    ix, iy = axes[0].sum(0), axes[1].sum(0)

    def evolved(rho: np.ndarray, delay_s: float) -> np.ndarray:
        turn = states @ (np.exp(-1j * energy * delay_s)[:, None] * states.conj().T)
        return turn @ rho @ turn.conj().T

    refocus = _rotation(iy, np.pi)
    rho = evolved(ix, te_s / 4)
    rho = evolved(refocus @ rho @ refocus.conj().T, te_s / 2)
    rho = evolved(refocus @ rho @ refocus.conj().T, te_s / 4)

    rho = states.conj().T @ rho @ states
    detect = states.conj().T @ (ix + 1j * iy) @ states
    # Trace with the detector, element by element, in the eigenbasis: one line per transition.
    amplitude = 2 * rho.T * detect / 2**spins
    frequency = (energy[:, None] - energy[None, :]) / (2 * np.pi)
    keep = np.abs(amplitude) > 1e-9
    return frequency[keep], amplitude[keep]


def _rotation(generator: np.ndarray, angle: float) -> np.ndarray:
    value, vector = np.linalg.eigh(generator)
    return vector @ (np.exp(-1j * angle * value)[:, None] * vector.conj().T)


def press_lines(
    groups: tuple[Group, ...], *, te_s: float, frequency_mhz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate PRESS with ideal pulses: 90 - TE/4 - 180 - TE/2 - 180 - TE/4 - acquire.

    Parameters
    ----------
    groups
        The metabolite.
    te_s
        Echo time in seconds.
    frequency_mhz
        Spectrometer frequency of protons.

    Returns
    -------
    frequencies, amplitudes
        Lines in Hz from water and their complex amplitudes; half a unit per proton at TE 0.

    Notes
    -----
    H = sum omega_i I_iz + 2 pi sum J_ik I_i.I_k (strong coupling in full). Nuclei that the pulses
    do not touch shift the protons by their state's part of J, state by state.
    """
    frequencies, amplitudes = [], []
    for group in groups:
        offsets = (np.array(group.ppm) - WATER_PPM) * frequency_mhz
        levels = [np.arange(p.states) - (p.states - 1) / 2 for p in group.passive]
        for combination in itertools.product(*levels):
            moved = offsets.copy()
            for level, nucleus in zip(combination, group.passive, strict=True):
                moved += level * np.array(nucleus.j_hz)
            f, a = _lines(moved, group.j_hz, te_s)
            frequencies.append(f)
            amplitudes.append(a * group.protons / np.prod([len(x) for x in levels], initial=1))
    return np.concatenate(frequencies), np.concatenate(amplitudes)


def fid_of_lines(
    frequencies: np.ndarray, amplitudes: np.ndarray, *, points: int, dwell_s: float
) -> np.ndarray:
    """Sum undamped lines into an FID of ``points`` samples."""
    # t = coarse + fine: the sum over lines becomes one small matrix product.
    fine = 64
    blocks = -(-points // fine)
    turn = 2j * np.pi * dwell_s * frequencies
    early = amplitudes[:, None] * np.exp(turn[:, None] * np.arange(fine))
    late = np.exp(turn[:, None] * (np.arange(blocks) * fine))
    return (late.T @ early).ravel()[:points]


#: Macromolecules as name: ((ppm, protons, FWHM in ppm), ...): the resonances of the consensus
#: (Cudalbu C et al., NMR Biomed 34:e4393, 2021) with the widths of 3 T spectra. Neighbours that no
#: 3 T spectrum can tell apart share a column or a wider line; each column has one proton in all.
MACROMOLECULES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "MM09": ((0.91, 1.0, 0.14),),
    "MM12": ((1.21, 1.0, 0.15),),
    "MM14": ((1.39, 1.0, 0.15),),
    "MM17": ((1.67, 1.0, 0.15),),
    "MM20": ((2.04, 1.0, 0.18),),
    "MM22": ((2.26, 1.0, 0.15),),
    "MM27": ((2.56, 0.4, 0.13), (2.70, 0.6, 0.13)),
    "MM30": ((2.99, 1.0, 0.16),),
    "MM32": ((3.15, 1.0, 0.18),),
    "MM37": ((3.62, 0.3, 0.18), (3.75, 0.4, 0.18), (3.86, 0.3, 0.18)),
    "MM40": ((4.00, 1.0, 0.20),),
}


def gaussian_fid(
    ppm: float,
    protons: float,
    fwhm_ppm: float,
    *,
    points: int,
    dwell_s: float,
    frequency_mhz: float,
) -> np.ndarray:
    """FID of a Gaussian line, half a unit per proton."""
    t = np.arange(points) * dwell_s
    width_hz = fwhm_ppm * frequency_mhz
    decay = -((np.pi * width_hz * t) ** 2) / (4 * np.log(2))
    return 0.5 * protons * np.exp(2j * np.pi * (ppm - WATER_PPM) * frequency_mhz * t + decay)


@lru_cache(maxsize=8)
def press_basis(
    metabolites: tuple[str, ...], *, te_s: float, frequency_mhz: float, points: int, dwell_s: float
) -> Basis:
    """Simulate a PRESS basis with macromolecules for the timing and field of one acquisition.

    Parameters
    ----------
    metabolites
        Names of :data:`commissure.mrs.spin_systems.SPIN_SYSTEMS`.
    te_s, frequency_mhz
        Echo time and spectrometer frequency.
    points, dwell_s
        Sampling of the FIDs.

    Returns
    -------
    Basis
        Cached: the arrays are not to be written to.

    Notes
    -----
    Each metabolite decays with its own T2 (Wyss PO et al., Magn Reson Med 80:452-461, 2018, 3 T),
    so that the fitted line shape is what the shim adds to all: one common line would take the
    slower decay of NAA for more NAA. At time 0 the amplitude is that of the echo: the loss up to
    TE is the quantification's.
    """
    sampling: dict[str, Any] = {"points": points, "dwell_s": dwell_s}
    fids = [
        fid_of_lines(
            *press_lines(SPIN_SYSTEMS[name], te_s=te_s, frequency_mhz=frequency_mhz), **sampling
        )
        for name in metabolites
    ]
    # Water suppression takes part of creatine's CH2, so near to water (LCModel manual).
    lines = press_lines((Group((3.913,), protons=2),), te_s=te_s, frequency_mhz=frequency_mhz)
    fids.append(-fid_of_lines(*lines, **sampling))
    t = np.arange(points) * dwell_s
    times = RELAXATION_SETS["osprey_3t"]
    for i, name in enumerate((*metabolites, "Cr")):
        fids[i] = fids[i] * np.exp(-t / times.of(name).t2_s)
    for parts in MACROMOLECULES.values():
        lines_of = [gaussian_fid(*p, **sampling, frequency_mhz=frequency_mhz) for p in parts]
        fids.append(np.sum(lines_of, axis=0))
    array = np.array(fids)
    array.setflags(write=False)
    return Basis(
        names=(*metabolites, "-CrCH2", *MACROMOLECULES),
        fids=array,
        macromolecules=len(MACROMOLECULES),
        description=f"PRESS, ideal pulses, TE {te_s * 1e3:.4g} ms, {frequency_mhz:.3f} MHz, "
        "density matrix, shifts and couplings of Govindaraju 2000, decay with the T2 of Wyss 2018; "
        "macromolecules as Gaussians",
    )
