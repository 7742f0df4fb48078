"""Compare the strategies of denoising: which leaves least of head motion in connectivity."""

from pathlib import Path

from commissure.files import read_table, write_json, write_table
from commissure.flow.job import running
from commissure.markers.selection import read_exclusions
from commissure.outputs import PARTICIPANTS, VISITS
from commissure.study.qc_fc import cohort_edges, qc_fc
from commissure.study.qc_fc_settings import QcFcSettings

with running(snakemake) as job:
    cohort = cohort_edges(
        job.input.statuses,
        Path(job.params.output_dir),
        read_exclusions(Path(job.input.exclusions)),
        VISITS.read_file(Path(job.input.visits)),
    )
    table, record = qc_fc(
        cohort,
        read_table(job.input.people, text=PARTICIPANTS.text),
        QcFcSettings(**job.params.settings),
        min_degrees_of_freedom=job.params.min_degrees_of_freedom,
    )
    write_table(table, job.output.table)
    write_json(record, job.output.record)
