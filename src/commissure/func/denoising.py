"""Taking movement and physiology out of parcel series.

The order is XCP-D's: flag volumes, bridge them, detrend, filter series and confounds alike
(Lindquist MA et al., Hum Brain Mapp 2019;40:2358-2376), fit on the good volumes only, censor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from commissure.errors import DatasetError, QualityError
from commissure.func.builtin.confounds import MOTION, SIGNALS
from commissure.func.settings import Strategy

_EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")


@dataclass(frozen=True)
class Freedom:
    """How much independent information a cleaned run holds.

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


def good_volumes(confounds: pd.DataFrame, *, fd_threshold_mm: float) -> np.ndarray:
    """Volumes to keep: little displacement, and steady magnetisation where that is recorded.

    Parameters
    ----------
    confounds
        Table with ``framewise_displacement``; columns ``non_steady_state_outlier*`` mark volumes
        at the start that are left out.
    fd_threshold_mm
        Larger displacements are censored.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (T,). The first volume, which has no displacement, is kept.
    """
    displacement = confounds["framewise_displacement"].to_numpy(float)
    good = ~(displacement > fd_threshold_mm)
    for name in confounds.columns:
        if name.startswith("non_steady_state_outlier"):
            good &= confounds[name].to_numpy(float) == 0
    return good


def regressors(
    confounds: pd.DataFrame, metadata: dict, *, strategy: Strategy, components: int, who: str
) -> pd.DataFrame:
    """Choose the columns of a strategy.

    Parameters
    ----------
    confounds, metadata
        The confounds table and its JSON, as fMRIPrep and the built-in engine write them.
    strategy
        ``24P+aCompCor`` (six movement parameters, their derivatives and the squares of both; CSF
        and white-matter components), ``12P+aCompCor`` (without squares), or ``36P`` (nine signals,
        expanded likewise). Cosines are left out: the band-pass filter does their work.
    components
        Components per tissue.
    who
        Person and visit, for the error message.

    Returns
    -------
    pandas.DataFrame
        One column per regressor; the undefined first row of a derivative is 0.

    Raises
    ------
    DatasetError
        A column of the strategy is missing.
    """
    motion_only = _EXPANSIONS[:2] if strategy == "12P+aCompCor" else _EXPANSIONS
    names = [f"{name}{expansion}" for name in MOTION for expansion in motion_only]
    if strategy == "36P":
        names += [f"{name}{expansion}" for name in SIGNALS for expansion in _EXPANSIONS]
    else:
        names += compcor_columns(confounds, metadata, components=components, who=who)
    missing = [name for name in names if name not in confounds]
    if missing:
        raise DatasetError(
            who,
            found=f"the confounds table lacks {missing[:6]}",
            wanted=f"the columns of func.strategy {strategy}",
            mend="Choose another func.strategy, or derive the confounds again",
        )
    chosen = confounds[names].astype(float)
    return chosen.fillna(0.0)


def compcor_columns(
    confounds: pd.DataFrame, metadata: dict, *, components: int, who: str
) -> list[str]:
    """Names of the first CSF and white-matter components, by what the JSON says of them.

    fMRIPrep has called them ``a_comp_cor`` with the field ``Mask``, and ``c_comp_cor`` and
    ``w_comp_cor``; the field decides. Fewer than asked for are taken as they are.

    Raises
    ------
    DatasetError
        The JSON names no component of CSF or white matter.
    """
    chosen = []
    for tissue in ("CSF", "WM"):
        named = [
            (name, entry)
            for name, entry in metadata.items()
            if isinstance(entry, dict)
            and entry.get("Method") == "aCompCor"
            and entry.get("Mask") == tissue
            and name in confounds
        ]
        named.sort(key=lambda pair: -float(pair[1].get("SingularValue", 0.0)))
        chosen += [name for name, _ in named[:components]]
    if not chosen:
        raise DatasetError(
            who,
            found="the JSON beside the confounds table names no CompCor component of CSF or WM",
            wanted="entries with Method aCompCor and Mask CSF or WM",
            mend="Set func.strategy to 36P, or derive the confounds again",
        )
    return chosen


def bridged(series: np.ndarray, good: np.ndarray) -> np.ndarray:
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
    from scipy.interpolate import CubicSpline

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
    from scipy.signal import butter, sosfiltfilt

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


def movement_penalties(names: Sequence[str], *, known_to_mm: float, radius_mm: float) -> np.ndarray:
    """Ridge penalties that shrink movement of no more than the realignment's own error.

    The movement that is estimated of a head that lies still is error of the realignment, and what
    errs it is the brain's own signal (Freire L & Mangin JF, NeuroImage 14:709-722, 2001). However
    small, as a regressor it takes connectivity out. A regressor of length L (root of the summed
    squares in the band) is taken out by the share L² / (L² + known_to_mm²): little of it in a head
    that lies still, the more of it the more a head moves.

    Parameters
    ----------
    names
        Columns of :func:`regressors`.
    known_to_mm
        Length in mm at which half is taken out; 0 shrinks nothing.
    radius_mm
        Turns rotations into mm.

    Returns
    -------
    numpy.ndarray
        Shape (p,), in the squared units of each column; 0 for what is not movement.
    """
    penalties = np.zeros(len(names))
    for at, name in enumerate(names):
        if name.startswith(MOTION):
            own = known_to_mm
            if name.startswith("rot"):
                own /= radius_mm ** (2 if name.endswith("_power2") else 1)
            penalties[at] = own**2
    return penalties


def taken_out(model: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, float]:
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


def cleaned(
    series: np.ndarray,
    confounds: np.ndarray,
    good: np.ndarray,
    *,
    tr_s: float,
    low_hz: float,
    high_hz: float,
    order: int,
    penalty: np.ndarray | None = None,
) -> tuple[np.ndarray, Freedom]:
    """Filter series and confounds alike and take the confounds out.

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
    penalty
        Shape (p,): of :func:`movement_penalties`; without it the confounds are taken out whole.

    Returns
    -------
    residuals
        Shape (T, N); flagged volumes are NaN.
    freedom
        What is left; with no degree of freedom the residuals mean nothing.

    Raises
    ------
    QualityError
        Too few good volumes, or a band that the repetition time cannot carry.
    """
    present = np.isfinite(series).all(axis=0)
    length = np.sqrt((confounds**2).sum(axis=0))
    scaled = confounds / np.where(length > 0, length, 1.0)

    def filtered(columns: np.ndarray) -> np.ndarray:
        return band_passed(
            detrended(bridged(columns, good)),
            tr_s=tr_s,
            low_hz=low_hz,
            high_hz=high_hz,
            order=order,
        )

    data, model = filtered(series[:, present]), filtered(scaled)
    retained = int(good.sum())
    # Columns that the filter left empty say nothing and would count as rank.
    size = np.sqrt((model[good] ** 2).sum(axis=0))
    told = size > 1e-9
    model = model[:, told] / size[told]
    shrink = (
        np.zeros(len(size)) if penalty is None else penalty / np.where(length > 0, length, 1) ** 2
    )
    solver, rank = taken_out(model[good], shrink[told] / size[told] ** 2)
    freedom = Freedom(
        retained, in_band_samples(retained, tr_s=tr_s, low_hz=low_hz, high_hz=high_hz), rank
    )
    weights = solver @ data[good]
    residuals = np.full(series.shape, np.nan)
    residuals[:, present] = data - model @ weights
    residuals[~good] = np.nan
    return residuals, freedom
