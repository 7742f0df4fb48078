"""Preprocess the diffusion series of one batch of people."""

from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.settings import DwiSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(job, preprocess, DwiSettings)
