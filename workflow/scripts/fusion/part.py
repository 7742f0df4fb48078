"""Compute a part of the fusion that needs neither permutations nor other parts."""

from pathlib import Path

from commissure.flow.job import running, study_tables
from commissure.fusion.run import fuse_part
from commissure.fusion.settings import FusionSettings

with running(snakemake) as job:
    fuse_part(
        **study_tables(job),
        settings=FusionSettings(**job.params.settings),
        part=snakemake.wildcards.part,
        out=Path(job.output[0]),
    )
