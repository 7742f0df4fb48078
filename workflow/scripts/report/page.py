"""Write the report: one self-contained page."""

from pathlib import Path

from commissure.flow.job import running
from commissure.report.page import write_report
from commissure.report.settings import ReportSettings
from commissure.files import read_table
from commissure.outputs import PARTICIPANTS

with running(snakemake) as job:
    write_report(
        Path(job.params.output_dir),
        Path(job.output[0]),
        statuses=list(job.input.statuses),
        participants=read_table(job.input.people, text=PARTICIPANTS.text),
        settings=ReportSettings(**job.params.settings),
        config_text=Path(job.input.config).read_text(encoding="utf-8"),
        ratings=list(job.input.ratings),
        study=job.params.study,
    )
