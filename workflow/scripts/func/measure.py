"""Measure motion, tSNR and network connectivity of one batch of people."""

from commissure.func.derivatives import FuncMeasured
from commissure.func.measure import measure
from commissure.func.settings import FuncMeasureSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="func",
        step="measure",
        compute=measure,
        settings_type=FuncMeasureSettings,
        files=FuncMeasured,
    )
