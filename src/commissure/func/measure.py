"""From preprocessed BOLD, of whatever engine, to connectivity, quality and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from commissure.checks import Check, at_least, write_quality
from commissure.errors import DatasetError
from commissure.func.connectivity import (
    connectivity_values,
    fisher_z,
    seed_connectivity_values,
)
from commissure.func.derivatives import FuncMeasured, PreprocessedRun
from commissure.func.figures import (
    HeadOutlines,
    draw_connectivity,
    draw_registration,
    draw_run,
    head_outlines,
)
from commissure.func.joined_runs import (
    DenoisedRuns,
    cleaning_in_band,
    denoised_runs,
    denoised_together,
    run_model,
)
from commissure.func.parcels import usual_parcels
from commissure.func.placement import TemplateBorder
from commissure.func.regional import (
    Cleaning,
    parcel_values,
    regional_values,
    unfiltered_cleaning,
    voxel_measures,
)
from commissure.func.runs import Length, ParcelRun, parcel_run, runs_together, strategy_for
from commissure.func.settings import FuncMeasureSettings
from commissure.func.strategies import STRATEGIES
from commissure.func.strategy_edges import edges_of_strategies
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas
from commissure.images.atlas_files import chosen_atlas
from commissure.images.template import TEMPLATE
from commissure.names import Scan
from commissure.rows import Marker, write_markers


def measure(
    scan: Scan,
    folder: Path,
    *,
    anat: AnatFiles | None,
    settings: FuncMeasureSettings,
    runs: Sequence[Scan] = (),
) -> None:
    """Measure one preprocessed BOLD run and write markers, quality record and figures.

    Of several runs of a task and visit the first by name writes the connectivity of all.

    Parameters
    ----------
    scan
        The raw run; only its sidecar is read.
    folder
        Where the derivatives lie and the results go.
    anat
        Derivatives of the same head's T1w image, by which the place of the run is judged; None, or
        incomplete, where there are none.
    settings
        Settings of measuring.
    runs
        All runs of the same task and visit, this one among them, where there are several.

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit.
    """
    files = FuncMeasured.of(scan, folder)
    cortex = chosen_atlas(settings.atlas, usual_parcels(settings.parcels), key="func.atlas")
    border = TemplateBorder.of(anat)
    own, run, voxels = parcel_run(scan, folder, cortex, settings, border)
    lengths = runs_together(scan, runs if settings.join_runs else (), folder)
    writer = lengths[0].scan
    writes = writer.path == scan.path
    alone = _alone(own, settings)
    result = alone
    if alone.strategy is not None and writes and len(lengths) > 1:
        result = denoised_together(own, lengths, folder, cortex, settings, border)
    z = None if result.residuals is None or not writes else fisher_z(result.residuals)
    of_length = _length_checks(own, result, settings, writes=writes)
    too_short = any(check.passed is False for check in of_length)

    left_out = len(lengths) > 1 and bool(own.failed)
    rows, _ = _rows_of(scan, [("mean_fd", "brain", _mean_fd([own]))], unit="mm", flagged=left_out)
    rows += _rows_of(scan, [("tsnr", "brain", own.tsnr)], flagged=left_out)[0]
    notes = _notes(run, own, cortex, settings)
    notes += _notes_on_runs(runs, lengths, result, writer=None if writes else writer)
    if alone.strategy is not None and alone.residuals is not None:
        regional = _regional_values(run, own, voxels, alone.strategy, settings)
        flagged = bool(own.failed) or (len(lengths) == 1 and too_short)
        measured, absent = _rows_of(scan, regional, flagged=flagged)
        rows += measured
        notes += absent
    _write_edges(own, result, files.strategies, settings, writes=writes)
    if z is not None:
        values = [*connectivity_values(z, own.parcels), *seed_connectivity_values(z, own.parcels)]
        measured, absent = _rows_of(scan, values, flagged=result.unsound or too_short)
        rows += measured
        notes += absent
    write_markers(rows, files.markers)
    write_quality(
        [*own.checks, *of_length],
        files.quality,
        notes=notes,
        missing=_missing(result.cause, settings) if writes else {},
        atlas=cortex.name,
        **_method(run, own, result, settings),
    )
    after = result if scan.label in result.by_run else alone
    outlines = head_outlines(anat, run.space, who=scan.who)
    _draw(run, own, after.by_run.get(scan.label), z, outlines, files, settings)


def gives_connectivity(task: str, patterns: Sequence[str] | None) -> bool:
    """Whether a task's name fits one of the patterns of ``func.tasks``; none is any task."""
    return not patterns or any(fnmatchcase(task.lower(), pattern.lower()) for pattern in patterns)


def _mean_fd(runs: Sequence[ParcelRun]) -> float:
    """Mean framewise displacement over the volumes of runs, the first of each left out."""
    columns = [run.confounds["framewise_displacement"].to_numpy(float)[1:] for run in runs]
    return float(np.concatenate(columns).mean())


def _alone(own: ParcelRun, settings: FuncMeasureSettings) -> DenoisedRuns:
    """A run denoised by itself; without a strategy where its task gives no connectivity."""
    task = own.scan.entities.get("task", "")
    if gives_connectivity(task, settings.tasks):
        length = Length(own.scan, len(own.good), own.tr_s)
        return denoised_runs([own], strategy_for([length], settings), settings)
    named = ", ".join(settings.tasks or ())
    return DenoisedRuns(cause=f"task {task} gives no connectivity: func.tasks names {named} only")


def _write_edges(
    own: ParcelRun,
    result: DenoisedRuns,
    path: Path,
    settings: FuncMeasureSettings,
    *,
    writes: bool,
) -> None:
    """Connectivity by every strategy, if any leaves some: perhaps not the one that is asked for."""
    path.unlink(missing_ok=True)
    if not (settings.compare_strategies and writes and result.strategy):
        return
    runs = result.runs or (own,)
    edges = edges_of_strategies(
        STRATEGIES,
        partial(_by_strategy, runs, settings),
        own.parcels.labels,
        in_use=result.strategy,
        mean_fd_mm=_mean_fd(runs),
    )
    if np.isfinite(edges.z).any():
        edges.write(path)


def _by_strategy(
    runs: Sequence[ParcelRun], settings: FuncMeasureSettings, strategy: str
) -> tuple[np.ndarray | None, float]:
    """Series cleaned by another strategy, and its degrees of freedom."""
    try:
        result = denoised_runs(runs, strategy, settings)
    except DatasetError:
        # The confounds of another engine need not have every strategy's columns.
        return None, float("nan")
    return result.residuals, result.freedom.degrees if result.freedom else float("nan")


def _regional_values(
    run: PreprocessedRun,
    own: ParcelRun,
    voxels: np.ndarray,
    strategy: str,
    settings: FuncMeasureSettings,
) -> Iterator[tuple[str, str, float]]:
    """Regional activity of one run, cleaned as connectivity of this run alone is."""
    brain = np.asanyarray(run.mask.dataobj) > 0
    filtered = cleaning_in_band(own, strategy, settings)
    model, penalty = run_model(own, strategy, settings)
    measures = voxel_measures(
        voxels,
        brain,
        Cleaning(unfiltered_cleaning(model, own.good, penalty), filtered, own.good),
        tr_s=own.tr_s,
        low_hz=settings.band_low_hz,
        high_hz=settings.band_high_hz,
        asked=settings.regional_measures,
    )
    by_parcel = {name: parcel_values(each, brain, own.parcels) for name, each in measures.items()}
    usable = np.isfinite(own.series[:, : len(own.parcels.names)]).all(axis=0)
    return regional_values(by_parcel, usable, own.parcels)


def _missing(cause: str | None, settings: FuncMeasureSettings) -> dict[str, str]:
    """Products that are not there, with their causes."""
    if cause is not None:
        return {"connectivity": cause, "regional": cause}
    return {} if settings.regional_measures else {"regional": "func.regional_measures is empty"}


def _length_checks(
    own: ParcelRun, result: DenoisedRuns, settings: FuncMeasureSettings, *, writes: bool
) -> list[Check]:
    """Whether what is fitted together is long enough; no limits for a part of it."""
    if not writes:
        return [Check("minutes_kept", own.minutes_kept)]
    minutes = own.minutes_kept if result.residuals is None else result.minutes_kept
    checks = [at_least("minutes_kept", minutes, settings.min_minutes)]
    if result.freedom is not None:
        degrees, limit = result.freedom.degrees, settings.min_degrees_of_freedom
        checks.append(Check("degrees_of_freedom", degrees, f"> {limit:g}", degrees > limit))
    return checks


def _rows_of(
    scan: Scan, values: Iterable[tuple[str, str, float]], *, flagged: bool, unit: str = "1"
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
                    unit=unit,
                    flagged=flagged,
                )
            )
        else:
            notes.append(f"{marker} of {region} is missing: no parcel of it has enough signal.")
    return rows, notes


def _notes_on_runs(
    runs: Sequence[Scan], lengths: Sequence[Length], result: DenoisedRuns, *, writer: Scan | None
) -> list[str]:
    """Which runs the connectivity is of, and why others are not in it."""
    if len(lengths) < 2 and len(runs) < 2:
        return []
    if writer is not None:
        return [
            f"The connectivity of {len(lengths)} runs is fitted together and stands with "
            f"{writer.label}."
        ]
    notes = []
    if len(result.by_run) > 1:
        together = ", ".join(result.by_run)
        notes.append(f"Connectivity is that of {len(result.by_run)} runs together: {together}.")
    if result.by_run:
        notes += [f"{label} is not in it: {why}." for label, why in result.left_out.items()]
    within = {each.scan.path for each in lengths}
    notes += [
        f"{each.label} is not fitted along: not preprocessed, of another repetition time, or "
        "func.join_runs is false."
        for each in runs
        if each.path not in within
    ]
    return notes


def _notes(
    run: PreprocessedRun, own: ParcelRun, cortex: Atlas, settings: FuncMeasureSettings
) -> list[str]:
    names = np.array(own.parcels.names)
    lost = names[own.means.coverage < settings.min_parcel_coverage]
    notes = [*run.sidecar.get("Notes", []), *own.notes]
    notes += [
        f"{what}, made for {space}, lie on {run.space} by millimetres: approximate, to about 2 mm."
        for what, space in ((f"Parcels ({cortex.name})", cortex.space), ("Structures", TEMPLATE))
        if space != run.space
    ]
    if len(lost):
        notes.append(f"Parcels with too little coverage: {', '.join(lost)}.")
    if own.dark.any():
        dark = ", ".join(names[own.dark])
        notes.append(f"Parcels with too little signal over noise in time: {dark}.")
    return notes


def _method(
    run: PreprocessedRun, own: ParcelRun, result: DenoisedRuns, settings: FuncMeasureSettings
) -> dict[str, Any]:
    """What the quality record says of the method."""
    strategy = result.strategy
    several = len(result.left_out) + len(result.by_run) > 1
    return {
        "space": run.space,
        "susceptibility_distortion_correction": run.sidecar.get(
            "SusceptibilityDistortionCorrection"
        ),
        "echo_times_s": run.sidecar.get("EchoTimes"),
        "echo_components": run.sidecar.get("EchoComponents"),
        "repetition_time_s": own.tr_s,
        "volumes": len(own.good),
        "strategy": strategy,
        "strategy_source": None if strategy is None else STRATEGIES[strategy].source,
        "strategy_asked_for": settings.strategy,
        "band_hz": [settings.band_low_hz, settings.band_high_hz],
        "framewise_displacement": own.displacement,
        "fd_threshold_mm": settings.fd_threshold_mm,
        "runs": sorted(result.by_run),
        "runs_left_out": result.left_out if several else {},
        "freedom": None
        if result.freedom is None
        else {**vars(result.freedom), "degrees_of_freedom": result.freedom.degrees},
    }


def _draw(
    run: PreprocessedRun,
    own: ParcelRun,
    after: np.ndarray | None,
    z: np.ndarray | None,
    outlines: HeadOutlines,
    files: FuncMeasured,
    settings: FuncMeasureSettings,
) -> None:
    """The figures of one run."""
    count, title = len(own.parcels.names), own.scan.label
    draw_run(
        own.confounds,
        own.means.series,
        None if after is None else after[:, :count],
        own.parcels,
        tr_s=own.tr_s,
        fd_threshold_mm=settings.fd_threshold_mm,
        title=title,
        path=files.carpet_figure,
    )
    brain = np.asanyarray(run.mask.dataobj) > 0
    draw_registration(run.boldref, brain, outlines, title=title, path=files.registration_figure)
    if z is None:
        files.connectivity_figure.unlink(missing_ok=True)
    else:
        draw_connectivity(
            z[:count, :count], own.parcels, title=title, path=files.connectivity_figure
        )
