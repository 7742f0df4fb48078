"""Measure volumes of one batch of people."""

from commissure.anat.measure import measure
from commissure.anat.settings import AnatSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(job, measure, AnatSettings)
