"""Fit and test the models; labels enter here and nowhere before."""

from pathlib import Path

from commissure.flow.job import running, study_tables
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings

with running(snakemake) as job:
    fuse(
        **study_tables(job),
        nulls=[Path(part) for part in job.input.nulls],
        parts=[Path(part) for part in job.input.parts],
        settings=FusionSettings(**job.params.settings),
        out=Path(job.output.metrics).parent,
        progress=job.say,
        block=job.params.block,
    )
