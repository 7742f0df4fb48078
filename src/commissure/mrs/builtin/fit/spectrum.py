"""Linear-combination fit by variable projection with non-negative amplitudes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from commissure.errors import QualityError
from commissure.mrs.builtin.basis.simulated import Basis
from commissure.mrs.builtin.fit.baseline import Baseline, Baselines, baselines_over
from commissure.mrs.builtin.fit.model import (
    COMMON,
    FitProblem,
    FitState,
    LineShape,
    Priors,
    amplitudes_at,
    residual_slopes,
    solve,
)
from commissure.mrs.metabolites import PARTS, is_macromolecule

#: Stiffness candidates, effective degrees of freedom per ppm.
STIFFNESS = (0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5, 7.0)

#: Weight of a degree of freedom in the choice of stiffness (Wilson M, Magn Reson Med 85:13-29).
_FREEDOM_PRICE = 5.0


@dataclass(frozen=True)
class SpectralFit:
    """A fitted spectrum.

    Attributes
    ----------
    names
        Of the columns: metabolites, corrections and macromolecules.
    amplitudes, covariance
        In the FID's units per unit of the basis; (columns,) and (columns, columns). The
        covariance is how the estimate scatters with the noise, all other parameters free and the
        priors held: the Cramér-Rao bound of a regularised fit. What the priors bias is not in it.
    shape
        Nonlinear parameters.
    ppm, data, model, baseline
        Real spectra over the fitted range, (points,).
    components
        (columns, points).
    residual_sd, noise_sd
        Of the real spectrum: in the fitted range after the fit, and where no signal is.
    freedom_per_ppm
        Stiffness of the baseline.
    iterations
        Of the last stage.
    frequency_mhz
        Of the spectrometer.
    residual_structure, residual_p
        Whether the residual runs in waves, see :func:`residual_whiteness_test`.
    """

    names: tuple[str, ...]
    amplitudes: np.ndarray
    covariance: np.ndarray
    shape: LineShape
    ppm: np.ndarray
    data: np.ndarray
    model: np.ndarray
    baseline: np.ndarray
    components: np.ndarray
    residual_sd: float
    noise_sd: float
    freedom_per_ppm: float
    iterations: int
    frequency_mhz: float
    residual_structure: float
    residual_p: float

    def total(self, parts: Sequence[str]) -> tuple[float, float]:
        """Sum of amplitudes and its Cramér-Rao bound."""
        pick = np.array([name in parts for name in self.names], float)
        return float(pick @ self.amplitudes), float(np.sqrt(pick @ self.covariance @ pick))

    @property
    def fwhm_ppm(self) -> float:
        """Width of the creatine line at 3.03 ppm as fitted, shim and T2 together."""
        pick = [i for i, name in enumerate(self.names) if name in PARTS["tCr"]]
        around = np.abs(self.ppm - 3.03) < 0.3
        ppm, line = self.ppm[around], self.components[pick].sum(axis=0)[around]
        high = np.flatnonzero(line >= line.max() / 2)

        def crossing(outside: int, inside: int) -> float:
            rise = (line.max() / 2 - line[outside]) / (line[inside] - line[outside])
            return float(ppm[outside] + rise * (ppm[inside] - ppm[outside]))

        return crossing(high[-1] + 1, high[-1]) - crossing(high[0] - 1, high[0])

    @property
    def snr(self) -> float:
        """Highest point above the baseline over twice the SD of the residual (LCModel)."""
        return float((self.data - self.baseline).max() / (2 * self.residual_sd))


def minimise(
    problem: FitProblem,
    shape: LineShape,
    baseline: Baseline,
    priors: Priors,
    *,
    free: np.ndarray,
    iterations: int,
) -> tuple[LineShape, FitState, int]:
    """Levenberg-Marquardt on the variable projection (Kaufman's form of the derivative)."""
    centre, weight = priors.centre_and_weight(problem.basis.names)
    rows = len(priors.ties)
    state = solve(problem, shape, baseline, priors)
    damping, done = 1e-2, 0
    while done < iterations:
        done += 1
        slopes = residual_slopes(problem, shape, state.amplitudes, baseline, rows)[:, free]
        active = state.columns[:, state.amplitudes > 0]
        span, _ = np.linalg.qr(active)
        slopes -= span @ (span.T @ slopes)
        vector = shape.vector()
        gradient = slopes.T @ state.residual + (weight**2 * (vector - centre))[free]
        curvature = slopes.T @ slopes + np.diag(weight[free] ** 2)
        before = state.cost
        for _ in range(6):
            steep = curvature + damping * np.diag(np.maximum(np.diag(curvature), 1e-12))
            step = np.zeros_like(vector)
            step[free] = -np.linalg.solve(steep, gradient)
            # A width may grow or shrink e-fold at most in one step.
            step[3:5] = np.clip(step[3:5], -1, 1)
            trial = vector + step
            trial[3:5] = np.clip(trial[3:5], np.log(0.3), np.log(60.0))
            _hold_widths(trial, problem.basis.names)
            candidate = LineShape.of(trial)
            tried = solve(problem, candidate, baseline, priors, state.amplitudes > 0)
            if tried.cost < state.cost:
                shape, state, damping = candidate, tried, damping / 5
                break
            damping *= 5
        if before - state.cost <= 1e-6 * before:
            break
    return shape, state, done


def _hold_widths(vector: np.ndarray, names: tuple[str, ...]) -> None:
    """Keep the width of a column, at the end of the vector, from making its line grow in time."""
    widths_hz = vector[-len(names) :]
    lorentz = np.exp(vector[3])
    least = [-lorentz - 6.0 if is_macromolecule(name) else -0.8 * lorentz for name in names]
    np.maximum(widths_hz, least, out=widths_hz)


def _stiffness(
    problem: FitProblem, shape: LineShape, baselines: Baselines, priors: Priors
) -> tuple[float, Baseline]:
    """The stiffness with the least information criterion at a given shape.

    Where the model misses the line shape the residual is smooth, and its points are not that
    many observations: a plain criterion would then buy flexibility without end and let the
    baseline swallow glutamine. Their number is cut by the residual's first autocorrelation.
    """
    columns = problem.spectra(problem.fids_at(shape)).real
    candidates = []
    for freedom in STIFFNESS:
        baseline = baselines.with_freedom(freedom)
        state = amplitudes_at(problem, shape, columns, baseline, priors)
        residual = problem.phased(shape).real - columns @ state.amplitudes
        residual -= baseline.of(residual)
        candidates.append((freedom, baseline, residual))
    worth = observations(candidates[-1][2])

    def criterion(candidate: tuple[float, Baseline, np.ndarray]) -> float:
        _, baseline, residual = candidate
        rss = max(float(residual @ residual), np.finfo(float).tiny)
        return float(np.log(rss)) + 2 * _FREEDOM_PRICE * baseline.freedom / worth

    freedom, baseline, _ = min(candidates, key=criterion)
    return freedom, baseline


def fit_spectrum(
    fid: np.ndarray,
    basis: Basis,
    *,
    dwell_s: float,
    frequency_mhz: float,
    low_ppm: float = 0.2,
    high_ppm: float = 4.2,
    shift_sd_ppm: float = 0.01,
    width_sd_hz: float = 0.1,
    freedom_per_ppm: float | None = None,
    start: LineShape | None = None,
) -> SpectralFit:
    """Fit a referenced and roughly phased spectrum.

    Parameters
    ----------
    fid
        (points,), creatine at 3.027 ppm.
    basis
        For the same timing, field and sampling.
    low_ppm, high_ppm
        Fitted range.
    shift_sd_ppm
        Prior SD of each metabolite's own shift.
    width_sd_hz
        Prior SD of what each metabolite's line is wider than the common one.
    freedom_per_ppm
        Stiffness of the baseline; None chooses it by an information criterion.
    start
        Where to start from, of as many columns as the basis has; None starts from a good shim.

    Raises
    ------
    QualityError
        Creatine cannot be told from noise.

    Notes
    -----
    The real part of the twice zero-filled spectrum holds all of the information, and its points
    have independent noise. Model: Voigt lines of common width, a common and one regularised
    shift per metabolite, phase of order 0 and 1, non-negative amplitudes, macromolecules as
    Gaussians softly tied to MM09, and a penalised spline. Amplitudes and spline are solved for at
    each step (Golub GH, Pereyra V, Inverse Probl 19:R1, 2003; Kaufman L, BIT 15:49-57, 1975).
    """
    sampling = {"dwell_s": dwell_s, "frequency_mhz": frequency_mhz}
    problem = FitProblem(fid, basis, **sampling, low_ppm=low_ppm, high_ppm=high_ppm)
    fit = _minimised(
        problem,
        shift_sd_hz=shift_sd_ppm * frequency_mhz,
        width_sd_hz=width_sd_hz,
        freedom_per_ppm=freedom_per_ppm,
        start=start,
    )
    creatine, bound = fit.total(PARTS["tCr"])
    # Shots of noise that are aligned with each other look like a spectrum up to five bounds.
    if not creatine > 6 * bound:
        raise QualityError(
            "spectral fit",
            found=f"creatine at 3.03 ppm is {creatine:.3g} with a Cramér-Rao bound of {bound:.3g}",
            wanted="the spectrum of a brain, with creatine above six times its bound",
            mend="Look at the raw spectrum and at the header of its file",
        )
    return fit


def _minimised(
    problem: FitProblem,
    *,
    shift_sd_hz: float,
    width_sd_hz: float,
    freedom_per_ppm: float | None,
    start: LineShape | None,
) -> SpectralFit:
    """Fit in stages: common parameters, all parameters, the stiffness, all parameters again."""
    baselines = baselines_over(problem.ppm)
    baseline = baselines.with_freedom(2.0 if freedom_per_ppm is None else freedom_per_ppm)
    columns = len(problem.basis.names)
    widths = {"shift_sd_hz": shift_sd_hz, "width_sd_hz": width_sd_hz}
    shape = LineShape.start(columns) if start is None else start
    nothing = np.zeros((0, columns))
    state = solve(problem, shape, baseline, Priors(problem.noise_sd, 1.0, 1.0, nothing))

    everything = np.ones(COMMON + 2 * columns, bool)
    common = everything.copy()
    common[1] = common[COMMON:] = False
    stages = ((common, 12), (everything, 6))
    for free, iterations in stages if start is None else stages[1:]:
        priors = _priors_from(problem, state, **widths)
        shape, state, _ = minimise(
            problem, shape, baseline, priors, free=free, iterations=iterations
        )
    priors = _priors_from(problem, state, **widths)
    if freedom_per_ppm is None:
        freedom_per_ppm, baseline = _stiffness(problem, shape, baselines, priors)
    priors = _priors_from(problem, solve(problem, shape, baseline, priors), **widths)
    shape, state, iterations = minimise(
        problem, shape, baseline, priors, free=everything, iterations=25
    )
    return assembled_fit(problem, shape, state, baseline, priors, freedom_per_ppm, iterations)


def _priors_from(
    problem: FitProblem, state: FitState, *, shift_sd_hz: float, width_sd_hz: float
) -> Priors:
    """Priors whose noise and whose size of macromolecules are those of a preliminary fit."""
    residual_rms = float(np.sqrt((state.residual[: len(problem.ppm)] ** 2).mean()))
    return Priors.of(
        problem,
        state.amplitudes,
        noise=max(problem.noise_sd, residual_rms),
        shift_sd_hz=shift_sd_hz,
        width_sd_hz=width_sd_hz,
    )


def observations(residual: np.ndarray) -> float:
    """How many independent points a residual (points,) is worth, by its first autocorrelation."""
    power = max(float(residual @ residual), np.finfo(float).tiny)
    lag = max(float(residual[1:] @ residual[:-1]) / power, 0.0)
    return len(residual) * (1 - lag) / (1 + lag)


def residual_whiteness_test(residual: np.ndarray, width: int = 8) -> tuple[float, float]:
    """Whether a residual (points,) runs in waves.

    Returns
    -------
    ratio, p
        Mean square of the means of ``width`` neighbours, in units that white noise gives 1, and
        the probability of so much under white noise.
    """
    blocks = residual[: len(residual) // width * width].reshape(-1, width)
    noise = max(float(np.median(np.abs(np.diff(residual)))) / 0.954, np.finfo(float).tiny)
    ratio = float((blocks.mean(axis=1) ** 2).mean()) * width / noise**2
    return ratio, float(chi2.sf(ratio * len(blocks), len(blocks)))


def assembled_fit(
    problem: FitProblem,
    shape: LineShape,
    state: FitState,
    baseline: Baseline,
    priors: Priors,
    freedom_per_ppm: float,
    iterations: int,
) -> SpectralFit:
    """A fit with its covariance and tests, from where the minimum was found."""
    names = problem.basis.names
    columns = problem.spectra(problem.fids_at(shape)).real
    data = problem.phased(shape).real
    remainder = data - columns @ state.amplitudes
    smooth = baseline.of(remainder)
    used = int((state.amplitudes > 0).sum()) + COMMON + baseline.freedom
    residual_sd = float(np.sqrt(((remainder - smooth) ** 2).sum() / (len(data) - used)))
    # Fisher information of amplitudes and nonlinear parameters together.
    rows = len(state.columns) - len(baseline.basis)
    slopes = residual_slopes(problem, shape, state.amplitudes, baseline, rows)
    everything = np.hstack([state.columns, -slopes])
    _, weight = priors.centre_and_weight(problem.basis.names)
    spread = max(residual_sd, np.finfo(float).tiny)
    known = np.concatenate([np.zeros(len(names)), (weight / priors.noise) ** 2])
    curvature = everything.T @ everything / spread**2 + np.diag(known)
    # Noise is in the data only: the rows of penalties and priors draw the estimate, they do not
    # scatter it. Without priors this is the inverse of the curvature.
    noisy = everything[: len(data)].T @ everything[: len(data)] / spread**2
    inverse = np.linalg.pinv(curvature, hermitian=True)[: len(names)]
    covariance = inverse @ noisy @ inverse.T
    scale = problem.scale
    waves, p = residual_whiteness_test(remainder - smooth)
    return SpectralFit(
        names=names,
        amplitudes=state.amplitudes,
        covariance=covariance,
        shape=replace(shape, phase_rad=float(np.angle(np.exp(1j * shape.phase_rad)))),
        ppm=problem.ppm,
        data=data * scale,
        model=(columns @ state.amplitudes + smooth) * scale,
        baseline=smooth * scale,
        components=(columns * state.amplitudes).T * scale,
        residual_sd=residual_sd * scale,
        noise_sd=problem.noise_sd * scale,
        freedom_per_ppm=freedom_per_ppm,
        iterations=iterations,
        frequency_mhz=problem.frequency_mhz,
        residual_structure=waves,
        residual_p=p,
    )
