"""Runs of a visit denoised together: each filtered by itself, one fit over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from commissure.errors import CommissureError, QualityError
from commissure.func.denoising import (
    DegreesOfFreedom,
    FilteredRun,
    filtered_run,
    fitted_together,
)
from commissure.func.placement import TemplateBorder
from commissure.func.regressors import movement_penalties, regressors
from commissure.func.runs import Length, ParcelRun, parcel_run, strategy_for
from commissure.func.settings import FuncMeasureSettings
from commissure.func.strategies import STRATEGIES
from commissure.images.atlas import Atlas


@dataclass(frozen=True)
class DenoisedRuns:
    """What is left of one run or several after denoising, or the cause why nothing is.

    Attributes
    ----------
    strategy
        Name of the strategy that was used.
    residuals
        Shape (T of all runs, P), each run in units of its own median; None where they could not be
        had or mean nothing.
    runs
        The runs that were fitted.
    by_run
        Residuals by the label of the run.
    freedom
        How much information they hold, over all runs; None where nothing was fitted.
    minutes_kept
        Of the runs that are in.
    left_out
        Runs that are not in, with the cause, by their label.
    unsound
        Whether a run that is in failed a check of its own: only where all have.
    cause
        Why there are no residuals.
    """

    strategy: str | None = None
    residuals: np.ndarray | None = None
    runs: tuple[ParcelRun, ...] = ()
    by_run: dict[str, np.ndarray] = field(default_factory=dict)
    freedom: DegreesOfFreedom | None = None
    minutes_kept: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)
    unsound: bool = False
    cause: str | None = None


def denoised_together(
    own: ParcelRun,
    lengths: Sequence[Length],
    folder: Path,
    cortex: Atlas,
    settings: FuncMeasureSettings,
    border: TemplateBorder | None,
) -> DenoisedRuns:
    """Denoise the runs of a task and visit together.

    A run that fails one of its own checks stays out where another does not.

    Parameters
    ----------
    own
        The run that is measured.
    lengths
        From :func:`runs_together`.
    folder, cortex, settings, border
        As in :func:`parcel_run`.
    """
    runs, left_out = [], {}
    for each in lengths:
        try:
            same = each.scan.path == own.scan.path
            run = own if same else parcel_run(each.scan, folder, cortex, settings, border)[0]
            runs.append(run)
        except CommissureError as error:
            left_out[each.scan.label] = str(error)
    if any(not run.failed for run in runs):
        left_out |= {
            run.scan.label: f"failed {', '.join(run.failed)}" for run in runs if run.failed
        }
    runs = [run for run in runs if run.scan.label not in left_out]
    return denoised_runs(runs, strategy_for(lengths, settings), settings, left_out=left_out)


def denoised_runs(
    runs: Sequence[ParcelRun],
    strategy: str,
    settings: FuncMeasureSettings,
    *,
    left_out: Mapping[str, str] | None = None,
) -> DenoisedRuns:
    """Filter each run by itself, fit all together, and put what is left in a row.

    What means the same in every run, movement and mean signals, has one weight over all; the
    components have weights in each. A run with no more samples in the band than components is
    left out: nothing of it would be left. Each is divided by the median of its parcels' means, so
    that a scanner that scales runs differently does not weigh them.
    """
    out, within, filtered = dict(left_out or {}), [], []
    shared, penalty = len(STRATEGIES[strategy].columns()), None
    for run in runs:
        model, penalty = run_model(run, strategy, settings)
        try:
            each = _filtered(run.series / _unit(run), model, run, settings)
        except QualityError as error:
            out[run.scan.label] = str(error)
            continue
        components = model.shape[1] - shared
        if len(runs) > 1 and each.in_band <= components:
            out[run.scan.label] = (
                f"its {run.good.sum()} retained volumes of {run.tr_s:g} s hold {each.in_band} "
                f"independent samples in the band, no more than its {components} components"
            )
            continue
        within.append(run)
        filtered.append(each)
    if not within:
        causes = [f"{label}: {why}" for label, why in out.items()]
        cause = "; ".join(causes) if len(causes) > 1 else next(iter(out.values()))
        return DenoisedRuns(strategy, left_out=out, cause=cause)
    residuals, freedom = fitted_together(filtered, shared=shared, penalty=penalty)
    if freedom.degrees <= 0:
        times = " and ".join(f"{tr_s:g}" for tr_s in sorted({run.tr_s for run in within}))
        cause = (
            f"no degree of freedom is left: {freedom.retained} retained volumes of {times} s hold "
            f"{freedom.in_band} independent samples between {settings.band_low_hz:g} and "
            f"{settings.band_high_hz:g} Hz, and the confounds of {strategy} have rank "
            f"{freedom.rank:.3g}"
        )
        return DenoisedRuns(
            strategy, runs=tuple(within), freedom=freedom, left_out=out, cause=cause
        )
    pairs = list(zip(within, residuals, strict=True))
    return DenoisedRuns(
        strategy=strategy,
        residuals=np.concatenate([rest - rest[run.good].mean(axis=0) for run, rest in pairs]),
        runs=tuple(within),
        by_run={run.scan.label: rest for run, rest in pairs},
        freedom=freedom,
        minutes_kept=sum(run.minutes_kept for run in within),
        left_out=out,
        unsound=any(run.failed for run in within),
    )


def _unit(run: ParcelRun) -> float:
    """Median of the parcels' means: series of several runs are divided by it."""
    known = np.isfinite(run.means.series).all(axis=0)
    means = np.abs(run.means.series[:, known].mean(axis=0))
    return float(np.median(means) if known.any() else 1.0) or 1.0


def run_model(
    run: ParcelRun, strategy: str, settings: FuncMeasureSettings
) -> tuple[np.ndarray, np.ndarray | None]:
    """Confounds of a strategy (T, p), and the penalty of each where it has a ridge."""
    model = regressors(
        run.confounds,
        dict(run.metadata),
        strategy=strategy,
        components=settings.compcor_components,
        who=run.scan.who,
    )
    if not STRATEGIES[strategy].ridge:
        return model.to_numpy(float), None
    return model.to_numpy(float), movement_penalties(
        list(model.columns), half_mm=settings.ridge_half_mm, radius_mm=settings.fd_radius_mm
    )


def cleaning_in_band(run: ParcelRun, strategy: str, settings: FuncMeasureSettings) -> np.ndarray:
    """Matrix (T, T) that filters a series of a run and takes the confounds of a strategy out."""
    model, penalty = run_model(run, strategy, settings)
    each = _filtered(np.eye(len(run.good)), model, run, settings)
    residuals, _ = fitted_together([each], shared=model.shape[1], penalty=penalty)
    return residuals[0]


def _filtered(
    series: np.ndarray, model: np.ndarray, run: ParcelRun, settings: FuncMeasureSettings
) -> FilteredRun:
    return filtered_run(
        series,
        model,
        run.good,
        tr_s=run.tr_s,
        low_hz=settings.band_low_hz,
        high_hz=settings.band_high_hz,
        order=settings.filter_order,
    )
