"""Preprocess the diffusion series of one batch of people."""

from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="dwi",
        step="preprocess",
        compute=preprocess,
        settings_type=DwiPreprocessSettings,
        files=DwiFiles,
    )
