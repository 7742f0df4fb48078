"""Write down what made the results of this run."""

from pathlib import Path

from commissure.flow.job import running
from commissure.flow.made_by import made_by
from commissure.report.provenance import write_provenance

with running(snakemake) as job:
    write_provenance(
        Path(job.params.output_dir),
        settings=job.params.settings,
        command=job.params.command,
        root=Path(job.params.root),
        code=job.params.codes,
        made_by=made_by(
            Path(job.params.output_dir),
            tables=job.params.tables,
            settings=job.params.settings,
            folder=Path.cwd(),
        ),
    )
