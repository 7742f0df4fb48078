"""Write what each marker moves by where only the last digit of the input changes."""

from pathlib import Path

from commissure.compare.tolerances import write_tolerances
from commissure.flow.job import running

with running(snakemake) as job:
    write_tolerances(
        [Path(job.input.markers), *map(Path, job.input.repeats)],
        job.params.people,
        Path(job.output.tolerances),
    )
