"""Learn an encoder on the controls of the run."""

from pathlib import Path

from commissure.flow.job import running
from commissure.representation.run import run_representation
from commissure.representation.settings import RepresentationSettings

with running(snakemake) as job:
    run_representation(
        Path(job.input.markers).parent,
        out=Path(job.output.encoder).parent,
        settings=RepresentationSettings(**job.params.settings),
        progress=job.say,
    )
