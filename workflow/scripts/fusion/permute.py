"""Run a part of the permutation test."""

from pathlib import Path

from commissure.flow.collect import optional
from commissure.flow.job import running
from commissure.fusion.run import permute
from commissure.fusion.settings import FusionSettings

with running(snakemake) as job:
    permute(
        markers=Path(job.input.markers),
        definitions=Path(job.input.definitions),
        exclusions=Path(job.input.exclusions),
        participants=Path(job.input.people),
        treatments=optional(job.input.treatments),
        treatment_columns=job.params.treatment_columns,
        site_column="site",
        settings=FusionSettings(**job.params.settings),
        part=int(snakemake.wildcards.part),
        out=Path(job.output[0]),
    )
