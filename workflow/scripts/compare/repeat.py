"""Measure a few people again with their inputs moved by the last digit."""

from pathlib import Path

from commissure.flow.job import running
from commissure.flow.tolerances import measure_again

with running(snakemake) as job:
    measure_again(
        Path(job.output.markers),
        settings=job.params.settings,
        people=job.params.people,
        seed=job.params.settings["tolerances"]["seed"] + int(snakemake.wildcards.repeat),
        snakefile=Path(job.params.snakefile),
        cores=snakemake.threads,
        log=job.log,
    )
