"""Preprocess the BOLD series of one batch of people."""

from commissure.func.derivatives import FuncFiles
from commissure.func.builtin.preprocess import preprocess
from commissure.func.settings import FuncPreprocessSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="func",
        step="preprocess",
        compute=preprocess,
        settings_type=FuncPreprocessSettings,
        files=FuncFiles,
    )
