"""Measure tensor and tract averages of one batch of people."""

from commissure.dwi.derivatives import DwiMeasured
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiMeasureSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="dwi",
        step="measure",
        compute=measure,
        settings_type=DwiMeasureSettings,
        files=DwiMeasured,
    )
