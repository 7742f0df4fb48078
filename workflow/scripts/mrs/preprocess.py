"""Preprocess the spectra of one batch of people."""

from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="mrs",
        step="preprocess",
        compute=preprocess,
        settings_type=MrsPreprocessSettings,
        files=MrsFiles,
    )
