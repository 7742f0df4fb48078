"""Fit and test the models; labels enter here and nowhere before."""

from pathlib import Path

from commissure.flow.collect import optional
from commissure.flow.job import running
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings

with running(snakemake) as job:
    fuse(
        markers=Path(job.input.markers),
        definitions=Path(job.input.definitions),
        exclusions=Path(job.input.exclusions),
        participants=Path(job.input.people),
        treatments=optional(job.input.treatments),
        treatment_columns=job.params.treatment_columns,
        site_column="site",
        nulls=[Path(part) for part in job.input.nulls],
        settings=FusionSettings(**job.params.settings),
        out=Path(job.output.metrics).parent,
        progress=job.say,
    )
