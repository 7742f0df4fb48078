"""Run a part of the permutation test."""

from pathlib import Path

from commissure.flow.job import running, study_tables
from commissure.fusion.run import permute
from commissure.fusion.settings import FusionSettings

with running(snakemake) as job:
    permute(
        **study_tables(job),
        settings=FusionSettings(**job.params.settings),
        part=int(snakemake.wildcards.part),
        parts=job.params.parts,
        block=job.params.block,
        out=Path(job.output[0]),
    )
