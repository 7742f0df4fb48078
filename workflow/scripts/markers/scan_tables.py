"""Gather how every image was acquired, and every quality value."""

from commissure.files import write_table
from commissure.flow.job import running
from commissure.markers.acquisition_table import acquisition_table
from commissure.markers.outcomes import outcomes, quality_table

with running(snakemake) as job:
    done = outcomes(job.input.statuses, job.params.output_dir)
    write_table(quality_table(done), job.output.quality)
    write_table(acquisition_table(job.input.manifests, job.params.bids_dir), job.output.acquisition)
