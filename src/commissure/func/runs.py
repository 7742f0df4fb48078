"""The runs of a visit: each made ready on its own, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.checks import Check
from commissure.files import read_table
from commissure.func.denoising import (
    in_band_samples,
)
from commissure.func.derivatives import FuncFiles, PreprocessedRun, read_preprocessed
from commissure.func.displacement import with_displacement_that_counts
from commissure.func.parcels import (
    Parcels,
    ParcelSeries,
    parcel_series,
    parcel_tsnr,
    parcels_on_grid,
)
from commissure.func.placement import TemplateBorder, placement_checks
from commissure.func.quality import run_checks, series_checks, temporal_snr
from commissure.func.regressors import (
    chosen_strategy,
    good_volumes,
    steady_volumes,
)
from commissure.func.seeds import seed_series
from commissure.func.settings import FuncMeasureSettings
from commissure.func.timing import repetition_time_s
from commissure.images.atlas import Atlas
from commissure.images.template import SPACES
from commissure.names import Scan

#: Runs are fitted together where their repetition times differ by less than this share.
SAME_TR = 0.01


@dataclass(frozen=True)
class ParcelRun:
    """One preprocessed run as parcel series, judged by itself.

    Attributes
    ----------
    scan
        The raw run.
    tr_s
        Repetition time.
    confounds, metadata
        Its confounds with the framewise displacement that counts, and the JSON beside them.
    displacement
        Which framewise displacement counts, in words.
    parcels, means
        Which parcels lie where, and their series.
    series
        Shape (T, P and seeds): the series of the parcels that have signal, NaN for the others, and
        those of the seeds.
    dark
        Boolean, shape (P,): parcels with too little signal over noise in time.
    good
        Boolean, shape (T,): volumes that count.
    tsnr
        Median over the brain, steady volumes alone.
    checks
        All but those of length.
    notes
        What of its place could not be judged.
    """

    scan: Scan
    tr_s: float
    confounds: pd.DataFrame
    metadata: Mapping[str, Any]
    displacement: str
    parcels: Parcels
    means: ParcelSeries
    series: np.ndarray
    dark: np.ndarray
    good: np.ndarray
    tsnr: float
    checks: list[Check]
    notes: tuple[str, ...] = ()

    @property
    def minutes_kept(self) -> float:
        """Minutes of the volumes that count."""
        return float(self.good.sum() * self.tr_s / 60)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self.checks if check.passed is False]


def parcel_run(
    scan: Scan,
    folder: Path,
    cortex: Atlas,
    settings: FuncMeasureSettings,
    border: TemplateBorder | None,
) -> tuple[ParcelRun, PreprocessedRun, np.ndarray]:
    """Read a preprocessed run, average its parcels and judge it; its brain's voxels (V, T).

    Raises
    ------
    DatasetError
        A derivative is missing or does not fit.
    """
    tr_s = repetition_time_s(scan)
    run = read_preprocessed(scan, folder)
    confounds, displacement = with_displacement_that_counts(
        run.confounds,
        tr_s=tr_s,
        radius_mm=settings.fd_radius_mm,
        filtered=settings.fd_breathing_filter,
    )
    bold = np.asanyarray(run.series.dataobj)
    brain = np.asanyarray(run.mask.dataobj) > 0
    parcels = parcels_on_grid(cortex, bold.shape[:3], run.series.affine)
    means = parcel_series(bold, brain, parcels, min_coverage=settings.min_parcel_coverage)
    voxels = bold[brain]
    first = int(np.argmax(steady_volumes(confounds)))
    voxel_tsnr = temporal_snr(voxels[:, first:])
    dark = parcel_tsnr(voxel_tsnr, brain, parcels) < settings.min_parcel_tsnr
    seeds = seed_series(
        voxels,
        brain,
        run.series.affine,
        voxel_tsnr,
        min_coverage=settings.min_parcel_coverage,
        min_tsnr=settings.min_parcel_tsnr,
        min_cortical_tsnr=settings.min_sgacc_tsnr,
    )
    good = good_volumes(confounds, fd_threshold_mm=settings.fd_threshold_mm)
    tsnr = float(np.nanmedian(voxel_tsnr))
    usable = np.where(dark, 0.0, means.coverage)
    checks = run_checks(confounds, good, usable, run.mask, tsnr=tsnr, settings=settings)
    checks += series_checks(run.boldref, run.sidecar)
    placed, notes = placement_checks(run, border)
    judged = ParcelRun(
        scan=scan,
        tr_s=tr_s,
        confounds=confounds,
        metadata=run.metadata,
        displacement=displacement,
        parcels=parcels,
        means=means,
        series=np.hstack([np.where(dark, np.nan, means.series), seeds]),
        dark=dark,
        good=good,
        tsnr=tsnr,
        checks=[*checks, *placed],
        notes=tuple(notes),
    )
    return judged, run, voxels


@dataclass(frozen=True)
class Length:
    """How long a preprocessed run is: known without its series."""

    scan: Scan
    volumes: int
    tr_s: float


def runs_together(scan: Scan, runs: Sequence[Scan], folder: Path) -> list[Length]:
    """The runs that are fitted together with a run, itself among them, in the order of names.

    Parameters
    ----------
    scan
        The run.
    runs
        Runs of the same task and visit; those that are not preprocessed, or of another repetition
        time, stay out. Empty where each is measured alone.
    folder
        Where the derivatives lie.
    """
    lengths = []
    for each in sorted({run.path: run for run in (*runs, scan)}.values(), key=lambda r: r.path):
        tables = [FuncFiles.of(each, folder, space=space).confounds for space in SPACES]
        table = next((path for path in tables if path.exists()), None)
        if table is not None:
            lengths.append(Length(each, len(read_table(table)), repetition_time_s(each)))
    tr_s = repetition_time_s(scan)
    return [each for each in lengths if abs(each.tr_s - tr_s) < SAME_TR * tr_s]


def strategy_for(lengths: Sequence[Length], settings: FuncMeasureSettings) -> str:
    """Name of the strategy for runs of these lengths."""
    return chosen_strategy(
        settings.strategy,
        [
            in_band_samples(
                each.volumes,
                tr_s=each.tr_s,
                low_hz=settings.band_low_hz,
                high_hz=settings.band_high_hz,
            )
            for each in lengths
        ],
        components=settings.compcor_components,
        min_degrees_of_freedom=settings.min_degrees_of_freedom,
    )
