"""Gather the lesions and the responses of everybody."""

from commissure.files import write_table
from commissure.flow.job import running
from commissure.markers.lesion_tables import gathered
from commissure.markers.outcomes import outcomes
from commissure.outputs import BEST_RESPONSE, LESIONS, RESPONSE

with running(snakemake) as job:
    done = outcomes(job.input.statuses, job.params.output_dir)
    write_table(gathered(done, "lesions", LESIONS), job.output.lesions)
    write_table(gathered(done, "response", RESPONSE), job.output.response)
    write_table(gathered(done, "bestresponse", BEST_RESPONSE), job.output.best)
