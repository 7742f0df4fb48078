"""Compare the markers with the truth of a simulated cohort."""

from commissure.flow.job import running
from commissure.markers.recovery import recovery, truth_pairs
from commissure.rows import read_markers, read_table, write_table

with running(snakemake) as job:
    truth, found = read_markers(str(job.input.truth)), read_markers(job.input.markers)
    pairs = truth_pairs(truth, found)
    write_table(pairs.replace({"session": {"": None}}), job.output.pairs)
    write_table(recovery(pairs, read_table(job.input.labels)), job.output.recovery)
