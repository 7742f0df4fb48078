"""Join the markers of all modalities, and say what is missing or left out, and why."""

from commissure.engines.ingress.settings import read_ingress
from commissure.files import write_json, write_table, write_visit_tables
from commissure.flow.job import optional, running
from commissure.markers.completeness import completeness
from commissure.markers.ingress import read_results, with_tools
from commissure.markers.mriqc_limits import judged_images, mriqc_exclusions
from commissure.markers.outcomes import dwi_quality, marker_files, outcomes
from commissure.markers.registry import definitions, products
from commissure.markers.settings import MarkersSettings, SessionsSettings, read_tables
from commissure.markers.table import definition_record, exclusions, marker_table
from commissure.markers.visits import visit_table
from commissure.outputs import CAUTIONS
from commissure.study.people import read_people, with_progression
from commissure.study.settings import ParticipantsSettings

with running(snakemake) as job:
    tables, done = read_tables(job.params.tables), outcomes(job.input.statuses, job.params.output_dir)
    tools, limits = read_results(job.input.tools, job.input.tool_records, set(done["participant_id"])), MarkersSettings(**job.params.settings)
    markers, cautions = marker_table(marker_files(done), tables, job.say, acquisitions=limits.acquisitions, tools=tools)
    visits, told = visit_table(markers, SessionsSettings(**job.params.sessions), job.input.sessions, imaged=done)
    people, messages = read_people(optional(job.input.people), settings=ParticipantsSettings(**job.params.participants), present=visits["participant_id"])
    markers, checks, unfenced = judged_images(markers, people, limits)
    write_table(with_progression(people, job.input.best), job.output.people)
    write_table(with_tools(completeness(done, people=people["participant_id"].tolist(), products=products(), command=job.params.command), tools, people["participant_id"].tolist()), job.output.completeness)
    write_table(exclusions(markers, people["participant_id"].tolist(), limits, more=mriqc_exclusions(markers, checks, limits), rating_files=job.input.ratings, study=job.params.study), job.output.exclusions)
    write_table(CAUTIONS.frame((c,) for c in [*messages, *cautions, *told, *unfenced]), job.output.cautions)
    write_json(definition_record(definitions(tables, map(read_ingress, job.params.ingress)), markers), job.output.definitions)
    write_visit_tables({job.output.visits: visits, job.output.dwi_quality: dwi_quality(done), job.output.tool_quality: checks, job.output.markers: markers})
