"""Edited spectra: glutathione from the difference of MEGA-PRESS sub-spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.fit.baseline import Baselines
from commissure.mrs.builtin.fit.model import COMMON, FitProblem, LineShape, Priors, solve
from commissure.mrs.builtin.fit.spectrum import SpectralFit, assembled_fit, minimise
from commissure.mrs.builtin.signal.align import rotated
from commissure.mrs.chemical_shift import ppm_axis

#: What the difference is fitted in: glutathione's cysteine at 2.95 ppm, with the aspartyl groups
#: that are edited along with it, clear of the singlets that do not subtract to nothing.
RANGE_PPM = (2.4, 3.15)

#: Share of glutathione's height, per unit, and of its own unedited height that a column must reach
#: there to be fitted.
_LEAST_EDITED = 0.02


@dataclass(frozen=True)
class EditedBases:
    """Bases of the two conditions and of their difference."""

    on: Basis
    off: Basis
    difference: Basis


def edited_bases(
    metabolites: tuple[str, ...],
    on: PulseSequence,
    off: PulseSequence,
    *,
    points: int,
    dwell_s: float,
    frequency_mhz: float,
) -> EditedBases:
    """Bases for both conditions; the difference has what editing changes between its limits.

    Parameters
    ----------
    metabolites
        Names of :data:`commissure.mrs.builtin.basis.spin_systems.SPIN_SYSTEMS`.
    on, off
        The two conditions.
    points, dwell_s, frequency_mhz
        Sampling and field.
    """
    both = [
        simulated_basis(
            metabolites, condition, points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz
        )
        for condition in (on, off)
    ]
    fids = both[0].fids - both[1].fids
    ppm = ppm_axis(points, dwell_s, frequency_mhz)
    inside = (ppm > RANGE_PPM[0]) & (ppm < RANGE_PPM[1])
    line = np.exp(-20 * np.arange(points) * dwell_s)

    def height(rows: np.ndarray) -> np.ndarray:
        spectra = np.fft.fftshift(np.fft.fft(rows * line), axes=-1)
        return np.abs(spectra[:, inside]).max(axis=-1)

    names = both[1].names
    changed, whole = height(fids), height(both[1].fids)
    least = _LEAST_EDITED * np.maximum(
        changed[names.index("GSH")] if "GSH" in names else changed.max(), whole
    )
    keep = [i for i, name in enumerate(names) if name in metabolites and changed[i] > least[i]]
    difference = Basis(
        names=tuple(names[i] for i in keep),
        fids=fids[keep],
        macromolecules=0,
        description=f"difference of {on} and {off}",
    )
    return EditedBases(both[0], both[1], difference)


@dataclass(frozen=True)
class EditedDifference:
    """On minus off, both referenced to creatine.

    Attributes
    ----------
    fid
        (points,).
    shift_hz, phase_deg
        What was added to the edited spectrum to match the unedited one.
    """

    fid: np.ndarray
    shift_hz: float
    phase_deg: float

    def step(self) -> Mapping[str, Any]:
        """For the record of steps."""
        return {
            "step": "difference",
            "applied": True,
            "shift_hz": self.shift_hz,
            "phase_deg": self.phase_deg,
        }


def difference_of(
    on: np.ndarray, off: np.ndarray, edited: SpectralFit, unedited: SpectralFit, *, dwell_s: float
) -> EditedDifference:
    """Align the edited to the unedited sub-spectrum by their fits, and subtract.

    Parameters
    ----------
    on, off
        FIDs (points,), each referenced.
    edited, unedited
        Their fits, each with the basis of its condition: editing changes inositol and choline's
        neighbours too, so that bands of the spectra themselves must not be compared.
    """
    shift = unedited.shape.shift_hz - edited.shape.shift_hz
    phase = unedited.shape.phase_rad - edited.shape.phase_rad
    aligned = rotated(on, shift, phase, dwell_s=dwell_s)
    return EditedDifference(aligned - off, shift, float(np.degrees(phase)))


def fit_difference(
    fid: np.ndarray,
    basis: Basis,
    unedited: SpectralFit,
    *,
    dwell_s: float,
    frequency_mhz: float,
    shift_sd_ppm: float = 0.005,
    freedom_per_ppm: float = 2.0,
) -> SpectralFit:
    """Fit a difference spectrum with the phase and line shape of the unedited one.

    Parameters
    ----------
    fid
        On minus off, (points,).
    basis
        Of the difference, in the unit of the unedited basis.
    unedited
        Its fit, for phase, common shift and widths.
    shift_sd_ppm
        Prior SD of each column's own shift.
    freedom_per_ppm
        Stiffness of the baseline.

    Returns
    -------
    SpectralFit
        Its covariance knows nothing of the unedited fit's own errors.
    """
    low, high = RANGE_PPM
    problem = FitProblem(
        fid, basis, dwell_s=dwell_s, frequency_mhz=frequency_mhz, low_ppm=low, high_ppm=high
    )
    baseline = Baselines(problem.ppm).with_freedom(freedom_per_ppm)
    columns = len(basis.names)
    nothing = np.zeros(columns)
    shape: LineShape = replace(unedited.shape, shifts_hz=nothing, widths_hz=nothing)
    centre = shape.vector()[:COMMON]
    free_ratios = np.zeros((0, columns))
    first = Priors(problem.noise_sd, shift_sd_ppm * frequency_mhz, 0.1, free_ratios, centre)
    state = solve(problem, shape, baseline, first)
    residual_rms = float(np.sqrt((state.residual[: len(problem.ppm)] ** 2).mean()))
    priors = replace(first, noise=max(problem.noise_sd, residual_rms))
    free = np.ones(COMMON + 2 * columns, bool)
    free[:COMMON] = free[COMMON + columns :] = False
    shape, state, iterations = minimise(problem, shape, baseline, priors, free=free, iterations=20)
    return assembled_fit(problem, shape, state, baseline, priors, freedom_per_ppm, iterations)
