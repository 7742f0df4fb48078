"""Edited spectra: glutathione or GABA from the difference of MEGA-PRESS sub-spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from commissure.mrs.builtin.basis.broad import broad_fid
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.fit.baseline import baselines_over
from commissure.mrs.builtin.fit.model import COMMON, FitProblem, LineShape, Priors, solve
from commissure.mrs.builtin.fit.spectrum import SpectralFit, assembled_fit, minimise
from commissure.mrs.builtin.signal.align import in_band, match_to, rotated
from commissure.mrs.chemical_shift import ppm_axis


@dataclass(frozen=True)
class EditedMetabolite:
    """What a difference is taken for.

    Attributes
    ----------
    name
        Of its column.
    edit_ppm
        Where an editing pulse turns its coupled partner.
    range_ppm
        What the difference is fitted in.
    macromolecule_ppm
        Where macromolecules are edited along with it; None where none are.
    spared_ppm
        A band that editing leaves alone, by which the sub-spectra are aligned at the end; None
        where editing changes something under every singlet.
    only
        Whether nothing else is fitted in the difference.
    """

    name: str
    edit_ppm: float
    range_ppm: tuple[float, float]
    macromolecule_ppm: float | None = None
    spared_ppm: tuple[float, float] | None = None
    only: bool = False


#: Glutathione's cysteine at 2.95 ppm with the aspartyl groups that are edited along with it, clear
#: of the singlets that do not subtract to nothing; GABA at 3.01 ppm, under it the lysine of
#: macromolecules, whose partner at 1.7 ppm the pulse turns too (Mullins PG et al., NeuroImage
#: 86:43-52, 2014).
EDITED = (
    EditedMetabolite("GSH", 4.56, (2.4, 3.15)),
    EditedMetabolite(
        "GABA", 1.90, (2.65, 3.45), macromolecule_ppm=2.99, spared_ppm=(3.12, 3.30), only=True
    ),
)

#: How far the sub-spectra may still be apart after they were aligned by their fits.
_MAX_REALIGNED_HZ = 4.0

#: Stiffness of the baseline under a difference.
FREEDOM_PER_PPM = 2.0

#: How far an editing pulse may lie from where it is expected.
_MAX_OFF_PPM = 0.35

#: How far from their middle macromolecules and GABA are compared, ppm.
_MACROMOLECULE_REACH_PPM = 0.2

#: Width of the macromolecules under GABA, ppm.
_MACROMOLECULE_FWHM_PPM = 0.16


def edited_metabolite(edit_on_ppm: float) -> EditedMetabolite | None:
    """What a pulse at a chemical shift edits; None where it is near nothing that is read."""
    nearest = min(EDITED, key=lambda edited: abs(edited.edit_ppm - edit_on_ppm))
    return nearest if abs(nearest.edit_ppm - edit_on_ppm) <= _MAX_OFF_PPM else None


#: Share of the edited metabolite's height, per unit, and of its own unedited height that a column
#: must reach there to be fitted.
_LEAST_EDITED = 0.02


@dataclass(frozen=True)
class EditedBases:
    """Bases of the two conditions and of their difference."""

    on: Basis
    off: Basis
    difference: Basis


def edited_bases(
    metabolites: tuple[str, ...],
    edited: EditedMetabolite,
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
    edited
        What the difference is for.
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
    inside = (ppm > edited.range_ppm[0]) & (ppm < edited.range_ppm[1])
    line = np.exp(-20 * np.arange(points) * dwell_s)

    def height(rows: np.ndarray) -> np.ndarray:
        spectra = np.fft.fftshift(np.fft.fft(rows * line), axes=-1)
        return np.abs(spectra[:, inside]).max(axis=-1)

    names = both[1].names
    changed, whole = height(fids), height(both[1].fids)
    least = _LEAST_EDITED * np.maximum(
        changed[names.index(edited.name)] if edited.name in names else changed.max(), whole
    )
    fitted = (edited.name,) if edited.only else metabolites
    keep = [i for i, name in enumerate(names) if name in fitted and changed[i] > least[i]]
    broad: dict[str, np.ndarray] = {}
    if edited.macromolecule_ppm is not None:
        line_ppm = (edited.macromolecule_ppm, 1.0, _MACROMOLECULE_FWHM_PPM, float("inf"))
        fid = broad_fid((line_ppm,), points=points, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
        near = inside & (np.abs(ppm - edited.macromolecule_ppm) < _MACROMOLECULE_REACH_PPM)
        area, of_edited = (
            float(np.fft.fftshift(np.fft.fft(each * line))[near].real.sum())
            for each in (fid, fids[names.index(edited.name)])
        )
        # One unit has the area of a unit of what is edited, so that both add up.
        broad["MM30"] = fid * (of_edited / area)
    difference = Basis(
        names=(*(names[i] for i in keep), *broad),
        fids=np.concatenate([fids[keep], np.array(list(broad.values())).reshape(-1, points)]),
        macromolecules=len(broad),
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
    on: np.ndarray, off: np.ndarray, edited: SpectralFit, unedited: SpectralFit, *, dwell_s: float,
    spared_ppm: tuple[float, float] | None = None,
) -> EditedDifference:  # fmt: skip
    """Align the edited to the unedited sub-spectrum by their fits, and subtract.

    Parameters
    ----------
    on, off
        FIDs (points,), each referenced.
    edited, unedited
        Their fits, each with the basis of its condition: editing changes inositol and choline's
        neighbours too, so that bands of the spectra themselves must not be compared.
    spared_ppm
        A band that editing leaves alone all the same: the spectra are brought together there.
    """
    shift = unedited.shape.shift_hz - edited.shape.shift_hz
    phase = unedited.shape.phase_rad - edited.shape.phase_rad
    aligned = rotated(on, shift, phase, dwell_s=dwell_s)
    if spared_ppm is not None:
        sampling = {"dwell_s": dwell_s, "frequency_mhz": unedited.frequency_mhz}
        match = match_to(
            in_band(aligned, *spared_ppm, **sampling)[None],
            in_band(off, *spared_ppm, **sampling),
            dwell_s=dwell_s,
            max_shift_hz=_MAX_REALIGNED_HZ,
        )
        more_hz, more_rad = float(match.shift_hz[0]), float(match.phase_rad[0])
        aligned = rotated(aligned, more_hz, more_rad, dwell_s=dwell_s)
        shift, phase = shift + more_hz, phase + more_rad
    return EditedDifference(aligned - off, shift, float(np.degrees(phase)))


def realigned_difference(
    difference: EditedDifference,
    on: np.ndarray,
    off: np.ndarray,
    basis: Basis,
    unedited: SpectralFit,
    *,
    range_ppm: tuple[float, float],
    dwell_s: float,
) -> EditedDifference:
    """Turn the edited spectrum until the fit of the difference leaves least.

    What a degree or a tenth of a hertz leaves of creatine and choline looks like no metabolite and
    like no baseline, so that the model of the difference tells both better than a band of the
    spectra does: with it GABA of simulated spectra scatters half as much, and spectra without any
    give none.

    Parameters
    ----------
    difference
        Where to start from.
    on, off
        FIDs (points,), each referenced.
    basis
        Of the difference.
    unedited
        Its fit, for phase and line shape.
    range_ppm
        What is compared.
    """
    nothing = np.zeros(len(basis.names))
    shape: LineShape = replace(unedited.shape, shifts_hz=nothing, widths_hz=nothing)
    ties = np.zeros((0, len(nothing)))
    sampling = {"dwell_s": dwell_s, "frequency_mhz": unedited.frequency_mhz}
    low, high = range_ppm

    def left(turn: np.ndarray) -> float:
        fid = rotated(on, float(turn[0]), float(turn[1]), dwell_s=dwell_s) - off
        problem = FitProblem(fid, basis, **sampling, low_ppm=low, high_ppm=high)
        priors = Priors(problem.noise_sd, 1.0, 1.0, ties, shape.vector()[:COMMON])
        baseline = baselines_over(problem.ppm).with_freedom(FREEDOM_PER_PPM)
        return solve(problem, shape, baseline, priors).cost * problem.scale**2

    start = np.array([difference.shift_hz, np.radians(difference.phase_deg)])
    simplex = start + np.array([[0.0, 0.0], [0.3, 0.0], [0.0, 0.1]])
    least = left(start)
    done = minimize(
        lambda turn: left(turn) / least, start, method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-5, "initial_simplex": simplex},
    )  # fmt: skip
    shift, phase = (float(each) for each in done.x)
    if abs(shift - difference.shift_hz) > _MAX_REALIGNED_HZ:
        return difference
    fid = rotated(on, shift, phase, dwell_s=dwell_s) - off
    return EditedDifference(fid, shift, float(np.degrees(phase)))


def with_creatine_left(basis: Basis, unedited: Basis) -> Basis:
    """A basis of the difference with creatine that did not subtract to nothing, of either sign."""
    creatine = unedited.fids[unedited.names.index("Cr")]
    return replace(
        basis, names=("Cr", "-Cr", *basis.names),
        fids=np.concatenate([[creatine, -creatine], basis.fids]),
    )  # fmt: skip


def fit_difference(
    fid: np.ndarray,
    basis: Basis,
    unedited: SpectralFit,
    *,
    range_ppm: tuple[float, float],
    dwell_s: float,
    frequency_mhz: float,
    shift_sd_ppm: float = 0.005,
    freedom_per_ppm: float = FREEDOM_PER_PPM,
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
    range_ppm
        What is fitted.
    shift_sd_ppm
        Prior SD of each column's own shift.
    freedom_per_ppm
        Stiffness of the baseline.

    Returns
    -------
    SpectralFit
        Its covariance knows nothing of the unedited fit's own errors.
    """
    low, high = range_ppm
    problem = FitProblem(
        fid, basis, dwell_s=dwell_s, frequency_mhz=frequency_mhz, low_ppm=low, high_ppm=high
    )
    baseline = baselines_over(problem.ppm).with_freedom(freedom_per_ppm)
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
