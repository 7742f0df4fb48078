"""Write the page of each person of one batch."""

from pathlib import Path

from commissure.dataset.index import read_entries
from commissure.files import write_text
from commissure.flow.job import running
from commissure.report.settings import ReportSettings
from commissure.report.subjects.page import write_pages
from commissure.report.subjects.page_tables import imaged_people, page_tables_of, read_distributions

with running(snakemake) as job:
    output_dir, statuses = Path(job.params.output_dir), list(job.input.statuses)
    people = {entry.participant_id for entry in read_entries(Path(job.input.manifest))}
    job.written.extend(
        write_pages(
            people,
            output_dir,
            statuses=statuses,
            tables=page_tables_of(people, output_dir, statuses),
            everybody=imaged_people(Path(job.input.index), job.params.modalities),
            known=read_distributions(job.input.distributions),
            settings=ReportSettings(**job.params.settings),
            study=job.params.study,
            code=job.params.code,
        )
    )
    write_text("".join(f"{path.name}\n" for path in job.written), job.output.listing)
