"""Read the results that another tool left of everybody."""

from commissure.engines.ingress.settings import read_ingress
from commissure.flow.job import running
from commissure.markers.ingress import write_ingested

with running(snakemake) as job:
    write_ingested(read_ingress(job.params.settings), job.output.markers, job.output.record)
