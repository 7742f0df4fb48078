"""Run fMRIPrep for one batch of people, and take over what it left."""

from commissure.flow.container import run_fmriprep
from commissure.flow.job import running

with running(snakemake) as job:
    run_fmriprep(job, threads=snakemake.threads, mem_mb=snakemake.resources.mem_mb)
