"""Taking movement and physiology out of parcel series.

The order is XCP-D's: flag volumes, interpolate them, detrend, filter series and confounds alike
(Lindquist MA et al., Hum Brain Mapp 2019;40:2358-2376), fit on the good volumes only, censor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt

from commissure.errors import QualityError


@dataclass(frozen=True)
class DegreesOfFreedom:
    """How much independent information a denoised run holds.

    Attributes
    ----------
    retained
        Volumes that were not censored.
    in_band
        Independent samples that the pass band leaves of them.
    rank
        Rank of the filtered confounds on the retained volumes; a shrunk one counts by the share of
        it that is taken out (the trace of the ridge regression's hat matrix).
    """

    retained: int
    in_band: int
    rank: float

    @property
    def degrees(self) -> float:
        """Degrees of freedom left: samples in the band less the rank of the confounds."""
        return self.in_band - self.rank


def interpolated(series: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Replace flagged volumes by a cubic spline through the good ones; ends take the nearest.

    Parameters
    ----------
    series
        Shape (T, N).
    good
        Boolean, shape (T,).

    Raises
    ------
    QualityError
        Fewer than four good volumes.
    """
    if good.all():
        return series.copy()
    frames = np.flatnonzero(good)
    if len(frames) < 4:
        raise QualityError(
            "censoring",
            found=f"{len(frames)} of {len(good)} volumes are left after censoring",
            wanted="at least 4",
        )
    where = np.clip(np.flatnonzero(~good), frames[0], frames[-1])
    filled = series.copy()
    filled[~good] = CubicSpline(frames, series[good])(where)
    return filled


def detrended(series: np.ndarray) -> np.ndarray:
    """Take mean and straight line out of every column of (T, N)."""
    ramp = np.linspace(-1.0, 1.0, len(series))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(series)), ramp]))
    return series - basis @ (basis.T @ series)


def band_passed(
    series: np.ndarray, *, tr_s: float, low_hz: float, high_hz: float, order: int
) -> np.ndarray:
    """Butterworth band-pass filter, forth and back, without shift in time.

    Parameters
    ----------
    series
        Shape (T, N), detrended.
    tr_s
        Repetition time.
    low_hz, high_hz
        Edges of the band.
    order
        Order of the filter in one direction.

    Raises
    ------
    QualityError
        The band reaches the Nyquist frequency of the series.
    """
    nyquist_hz = 0.5 / tr_s
    if high_hz >= nyquist_hz:
        raise QualityError(
            "band-pass filter",
            found=f"a repetition time of {tr_s:g} s holds nothing above {nyquist_hz:.3g} Hz",
            wanted=f"a band that ends below it, not at {high_hz:g} Hz",
            mend="Lower func.band_high_hz",
        )
    sections = butter(order, (low_hz, high_hz), btype="bandpass", fs=1 / tr_s, output="sos")
    padding = min(3 * (2 * len(sections) + 1), len(series) - 1)
    return sosfiltfilt(sections, series, axis=0, padlen=padding)


def in_band_samples(retained: int, *, tr_s: float, low_hz: float, high_hz: float) -> int:
    """Independent samples of ``retained`` volumes inside the pass band, rounded down."""
    return int(np.floor(round(retained * (high_hz - low_hz) * 2 * tr_s, 6)))


def ridge_projection(model: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression on a set of columns: what gives the weights, and how much it takes out.

    Parameters
    ----------
    model
        Shape (T, p), columns of comparable length.
    penalty
        Shape (p,); 0 is ordinary least squares, of least norm where columns depend on each other.

    Returns
    -------
    solver, rank
        ``solver @ data`` are the weights, shape (p, T); ``rank`` is the trace of
        ``model @ solver``, the rank of the columns where nothing is penalised.
    """
    if not model.size:
        return np.zeros(model.T.shape), 0.0
    both = np.vstack([model, np.diag(np.sqrt(penalty))])
    left, strength, right = np.linalg.svd(both, full_matrices=False)
    kept = strength > 1e-6 * max(strength[0], 1e-300)
    left = left[: len(model), kept]
    return (right[kept].T / strength[kept]) @ left.T, float((left**2).sum())


@dataclass(frozen=True)
class FilteredRun:
    """Series and confounds of one run, interpolated, detrended and filtered alike.

    Attributes
    ----------
    series, confounds
        Shapes (T, N) and (T, p); columns of NaN stay so.
    length
        Shape (p,): root of the summed squares of the confounds before.
    good
        Boolean, shape (T,): volumes that count.
    in_band
        Independent samples in the band of those that count.
    """

    series: np.ndarray
    confounds: np.ndarray
    length: np.ndarray
    good: np.ndarray
    in_band: int


def filtered_run(
    series: np.ndarray,
    confounds: np.ndarray,
    good: np.ndarray,
    *,
    tr_s: float,
    low_hz: float,
    high_hz: float,
    order: int,
) -> FilteredRun:
    """Filter series and confounds alike.

    Parameters
    ----------
    series
        Shape (T, N); columns of NaN stay so.
    confounds
        Shape (T, p).
    good
        Boolean, shape (T,): volumes that count.
    tr_s, low_hz, high_hz, order
        As in :func:`band_passed`.

    Raises
    ------
    QualityError
        Too few good volumes, or a band that the repetition time cannot carry.
    """

    def filtered(columns: np.ndarray) -> np.ndarray:
        return band_passed(
            detrended(interpolated(columns, good)),
            tr_s=tr_s,
            low_hz=low_hz,
            high_hz=high_hz,
            order=order,
        )

    present = np.isfinite(series).all(axis=0)
    passed = np.full(series.shape, np.nan)
    passed[:, present] = filtered(series[:, present])
    in_band = in_band_samples(int(good.sum()), tr_s=tr_s, low_hz=low_hz, high_hz=high_hz)
    length = np.sqrt((confounds**2).sum(axis=0))
    return FilteredRun(passed, filtered(confounds), length, good, in_band)


def fitted_together(
    runs: Sequence[FilteredRun], *, shared: int = 0, penalty: np.ndarray | None = None
) -> tuple[list[np.ndarray], DegreesOfFreedom]:
    """Take the confounds out of one run or several.

    Parameters
    ----------
    runs
        N is the same in all.
    shared
        So many of the first confounds mean the same in every run, as movement does, and have one
        weight over all; the others, as components that each run has of its own, have a weight in
        each.
    penalty
        Shape (at least shared,), mean squares, of
        :func:`commissure.func.regressors.movement_penalties`, 0 for confounds that are not shared;
        without it the confounds are taken out whole.

    Returns
    -------
    residuals
        Of each run, shape (T, N); flagged volumes are NaN, and so are columns that are NaN in any.
    freedom
        What is left of all; with no degree of freedom the residuals mean nothing.
    """
    owns = [run.confounds.shape[1] - shared for run in runs]
    first = np.concatenate([[shared], shared + np.cumsum(owns)])
    volumes = [len(run.good) for run in runs]
    model = np.zeros((sum(volumes), first[-1]))
    squares = np.zeros(first[-1])
    at = np.concatenate([[0], np.cumsum(volumes)])
    for number, run in enumerate(runs):
        rows, columns = slice(at[number], at[number + 1]), slice(first[number], first[number + 1])
        model[rows, :shared] = run.confounds[:, :shared]
        model[rows, columns] = run.confounds[:, shared:]
        squares[:shared] += run.length[:shared] ** 2
        squares[columns] = run.length[shared:] ** 2
    good = np.concatenate([run.good for run in runs])
    data = np.concatenate([run.series for run in runs])
    # Columns that the filter left empty say nothing and would count as rank.
    size = np.sqrt((model[good] ** 2).sum(axis=0))
    kept = size > 1e-9 * np.sqrt(squares)
    model = model[:, kept] / size[kept]
    shrink = np.zeros(len(size))
    if penalty is not None:
        # A mean square over the volumes that are fitted: the share does not grow with their number.
        shrink[:shared] = good.sum() * penalty[:shared]
    solver, rank = ridge_projection(model[good], shrink[kept] / size[kept] ** 2)
    freedom = DegreesOfFreedom(int(good.sum()), sum(run.in_band for run in runs), rank)
    present = np.isfinite(data).all(axis=0)
    weights = solver @ data[good][:, present]
    residuals = np.full(data.shape, np.nan)
    residuals[:, present] = data[:, present] - model @ weights
    residuals[~good] = np.nan
    return np.split(residuals, at[1:-1]), freedom


def denoised(
    series: np.ndarray,
    confounds: np.ndarray,
    good: np.ndarray,
    *,
    tr_s: float,
    low_hz: float,
    high_hz: float,
    order: int,
    penalty: np.ndarray | None = None,
) -> tuple[np.ndarray, DegreesOfFreedom]:
    """Filter series and confounds of one run alike and take the confounds out.

    As :func:`filtered_run` and :func:`fitted_together` say; ``penalty`` has shape (p,).
    """
    run = filtered_run(
        series, confounds, good, tr_s=tr_s, low_hz=low_hz, high_hz=high_hz, order=order
    )
    residuals, freedom = fitted_together([run], shared=confounds.shape[1], penalty=penalty)
    return residuals[0], freedom
