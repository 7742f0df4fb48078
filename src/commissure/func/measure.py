"""From preprocessed BOLD, of whatever engine, to connectivity, quality and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from commissure.checks import Check, write_quality
from commissure.errors import DatasetError, QualityError
from commissure.func.connectivity import (
    connectivity_values,
    fisher_z,
    seed_connectivity_values,
)
from commissure.func.denoising import DegreesOfFreedom, denoised
from commissure.func.derivatives import FuncMeasured, PreprocessedRun, read_preprocessed
from commissure.func.figures import draw_connectivity, draw_registration, draw_run
from commissure.func.parcels import Parcels, parcel_series, parcel_tsnr, parcels_on_grid
from commissure.func.quality import run_checks, series_checks, temporal_snr
from commissure.func.regional import (
    Cleaning,
    parcel_values,
    regional_values,
    unfiltered_cleaning,
    voxel_measures,
)
from commissure.func.regressors import good_volumes, movement_penalties, regressors
from commissure.func.seeds import seed_series
from commissure.func.settings import FuncMeasureSettings, Strategy
from commissure.func.strategy_edges import edges_of_strategies
from commissure.func.timing import repetition_time_s
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas, schaefer
from commissure.images.atlas_files import chosen_atlas
from commissure.images.template import TEMPLATE
from commissure.names import Scan
from commissure.rows import Marker, write_markers


def measure(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: FuncMeasureSettings
) -> None:
    """Measure one preprocessed BOLD run and write markers, quality record and figures.

    Parameters
    ----------
    scan
        The raw run; only its sidecar is read.
    folder
        Where the derivatives lie and the results go.
    anat
        Not needed: every file is in template space already.
    settings
        Settings of measuring.

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit.
    """
    tr_s = repetition_time_s(scan)
    run = read_preprocessed(scan, folder)
    files = FuncMeasured.of(scan, folder)
    bold = np.asanyarray(run.series.dataobj)
    brain = np.asanyarray(run.mask.dataobj) > 0
    cortex = chosen_atlas(settings.atlas, schaefer(settings.parcels), key="func.atlas")
    parcels = parcels_on_grid(cortex, bold.shape[:3], run.series.affine)
    means = parcel_series(bold, brain, parcels, min_coverage=settings.min_parcel_coverage)
    voxels = bold[brain]
    voxel_tsnr = temporal_snr(voxels)
    dark = parcel_tsnr(voxel_tsnr, brain, parcels) < settings.min_parcel_tsnr
    series = np.where(dark, np.nan, means.series)
    seeds = seed_series(
        voxels,
        brain,
        run.series.affine,
        voxel_tsnr,
        min_coverage=settings.min_parcel_coverage,
        min_tsnr=settings.min_parcel_tsnr,
        min_cortical_tsnr=settings.min_sgacc_tsnr,
    )
    good = good_volumes(run.confounds, fd_threshold_mm=settings.fd_threshold_mm)
    tsnr = float(np.nanmedian(voxel_tsnr))
    usable = np.where(dark, 0.0, means.coverage)
    checks = run_checks(
        run.confounds, good, usable, run.mask, tsnr=tsnr, tr_s=tr_s, settings=settings
    )
    checks += series_checks(run.boldref, run.sidecar)
    result = _denoised_run(scan, run, np.hstack([series, seeds]), good, tr_s, settings)
    if result.freedom is not None:
        degrees, limit = result.freedom.degrees, settings.min_degrees_of_freedom
        checks.append(Check("degrees_of_freedom", degrees, f"> {limit:g}", degrees > limit))
    z = None if result.residuals is None else fisher_z(result.residuals)

    mean_fd = float(run.confounds["framewise_displacement"].to_numpy(float)[1:].mean())
    rows = [
        Marker.of(scan, "func", region="brain", marker="mean_fd", value=mean_fd, unit="mm"),
        Marker.of(scan, "func", region="brain", marker="tsnr", value=tsnr, unit="1"),
    ]
    notes = _notes(run, parcels, cortex, means.coverage, dark, settings)
    if z is None:
        files.strategies.unlink(missing_ok=True)
    else:
        flagged = any(check.passed is False for check in checks)
        regional = _regional_values(
            scan, run, voxels, brain, parcels, np.isfinite(series).all(axis=0), good, tr_s, settings
        )
        values = [
            *connectivity_values(z, parcels),
            *seed_connectivity_values(z, parcels),
            *regional,
        ]
        measured, absent = _rows_of(scan, values, flagged=flagged)
        rows += measured
        notes += absent
        if settings.compare_strategies:
            edges_of_strategies(
                get_args(Strategy),
                partial(_by_strategy, scan, run, series, good, tr_s, settings),
                parcels.labels,
                in_use=settings.strategy,
                mean_fd_mm=mean_fd,
            ).write(files.strategies)
    write_markers(rows, files.markers)
    write_quality(
        checks,
        files.quality,
        notes=notes,
        missing=_missing(result.cause, settings),
        atlas=cortex.name,
        **_method(run, bold.shape[3], tr_s, result.freedom, settings),
    )

    draw_run(
        run.confounds,
        means.series,
        None if result.residuals is None else result.residuals[:, : len(parcels.names)],
        parcels,
        tr_s=tr_s,
        fd_threshold_mm=settings.fd_threshold_mm,
        title=scan.label,
        path=files.carpet_figure,
    )
    draw_registration(run.boldref, brain, title=scan.label, path=files.registration_figure)
    if z is None:
        files.connectivity_figure.unlink(missing_ok=True)
    else:
        count = len(parcels.names)
        draw_connectivity(
            z[:count, :count], parcels, title=scan.label, path=files.connectivity_figure
        )


@dataclass(frozen=True)
class _DenoisedRun:
    """Parcel series without confounds, or the cause why there are none.

    Attributes
    ----------
    residuals
        Shape (T, P); None where they could not be had or mean nothing.
    freedom
        How much information they hold; None where nothing was fitted.
    cause
        Why there are no residuals.
    """

    residuals: np.ndarray | None = None
    freedom: DegreesOfFreedom | None = None
    cause: str | None = None


def _denoised_run(
    scan: Scan,
    run: PreprocessedRun,
    series: np.ndarray,
    good: np.ndarray,
    tr_s: float,
    settings: FuncMeasureSettings,
) -> _DenoisedRun:
    task = scan.entities.get("task", "")
    if settings.tasks and task not in settings.tasks:
        named = ", ".join(settings.tasks)
        return _DenoisedRun(
            cause=f"task {task} gives no connectivity: func.tasks names {named} only"
        )
    model, penalty = _model(scan, run, settings)
    try:
        residuals, freedom = denoised(
            series,
            model,
            good,
            tr_s=tr_s,
            low_hz=settings.band_low_hz,
            high_hz=settings.band_high_hz,
            order=settings.filter_order,
            penalty=penalty,
        )
    except QualityError as error:
        return _DenoisedRun(cause=str(error))
    if freedom.degrees <= 0:
        cause = (
            f"no degree of freedom is left: {freedom.retained} retained volumes of {tr_s:g} s hold "
            f"{freedom.in_band} independent samples between {settings.band_low_hz:g} and "
            f"{settings.band_high_hz:g} Hz, and the confounds of {settings.strategy} have rank "
            f"{freedom.rank:.3g}"
        )
        return _DenoisedRun(freedom=freedom, cause=cause)
    return _DenoisedRun(residuals, freedom)


def _model(
    scan: Scan, run: PreprocessedRun, settings: FuncMeasureSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Confounds of the strategy (T, p), and the penalty of each."""
    model = regressors(
        run.confounds,
        run.metadata,
        strategy=settings.strategy,
        components=settings.compcor_components,
        who=scan.who,
    )
    penalty = movement_penalties(
        list(model.columns),
        known_to_mm=settings.movement_known_to_mm,
        radius_mm=settings.fd_radius_mm,
    )
    return model.to_numpy(float), penalty


def _by_strategy(
    scan: Scan,
    run: PreprocessedRun,
    series: np.ndarray,
    good: np.ndarray,
    tr_s: float,
    settings: FuncMeasureSettings,
    strategy: Strategy,
) -> tuple[np.ndarray | None, float]:
    """Series cleaned by another strategy, and its degrees of freedom."""
    chosen = settings.model_copy(update={"strategy": strategy})
    try:
        result = _denoised_run(scan, run, series, good, tr_s, chosen)
    except DatasetError:
        # The confounds of another engine need not have every strategy's columns.
        return None, float("nan")
    return result.residuals, result.freedom.degrees if result.freedom else float("nan")


def _regional_values(
    scan: Scan,
    run: PreprocessedRun,
    voxels: np.ndarray,
    brain: np.ndarray,
    parcels: Parcels,
    usable: np.ndarray,
    good: np.ndarray,
    tr_s: float,
    settings: FuncMeasureSettings,
) -> Iterator[tuple[str, str, float]]:
    """Regional activity, cleaned as connectivity is."""
    filtered = _denoised_run(scan, run, np.eye(len(good)), good, tr_s, settings).residuals
    model, penalty = _model(scan, run, settings)
    assert filtered is not None, "the run has connectivity"
    measures = voxel_measures(
        voxels,
        brain,
        Cleaning(unfiltered_cleaning(model, good, penalty), filtered, good),
        tr_s=tr_s,
        low_hz=settings.band_low_hz,
        high_hz=settings.band_high_hz,
        asked=settings.regional_measures,
    )
    by_parcel = {name: parcel_values(each, brain, parcels) for name, each in measures.items()}
    return regional_values(by_parcel, usable, parcels)


def _missing(cause: str | None, settings: FuncMeasureSettings) -> dict[str, str]:
    """Products that are not there, with their causes."""
    if cause is not None:
        return {"connectivity": cause, "regional": cause}
    return {} if settings.regional_measures else {"regional": "func.regional_measures is empty"}


def _rows_of(
    scan: Scan, values: Iterable[tuple[str, str, float]], *, flagged: bool
) -> tuple[list[Marker], list[str]]:
    """Marker rows, and a note for each marker that has no value."""
    rows, notes = [], []
    for marker, region, value in values:
        if np.isfinite(value):
            rows.append(
                Marker.of(
                    scan,
                    "func",
                    region=region,
                    marker=marker,
                    value=value,
                    unit="1",
                    flagged=flagged,
                )
            )
        else:
            notes.append(f"{marker} of {region} is missing: too little of it has signal.")
    return rows, notes


def _notes(
    run: PreprocessedRun,
    parcels: Parcels,
    cortex: Atlas,
    coverage: np.ndarray,
    dark: np.ndarray,
    settings: FuncMeasureSettings,
) -> list[str]:
    lost = [
        name
        for name, share in zip(parcels.names, coverage, strict=True)
        if share < settings.min_parcel_coverage
    ]
    notes = list(run.sidecar.get("Notes", []))
    notes += [
        f"{what}, made for {space}, lie on {run.space} by millimetres: approximate, to about 2 mm."
        for what, space in ((f"Parcels ({cortex.name})", cortex.space), ("Structures", TEMPLATE))
        if space != run.space
    ]
    if lost:
        notes.append(f"Parcels with too little coverage: {', '.join(lost)}.")
    if dark.any():
        names = ", ".join(np.array(parcels.names)[dark])
        notes.append(f"Parcels with too little signal over noise in time: {names}.")
    return notes


def _method(
    run: PreprocessedRun,
    volumes: int,
    tr_s: float,
    freedom: DegreesOfFreedom | None,
    settings: FuncMeasureSettings,
) -> dict[str, Any]:
    """What the quality record says of the method."""
    return {
        "space": run.space,
        "susceptibility_distortion_correction": run.sidecar.get(
            "SusceptibilityDistortionCorrection"
        ),
        "echo_times_s": run.sidecar.get("EchoTimes"),
        "repetition_time_s": tr_s,
        "volumes": volumes,
        "strategy": settings.strategy,
        "band_hz": [settings.band_low_hz, settings.band_high_hz],
        "fd_threshold_mm": settings.fd_threshold_mm,
        "freedom": None
        if freedom is None
        else {**vars(freedom), "degrees_of_freedom": freedom.degrees},
    }
