"""Compare the markers with the truth of a simulated cohort."""

from commissure.flow.job import running
from commissure.markers.oracle import learned_from_truth, oracle_table
from commissure.markers.recovery import false_positives, recovery, truth_pairs
from commissure.files import read_table, write_json, write_table
from commissure.rows import read_markers

with running(snakemake) as job:
    truth, found = read_markers(str(job.input.truth)), read_markers(job.input.markers)
    labels = read_table(job.input.labels)
    pairs = truth_pairs(truth, found)
    write_table(pairs.replace({"session": {"": None}}), job.output.pairs)
    write_table(recovery(pairs, labels), job.output.recovery)
    write_json(false_positives(pairs, labels), job.output.false_positives)
    oracle = oracle_table(job.input.oracle, learned_from_truth(truth, labels))
    write_table(oracle, job.output.oracle)
