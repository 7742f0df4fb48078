"""Join the markers of all modalities, and say what is missing or left out, and why."""

from commissure.flow.job import optional, running
from commissure.markers.outcomes import dwi_quality, marker_files, outcomes
from commissure.study.people import read_people
from commissure.study.settings import ParticipantsSettings
from commissure.markers.completeness import completeness
from commissure.markers.registry import definitions, products
from commissure.markers.settings import MarkersSettings, SessionsSettings, read_tables
from commissure.markers.table import definition_record, exclusions, marker_table
from commissure.markers.visits import visit_table
from commissure.files import write_json, write_table
from commissure.outputs import CAUTIONS

with running(snakemake) as job:
    tables = read_tables(job.params.tables)
    done = outcomes(job.input.statuses, job.params.output_dir)
    limits = MarkersSettings(**job.params.settings)
    markers, cautions = marker_table(marker_files(done), tables, job.say, acquisitions=limits.acquisitions)
    visits, told = visit_table(markers, SessionsSettings(**job.params.sessions), job.input.sessions, imaged=done)
    people, messages = read_people(optional(job.input.people), settings=ParticipantsSettings(**job.params.participants), present=visits["participant_id"])
    everybody = list(people["participant_id"])
    write_table(people, job.output.people)
    write_table(visits.replace({"session": {"": None}}), job.output.visits)
    write_table(completeness(done, people=everybody, products=products(), command=job.params.command), job.output.completeness)
    write_table(exclusions(markers, everybody, limits), job.output.exclusions)
    write_table(dwi_quality(done), job.output.dwi_quality)
    write_table(CAUTIONS.frame((c,) for c in [*messages, *cautions, *told]), job.output.cautions)
    write_json(definition_record(definitions(tables), markers), job.output.definitions)
    write_table(markers.replace({"session": {"": None}}), job.output.markers)
