"""Write down what made the results of this run."""

from pathlib import Path

from commissure.flow.job import running
from commissure.report.provenance import write_provenance

with running(snakemake) as job:
    write_provenance(
        run=Path(job.output.run),
        config=Path(job.output.config),
        description=Path(job.output.description),
        crate=Path(job.output.crate),
        settings=job.params.settings,
        command=job.params.command,
        root=Path(job.params.root),
    )
