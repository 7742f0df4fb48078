"""Write the page of each person of one batch."""

from pathlib import Path

from commissure.dataset.index import read_entries
from commissure.files import write_text
from commissure.flow.job import running
from commissure.report.settings import ReportSettings
from commissure.report.subjects.page import read_page_tables, write_pages

with running(snakemake) as job:
    job.written.extend(
        write_pages(
            {entry.participant_id for entry in read_entries(Path(job.input.manifest))},
            Path(job.params.output_dir),
            statuses=list(job.input.statuses),
            tables=read_page_tables(Path(job.params.output_dir)),
            settings=ReportSettings(**job.params.settings),
            study=job.params.study,
            code=job.params.code,
        )
    )
    write_text("".join(f"{path.name}\n" for path in job.written), job.output.listing)
