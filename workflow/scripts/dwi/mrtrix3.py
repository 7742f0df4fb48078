"""Preprocess the diffusion series of one batch of people with MRtrix3."""

from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.engines.mrtrix3.preprocess import preprocess
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
