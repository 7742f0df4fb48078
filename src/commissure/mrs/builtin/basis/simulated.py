"""Basis spectra: metabolites from the density matrix, and macromolecules as Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.chemical_shift import WATER_PPM
from commissure.mrs.quantification.relaxation import RELAXATION_SETS


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


#: Lipids of the scalp, as LCModel's defaults have them (LCModel manual, 11.7).
LIPIDS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "Lip09": ((0.89, 1.0, 0.14),),
    "Lip13a": ((1.28, 1.0, 0.15),),
    "Lip13b": ((1.28, 1.0, 0.089),),
    "Lip20": ((2.04, 0.5, 0.15), (2.25, 0.25, 0.15), (2.80, 0.25, 0.20)),
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


def macromolecule_fids(
    *, points: int, dwell_s: float, frequency_mhz: float
) -> dict[str, np.ndarray]:
    """FIDs of :data:`MACROMOLECULES` by name, half a unit each."""
    return _broad_fids(MACROMOLECULES, points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)


def _broad_fids(
    table: dict[str, tuple[tuple[float, float, float], ...]], **sampling: Any
) -> dict[str, np.ndarray]:
    return {
        name: np.sum([gaussian_fid(*part, **sampling) for part in parts], axis=0)
        for name, parts in table.items()
    }


def with_lipids(basis: Basis, *, dwell_s: float, frequency_mhz: float) -> Basis:
    """The basis with columns for the lipids of the scalp; what it has already stays."""
    points = basis.fids.shape[1]
    lipids = _broad_fids(LIPIDS, points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    new = {name: fid for name, fid in lipids.items() if name not in basis.names}
    return Basis(
        names=(*basis.names, *new),
        fids=np.concatenate([basis.fids, np.array(list(new.values())).reshape(-1, points)]),
        macromolecules=basis.macromolecules + len(new),
        description=f"{basis.description}; lipids",
    )


def creatine_correction(*, points: int, dwell_s: float, frequency_mhz: float) -> np.ndarray:
    """FID that takes away creatine's CH2: water suppression weakens it (LCModel does the same)."""
    t = np.arange(points) * dwell_s
    turn = 2j * np.pi * (3.913 - WATER_PPM) * frequency_mhz
    return -np.exp((turn - 1 / RELAXATION_SETS["osprey_3t"].of("Cr").t2_s) * t)


@lru_cache(maxsize=8)
def simulated_basis(
    metabolites: tuple[str, ...],
    sequence: PulseSequence,
    *,
    frequency_mhz: float,
    points: int,
    dwell_s: float,
) -> Basis:
    """Simulate a basis with macromolecules for the timing and field of one acquisition.

    Parameters
    ----------
    metabolites
        Names of :data:`commissure.mrs.builtin.basis.spin_systems.SPIN_SYSTEMS`.
    sequence
        What the spins go through.
    frequency_mhz
        Spectrometer frequency.
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
            *lines_of(SPIN_SYSTEMS[name], sequence, frequency_mhz=frequency_mhz), **sampling
        )
        for name in metabolites
    ]
    t = np.arange(points) * dwell_s
    times = RELAXATION_SETS["osprey_3t"]
    for i, name in enumerate(metabolites):
        fids[i] = fids[i] * np.exp(-t / times.of(name).t2_s)
    fids.append(creatine_correction(**sampling, frequency_mhz=frequency_mhz))
    fids += macromolecule_fids(**sampling, frequency_mhz=frequency_mhz).values()
    array = np.array(fids)
    array.setflags(write=False)
    return Basis(
        names=(*metabolites, "-CrCH2", *MACROMOLECULES),
        fids=array,
        macromolecules=len(MACROMOLECULES),
        description=f"{sequence}, {frequency_mhz:.3f} MHz, "
        "density matrix, shifts and couplings of Govindaraju 2000, decay with the T2 of Wyss 2018; "
        "macromolecules as Gaussians",
    )
