"""Preprocess the T1w images of one batch of people."""

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.settings import AnatPreprocessSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running
from commissure.images.anat_files import AnatFiles

with running(snakemake) as job:
    run_batch(
        job,
        modality="anat",
        step="preprocess",
        compute=preprocess,
        settings_type=AnatPreprocessSettings,
        files=AnatFiles,
    )
