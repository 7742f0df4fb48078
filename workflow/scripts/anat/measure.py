"""Measure volumes of one batch of people."""

from commissure.anat.derivatives import AnatMeasured
from commissure.anat.measure import measure
from commissure.anat.settings import AnatMeasureSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="anat",
        step="measure",
        compute=measure,
        settings_type=AnatMeasureSettings,
        files=AnatMeasured,
    )
