"""The model of a spectrum: its nonlinear parameters, their priors, and the projected residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import fft
from scipy.optimize import nnls

from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.baseline import Baseline
from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.metabolites import is_macromolecule

#: SD of what a macromolecule is wider or narrower than the table, Hz. Wider limits take
#: glutathione's signal into the macromolecule at 2.99 ppm, none at all gives theirs to glutamine.
MACROMOLECULE_WIDTH_SD_HZ = 0.5

_PIVOT_PPM = 3.027
_LN2 = np.log(2)


@dataclass(frozen=True)
class LineShape:
    """The nonlinear parameters.

    Attributes
    ----------
    phase_rad, phase_rad_per_ppm
        Zero and first order, pivot at creatine.
    shift_hz
        Common to all.
    log_lorentz, log_gauss
        Logarithm of the widths in Hz.
    shifts_hz, widths_hz
        Of each column, on top: (columns,) each. A width is that of the Lorentzian part.
    """

    phase_rad: float
    phase_rad_per_ppm: float
    shift_hz: float
    log_lorentz: float
    log_gauss: float
    shifts_hz: np.ndarray
    widths_hz: np.ndarray

    def vector(self) -> np.ndarray:
        """All parameters in one array."""
        head = [self.phase_rad, self.phase_rad_per_ppm, self.shift_hz, self.log_lorentz]
        return np.array([*head, self.log_gauss, *self.shifts_hz, *self.widths_hz])

    @classmethod
    def of(cls, vector: np.ndarray) -> LineShape:
        """The inverse of :meth:`vector`."""
        phase, slope, shift, lorentz, gauss = (float(v) for v in vector[:COMMON])
        shifts, widths = np.split(np.array(vector[COMMON:]), 2)
        return cls(phase, slope, shift, lorentz, gauss, shifts, widths)

    @classmethod
    def start(cls, columns: int) -> LineShape:
        """No phase, no shift, and lines of a good shim."""
        nothing = np.zeros(columns)
        return cls(0.0, 0.0, 0.0, np.log(4.0), np.log(4.0), nothing, nothing)


#: How many nonlinear parameters all columns share.
COMMON = 5


class FitProblem:
    """One spectrum and its basis; evaluates the projected residual and its derivatives."""

    def __init__(
        self, fid: np.ndarray, basis: Basis, *, dwell_s: float, frequency_mhz: float,
        low_ppm: float, high_ppm: float,
    ) -> None:  # fmt: skip
        points = len(fid)
        self.size = 2 * points
        axis = np.fft.ifftshift(ppm_axis(self.size, dwell_s, frequency_mhz))
        pick = np.flatnonzero((axis >= low_ppm) & (axis <= high_ppm))
        self.pick = pick[np.argsort(axis[pick])]
        self.ppm = axis[self.pick]
        self.t = np.arange(points) * dwell_s
        spectrum = np.fft.fft(fid, self.size)
        self.scale = float(np.abs(spectrum[self.pick]).max())
        self.spectrum = spectrum[self.pick] / self.scale
        self.noise_sd = _noise_sd(spectrum, axis) / self.scale
        self.basis = basis
        self.fids = basis.fids
        self.frequency_mhz = frequency_mhz
        self._dwell_s = dwell_s
        self._last: tuple[LineShape, np.ndarray] | None = None

    def fids_at(self, shape: LineShape) -> np.ndarray:
        """The basis with the line shape and shifts applied, (columns, points)."""
        # The derivatives ask for the shape that was solved just before.
        if self._last is not None and self._last[0] is shape:
            return self._last[1]
        lorentz, gauss = np.exp(shape.log_lorentz), np.exp(shape.log_gauss)
        rates = 2j * np.pi * (shape.shift_hz + shape.shifts_hz)
        rates = rates - np.pi * (lorentz + shape.widths_hz)
        fids = self.fids * _exponentials(rates * self._dwell_s, len(self.t))
        fids *= np.exp(-((np.pi * gauss * self.t) ** 2) / (4 * _LN2))
        self._last = (shape, fids)
        return fids

    def spectra(self, fids: np.ndarray) -> np.ndarray:
        """Complex spectra of FIDs (k, points) over the fitted range, (range, k)."""
        # scipy's transform gives the same numbers in two thirds of the time.
        return np.asarray(fft(fids, self.size)[:, self.pick].T / self.scale)

    def phased(self, shape: LineShape) -> np.ndarray:
        """The data with the phase of the model taken off, complex (points,)."""
        angle = shape.phase_rad + shape.phase_rad_per_ppm * (self.ppm - _PIVOT_PPM)
        return self.spectrum * np.exp(-1j * angle)


def _exponentials(rates: np.ndarray, points: int) -> np.ndarray:
    """``exp(rate * n)`` for n from 0 to ``points``, (rates, points)."""
    # n = coarse + fine: 20 times fewer exponentials, and one product each.
    fine = 64
    early = np.exp(rates[:, None] * np.arange(fine))
    late = np.exp(rates[:, None] * (np.arange(-(-points // fine)) * fine))
    return (late[:, :, None] * early[:, None, :]).reshape(len(rates), -1)[:, :points]


def _noise_sd(spectrum: np.ndarray, axis: np.ndarray) -> float:
    """SD of the real spectrum in 8 to 10 ppm, or the nearest 1.5 ppm there are, detrended."""
    top = min(10.0, float(axis.max()) - 0.2)
    where = (axis > min(8.0, top - 1.5)) & (axis < top)
    x = axis[where] - axis[where].mean()
    y = spectrum.real[where]
    return float(np.std(y - np.polyval(np.polyfit(x, y, 2), x), ddof=3))


#: SD of the place of a lipid of the scalp, ppm: the field is another where it comes from.
_LIPID_SHIFT_SD_PPM = 0.03


@dataclass(frozen=True)
class Priors:
    """What is known before, as SDs; ``noise`` turns them into rows of the residual.

    Attributes
    ----------
    noise
        SD of the real spectrum.
    shift_sd_hz, width_sd_hz
        Of each column's own shift and width.
    ties
        Ratios between amplitudes, (ties, columns): each row times the amplitudes is expected at 0
        with an SD of 1.
    common
        Where the shared nonlinear parameters are expected; None for no phase, no shift and 4 Hz
        of either width.
    lipid_shift_sd_hz
        Of the place of a lipid.
    """

    noise: float
    shift_sd_hz: float
    width_sd_hz: float
    ties: np.ndarray
    common: np.ndarray | None = None
    lipid_shift_sd_hz: float = 1.0

    @classmethod
    def of(
        cls, problem: FitProblem, amplitudes: np.ndarray, *, noise: float, shift_sd_hz: float,
        width_sd_hz: float, common: np.ndarray | None = None,
    ) -> Priors:  # fmt: skip
        """Priors whose ties have the size of preliminary amplitudes (columns,)."""
        return cls(
            noise, shift_sd_hz, width_sd_hz, tie_rows(problem.basis, amplitudes), common,
            _LIPID_SHIFT_SD_PPM * problem.frequency_mhz,
        )  # fmt: skip

    def centre_and_weight(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Of the nonlinear parameters."""
        broad = np.array([is_macromolecule(name) for name in names])
        lipid = np.array([name.startswith("Lip") for name in names])
        of_columns = [
            *np.where(lipid, self.lipid_shift_sd_hz, self.shift_sd_hz),
            *np.where(broad, MACROMOLECULE_WIDTH_SD_HZ, self.width_sd_hz),
        ]
        sd = [2 * np.pi, np.radians(2.0), 10.0, 1.0, 1.0, *of_columns]
        centre = np.zeros(COMMON + 2 * len(names))
        centre[3:5] = np.log(4.0)
        if self.common is not None:
            centre[:COMMON] = self.common
        return centre, self.noise / np.array(sd)

    def rows(self) -> np.ndarray:
        """Of the amplitudes: (ties, columns), aimed at zero."""
        return self.noise * self.ties


def tie_rows(basis: Basis, amplitudes: np.ndarray) -> np.ndarray:
    """The ties of a basis as rows, (ties, columns), each with an SD of 1.

    The SD of a tie is a share of the sum that it refers to, at its preliminary size; a sum that is
    hardly there has at least 0.3 of creatine's.
    """
    index = {name: i for i, name in enumerate(basis.names)}
    creatine = float(amplitudes[index["Cr"]]) if "Cr" in index else 0.0
    floor = 0.3 * creatine + 1e-3 * float(amplitudes.max(initial=0.0))
    rows = []
    for tie in basis.ties:
        to = [(index[name], weight) for name, weight in tie.to if name in index]
        if tie.name not in index or not to:
            continue
        row = np.zeros(len(basis.names))
        row[index[tie.name]] = 1.0
        for i, weight in to:
            row[i] -= tie.ratio * weight
        size = sum(weight * float(amplitudes[i]) for i, weight in to)
        rows.append(row / (tie.sd * max(size, floor, np.finfo(float).tiny)))
    return np.array(rows).reshape(-1, len(basis.names))


@dataclass(frozen=True)
class FitState:
    """Amplitudes and residual at one shape."""

    amplitudes: np.ndarray
    residual: np.ndarray
    columns: np.ndarray
    cost: float


def _nonnegative(columns: np.ndarray, target: np.ndarray, likely: np.ndarray | None) -> np.ndarray:
    # The triangular factor has the same minimum and 40 times fewer rows.
    size = np.linalg.norm(columns, axis=0)
    size[size == 0] = 1.0
    triangle: np.ndarray = np.linalg.qr(np.column_stack([columns / size, target]), mode="r")  # type: ignore[assignment]
    r, wanted = triangle[:, :-1], triangle[:, -1]
    if likely is not None and likely.any():
        # Where the columns of the step before are still those that are above zero, one solution
        # without signs is the minimum: no other column would lower it.
        some = np.linalg.lstsq(r[:, likely], wanted)[0]
        pull = r[:, ~likely].T @ (wanted - r[:, likely] @ some)
        if (some > 0).all() and (pull <= 1e-12 * np.linalg.norm(wanted)).all():
            amplitudes = np.zeros(len(likely))
            amplitudes[likely] = some
            return amplitudes / size
    return nnls(r, wanted, maxiter=30 * columns.shape[1])[0] / size


def solve(
    problem: FitProblem, shape: LineShape, baseline: Baseline, priors: Priors,
    likely: np.ndarray | None = None,
) -> FitState:  # fmt: skip
    """Best non-negative amplitudes at a shape, the baseline projected out.

    ``likely``, (columns,), are the columns that are probably above zero.
    """
    columns = problem.spectra(problem.fids_at(shape)).real
    return amplitudes_at(problem, shape, columns, baseline, priors, likely)


def amplitudes_at(
    problem: FitProblem, shape: LineShape, columns: np.ndarray, baseline: Baseline, priors: Priors,
    likely: np.ndarray | None = None,
) -> FitState:  # fmt: skip
    """The same for columns (range, k) that are at hand."""
    rows = priors.rows()
    design = np.vstack([baseline.without(columns), rows])
    target = np.concatenate(
        [baseline.without(problem.phased(shape).real[:, None])[:, 0], np.zeros(len(rows))]
    )
    amplitudes = _nonnegative(design, target, likely)
    residual = target - design @ amplitudes
    centre, weight = priors.centre_and_weight(problem.basis.names)
    off = weight * (shape.vector() - centre)
    return FitState(amplitudes, residual, design, float(residual @ residual + off @ off))


def residual_slopes(
    problem: FitProblem, shape: LineShape, amplitudes: np.ndarray, baseline: Baseline, rows: int
) -> np.ndarray:
    """Derivatives of the projected residual by the nonlinear parameters at fixed amplitudes.

    Parameters
    ----------
    rows
        Rows of amplitude priors below; their derivative is zero.

    Returns
    -------
    numpy.ndarray
        (range + penalties + rows, parameters).
    """
    fids = problem.fids_at(shape)
    # One transform of t times the FIDs holds the derivatives by shift and by Lorentz width.
    moment = problem.spectra(fids * problem.t)
    phased = problem.phased(shape)
    shifted = -2 * np.pi * moment.imag * amplitudes
    widened = -np.pi * moment.real * amplitudes
    gauss = np.exp(shape.log_gauss)
    bell = problem.spectra((amplitudes @ fids)[None] * problem.t**2).real[:, 0]
    bell *= -((np.pi * gauss) ** 2) / (2 * _LN2)
    slopes = np.empty((len(problem.ppm), COMMON + 2 * len(amplitudes)))
    slopes[:, 0] = phased.imag
    slopes[:, 1] = phased.imag * (problem.ppm - _PIVOT_PPM)
    slopes[:, 2] = -shifted.sum(axis=1)
    slopes[:, 3] = -widened.sum(axis=1) * np.exp(shape.log_lorentz)
    slopes[:, 4] = -bell
    slopes[:, COMMON:] = -np.hstack([shifted, widened])
    return np.vstack([baseline.without(slopes), np.zeros((rows, slopes.shape[1]))])
