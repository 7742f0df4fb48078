"""Write the text of methods and the checklists."""

from pathlib import Path

from commissure.files import read_table
from commissure.flow.job import running
from commissure.outputs import PARTICIPANTS
from commissure.report.reporting_files import write_reporting

with running(snakemake) as job:
    write_reporting(
        Path(job.params.output_dir),
        statuses=list(job.input.statuses),
        participants=read_table(job.input.people, text=PARTICIPANTS.text),
        config_text=Path(job.input.config).read_text(encoding="utf-8"),
        bids=job.params.bids_dir and Path(job.params.bids_dir),
        manifests=list(job.input.manifests),
    )
