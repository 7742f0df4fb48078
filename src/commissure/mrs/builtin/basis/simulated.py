"""Basis spectra: metabolites from the density matrix, and macromolecules as Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from commissure.mrs.builtin.basis.broad import lipid_fids, macromolecule_fids
from commissure.mrs.builtin.basis.sequences import PulseSequence, lines_of
from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.builtin.basis.ties import (
    MacromoleculeModel,
    Tie,
    lipid_ties,
    macromolecule_ties,
    metabolite_ties,
)
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
    ties
        Ratios between the rows that are expected, softly.
    """

    names: tuple[str, ...]
    fids: np.ndarray
    macromolecules: int
    description: str
    ties: tuple[Tie, ...] = ()

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


def with_lipids(basis: Basis, *, dwell_s: float, frequency_mhz: float) -> Basis:
    """The basis with columns for the lipids of the scalp; what it has already stays."""
    points = basis.fids.shape[1]
    lipids = lipid_fids(points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    new = {name: fid for name, fid in lipids.items() if name not in basis.names}
    return replace(
        basis,
        names=(*basis.names, *new),
        fids=np.concatenate([basis.fids, np.array(list(new.values())).reshape(-1, points)]),
        macromolecules=basis.macromolecules + len(new),
        description=f"{basis.description}; lipids",
        ties=(*basis.ties, *lipid_ties(tuple(new))),
    )


def creatine_correction(*, points: int, dwell_s: float, frequency_mhz: float) -> np.ndarray:
    """FID that takes away creatine's CH2: water suppression weakens it (LCModel does the same)."""
    t = np.arange(points) * dwell_s
    turn = 2j * np.pi * (3.913 - WATER_PPM) * frequency_mhz
    return -np.exp((turn - 1 / RELAXATION_SETS["osprey_3t"].of("Cr").t2_s) * t)


@lru_cache(maxsize=64)
def simulated_basis(
    metabolites: tuple[str, ...],
    sequence: PulseSequence,
    *,
    frequency_mhz: float,
    points: int,
    dwell_s: float,
    macromolecules: MacromoleculeModel = "soft",
    own_decay: bool = True,
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
    macromolecules
        Model of what lies under the metabolites.
    own_decay
        Whether each metabolite decays with its own T2.

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
        fids[i] = fids[i] * np.exp(-t / times.of(name if own_decay else "Cr").t2_s)
    fids.append(creatine_correction(**sampling, frequency_mhz=frequency_mhz))
    broad = macromolecule_fids(macromolecules, **sampling, frequency_mhz=frequency_mhz)
    fids += broad.values()
    array = np.array(fids)
    array.setflags(write=False)
    return Basis(
        names=(*metabolites, "-CrCH2", *broad),
        fids=array,
        macromolecules=len(broad),
        description=f"{sequence}, {frequency_mhz:.3f} MHz, "
        "density matrix, shifts and couplings of Govindaraju 2000, "
        f"{'decay with the T2 of Wyss 2018' if own_decay else 'one decay for all'}; "
        f"macromolecules: {macromolecules}",
        ties=(*macromolecule_ties(macromolecules), *metabolite_ties()),
    )
