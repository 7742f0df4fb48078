"""From preprocessed BOLD, of whatever engine, to connectivity, quality and figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.checks import Check, write_quality
from commissure.errors import DatasetError, QualityError
from commissure.files import read_table
from commissure.func.builtin.acquisition import repetition_time_s
from commissure.func.connectivity import connectivity_values, fisher_z
from commissure.func.denoising import Freedom, cleaned, good_volumes, movement_penalties, regressors
from commissure.func.figures import draw_connectivity, draw_registration, draw_run
from commissure.func.parcels import Parcels, parcel_series, parcels_on_grid
from commissure.func.quality import run_checks, temporal_snr
from commissure.func.settings import FuncMeasureSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image, same_grid
from commissure.images.template import TEMPLATE
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Template spaces in which series are looked for, the first found is taken.
SPACES = (TEMPLATE, "MNI152NLin2009cAsym", "MNI152NLin6Asym")


@dataclass(frozen=True)
class Derivatives:
    """What an engine has left of one run.

    Attributes
    ----------
    space
        Name of the template space.
    bold, brain, boldref
        Series, brain mask and mean volume on one grid.
    confounds, metadata
        The confounds table and the JSON beside it.
    """

    space: str
    bold: nib.Nifti1Image
    brain: nib.Nifti1Image
    boldref: nib.Nifti1Image
    confounds: pd.DataFrame
    metadata: dict


def read_derivatives(scan: Scan, folder: Path) -> Derivatives:
    """Read the files of the contract that :func:`measure` needs.

    Raises
    ------
    DatasetError
        A file is missing or unreadable, or two of them do not fit each other.
    """

    def path(suffix: str, extension: str, **entities: str) -> Path:
        return folder / scan.derivative(suffix, extension, **entities)

    found = [s for s in SPACES if path("bold", ".nii.gz", space=s, desc="preproc").exists()]
    if not found:
        raise DatasetError(
            scan.who,
            found=f"no preprocessed series of {scan.path.name} in the spaces {list(SPACES)}",
            wanted=scan.derivative("bold", ".nii.gz", space=TEMPLATE, desc="preproc"),
            mend="Run the engine again, with an MNI space among its output spaces",
        )
    space = found[0]
    bold = load_image(path("bold", ".nii.gz", space=space, desc="preproc"), who=scan.who, ndim=4)
    brain = load_image(path("mask", ".nii.gz", space=space, desc="brain"), who=scan.who, ndim=3)
    boldref = load_image(path("boldref", ".nii.gz", space=space), who=scan.who, ndim=3)
    table = path("timeseries", ".tsv", desc="confounds")
    confounds = read_table(table)
    beside = table.with_suffix(".json")
    try:
        metadata = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    except ValueError as error:
        raise DatasetError(scan.who, found=f"{beside.name} is not JSON ({error})") from error
    if len(confounds) != bold.shape[3] or "framewise_displacement" not in confounds:
        raise DatasetError(
            scan.who,
            found=f"{table.name} has {len(confounds)} rows for {bold.shape[3]} volumes"
            if len(confounds) != bold.shape[3]
            else f"{table.name} has no column framewise_displacement",
            wanted="one row per volume, with framewise_displacement",
            mend="Run the engine again",
        )
    if not (same_grid(bold, brain) and same_grid(bold, boldref)):
        raise DatasetError(
            scan.who,
            found=f"series {bold.shape[:3]}, mask {brain.shape} and boldref {boldref.shape} do not "
            "lie on one grid",
            mend="Run the engine again",
        )
    return Derivatives(space, bold, brain, boldref, confounds, metadata)


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
        Settings of the room.

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit.
    """
    tr_s = repetition_time_s(scan)
    run = read_derivatives(scan, folder)
    bold = np.asanyarray(run.bold.dataobj)
    brain = np.asanyarray(run.brain.dataobj) > 0
    parcels = parcels_on_grid(settings.parcels, bold.shape[:3], run.bold.affine)
    means = parcel_series(bold, brain, parcels, min_coverage=settings.min_parcel_coverage)
    good = good_volumes(run.confounds, fd_threshold_mm=settings.fd_threshold_mm)
    tsnr = float(np.nanmedian(temporal_snr(bold[brain])))
    checks = run_checks(
        run.confounds, good, means.coverage, run.brain, tsnr=tsnr, tr_s=tr_s, settings=settings
    )
    residuals, freedom, cause = _residuals(scan, run, means.series, good, tr_s, settings)
    z = None if residuals is None else fisher_z(residuals)
    if freedom is not None:
        degrees = freedom.degrees
        limit = settings.min_degrees_of_freedom
        checks.append(Check("degrees_of_freedom", degrees, f"> {limit:g}", degrees > limit))

    mean_fd = float(run.confounds["framewise_displacement"].to_numpy(float)[1:].mean())
    rows = [_row(scan, "mean_fd", "brain", mean_fd, "mm"), _row(scan, "tsnr", "brain", tsnr, "1")]
    missing = {} if cause is None else {"connectivity": cause}
    notes = _notes(run, parcels, means.coverage, settings)
    if z is not None:
        flagged = any(check.passed is False for check in checks)
        for marker, region, value in connectivity_values(z, parcels):
            if np.isfinite(value):
                rows.append(_row(scan, marker, region, value, "1", flagged=flagged))
            else:
                notes.append(f"{marker} of {region} is missing: none of its parcels is covered.")
    write_markers(rows, folder / scan.derivative("markers", ".tsv"))
    write_quality(
        checks,
        folder / scan.derivative("qc", ".json"),
        notes=notes,
        missing=missing,
        space=run.space,
        repetition_time_s=tr_s,
        volumes=bold.shape[3],
        strategy=settings.strategy,
        band_hz=[settings.band_low_hz, settings.band_high_hz],
        fd_threshold_mm=settings.fd_threshold_mm,
        freedom=None
        if freedom is None
        else {**vars(freedom), "degrees_of_freedom": freedom.degrees},
    )

    def figure(what: str) -> Path:
        return folder / "figures" / scan.derivative("bold", ".svg", desc=what)

    draw_run(
        run.confounds,
        means.series,
        residuals,
        parcels,
        tr_s=tr_s,
        fd_threshold_mm=settings.fd_threshold_mm,
        title=scan.label,
        path=figure("carpet"),
    )
    draw_registration(run.boldref, brain, title=scan.label, path=figure("registration"))
    if z is None:
        figure("connectivity").unlink(missing_ok=True)
    else:
        draw_connectivity(z, parcels, title=scan.label, path=figure("connectivity"))


def _residuals(
    scan: Scan,
    run: Derivatives,
    series: np.ndarray,
    good: np.ndarray,
    tr_s: float,
    settings: FuncMeasureSettings,
) -> tuple[np.ndarray | None, Freedom | None, str | None]:
    """Cleaned series and what is left of them, or the cause why there is none."""
    task = scan.entities.get("task", "")
    if settings.tasks and task not in settings.tasks:
        named = ", ".join(settings.tasks)
        return None, None, f"task {task} gives no connectivity: func.tasks names {named} only"
    model = regressors(
        run.confounds,
        run.metadata,
        strategy=settings.strategy,
        components=settings.compcor_components,
        who=scan.who,
    )
    try:
        residuals, freedom = cleaned(
            series,
            model.to_numpy(float),
            good,
            tr_s=tr_s,
            low_hz=settings.band_low_hz,
            high_hz=settings.band_high_hz,
            order=settings.filter_order,
            penalty=movement_penalties(
                list(model.columns),
                known_to_mm=settings.movement_known_to_mm,
                radius_mm=settings.fd_radius_mm,
            ),
        )
    except QualityError as error:
        return None, None, str(error)
    if freedom.degrees <= 0:
        cause = (
            f"no degree of freedom is left: {freedom.retained} retained volumes of {tr_s:g} s hold "
            f"{freedom.in_band} independent samples between {settings.band_low_hz:g} and "
            f"{settings.band_high_hz:g} Hz, and the confounds of {settings.strategy} have rank "
            f"{freedom.rank:.3g}"
        )
        return None, freedom, cause
    return residuals, freedom, None


def _notes(
    run: Derivatives, parcels: Parcels, coverage: np.ndarray, settings: FuncMeasureSettings
) -> list[str]:
    lost = [
        name
        for name, share in zip(parcels.names, coverage, strict=True)
        if share < settings.min_parcel_coverage
    ]
    notes = [
        f"The Schaefer parcels (MNI152NLin6Asym) and the JHU-MNI structures lie on {run.space} by "
        "their headers: approximate, to about 2 mm."
    ]
    if lost:
        notes.append(f"Parcels with too little coverage: {', '.join(lost)}.")
    return notes


def _row(
    scan: Scan, marker: str, region: str, value: float, unit: str, *, flagged: bool = False
) -> Marker:
    session = scan.entities.get("ses", "")
    return Marker(
        participant_id=f"sub-{scan.entities['sub']}",
        session=f"ses-{session}" if session else "",
        modality="func",
        region=region,
        marker=marker,
        value=value,
        unit=unit,
        quality="flag" if flagged else "ok",
    )
