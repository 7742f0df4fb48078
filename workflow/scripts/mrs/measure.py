"""Measure tissue-corrected concentrations of one batch of people."""

from commissure.mrs.derivatives import MrsMeasured
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsMeasureSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="mrs",
        step="measure",
        compute=measure,
        settings_type=MrsMeasureSettings,
        files=MrsMeasured,
    )
