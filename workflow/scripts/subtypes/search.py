"""Look for groups among people, and put them to the test; no cluster sees the outcome."""

from pathlib import Path

from commissure.flow.job import running
from commissure.study.settings import StudySettings
from commissure.subtypes.run import run_subtypes
from commissure.subtypes.settings import SubtypesSettings

with running(snakemake) as job:
    run_subtypes(
        markers=Path(job.input.markers),
        definitions=Path(job.input.definitions),
        exclusions=Path(job.input.exclusions),
        visits=Path(job.input.visits),
        participants=Path(job.input.people),
        labels=Path(job.input.labels),
        study=StudySettings(**job.params.study),
        settings=SubtypesSettings(**job.params.settings),
        out=Path(job.output.record).parent,
        progress=job.say,
    )
