"""Learn charts over age, sex and site from the controls, and how far each person deviates."""

from pathlib import Path

from commissure.flow.job import running
from commissure.normative.run import run_normative
from commissure.normative.settings import NormativeSettings

with running(snakemake) as job:
    run_normative(
        markers=Path(job.input.markers),
        definitions=Path(job.input.definitions),
        exclusions=Path(job.input.exclusions),
        visits=Path(job.input.visits),
        participants=Path(job.input.people),
        settings=NormativeSettings(**job.params.settings),
        out=Path(job.output.record).parent,
        progress=job.say,
    )
