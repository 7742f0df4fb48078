"""Gather how every image was acquired, and every quality value."""

from pathlib import Path

from commissure.files import write_table
from commissure.flow.job import running
from commissure.markers.acquisition_table import acquisition_table
from commissure.markers.outcomes import outcomes, quality_table
from commissure.outputs import TOOL_QUALITY
from commissure.report.standing import distributions, with_tools
from commissure.report.subjects.page_tables import write_distributions

with running(snakemake) as job:
    done = outcomes(job.input.statuses, job.params.output_dir)
    quality = quality_table(done)
    write_table(quality, job.output.quality)
    compared = with_tools(quality, TOOL_QUALITY.read_file(Path(job.input.tool_quality)))
    write_distributions(distributions(compared), job.output.distributions)
    write_table(acquisition_table(job.input.manifests, job.params.bids_dir), job.output.acquisition)
