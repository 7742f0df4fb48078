"""Writing a simulated person and the tables of a simulated study as a BIDS dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from commissure import __version__
from commissure.files import write_json, write_table, write_text
from commissure.phantom.cohort.oracle import oracle_scores
from commissure.phantom.cohort.planted_effects import planted_effects
from commissure.phantom.cohort.tables import (
    PARTICIPANTS_COLUMNS,
    first_scans,
    groups_table,
    participants_table,
)
from commissure.phantom.cohort.treatments import TREATMENTS_COLUMNS, treatments_table
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.layout import LAST, TRUTH, sessions_file, truth_file
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.simulator import random_streams
from commissure.phantom.simulators import SIMULATORS
from commissure.rows import Marker, write_markers

#: Description of every column of ``sub-*_sessions.tsv``.
SESSIONS_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "age": {"Description": "Age at this scan", "Units": "year"},
    "site": {"Description": "Site of the scanner of this session"},
}

#: Number of the random stream that draws the head.
HEAD_STREAM = 0


def files_of(person: Person, protocol: Protocol) -> list[Path]:
    """Every file of a scanning session, relative to the dataset; the last one is written last."""
    files = [
        path
        for modality, simulator in SIMULATORS.items()
        if modality in person.modalities
        for path in simulator.files(person, protocol)
    ]
    return [*files, *(truth_file(person, *name) for name in LAST)]


def write_person(out: Path, person: Person, protocol: Protocol) -> None:
    """Simulate everything that a person had measured, and write it with its truth.

    Parameters
    ----------
    out
        The dataset.
    person
        Their ``modalities`` say what is written; the head is drawn in any case.
    protocol
        How they are measured.
    """
    streams = random_streams(person, HEAD_STREAM)
    anatomy = draw_anatomy(person, protocol, streams.lasting, lie=streams.scan)
    truth: list[Marker] = []
    events: dict[str, object] = {}
    for modality, simulator in SIMULATORS.items():
        if modality not in person.modalities:
            continue
        streams = random_streams(person, simulator.stream)
        measured = simulator.write(out, anatomy, person, protocol, streams)
        truth += _rows(person, modality, measured.truth)
        if measured.events:
            events[modality] = measured.events
    acquisition, markers = (truth_file(person, *name) for name in LAST)
    write_json(events, out / acquisition)
    write_markers(truth, out / markers)


def write_study(out: Path, people: Sequence[Person], description: str) -> None:
    """Write what belongs to the dataset as a whole: description, people, treatments.

    Parameters
    ----------
    out
        The dataset.
    people
        Everyone who was drawn.
    description
        How it was simulated, a sentence for the README.
    """
    write_json(
        {
            "Name": "Simulated cohort with known truth",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["Commissure's simulator"],
            "GeneratedBy": [{"Name": "commissure simulate", "Version": __version__}],
            "SourceDatasets": [
                {"URL": "https://www.bic.mni.mcgill.ca/ServicesAtlases/ICBM152NLin2009"}
            ],
        },
        out / "dataset_description.json",
    )
    write_text(_README.format(description=description, n=len(people)), out / "README.md")
    write_table(participants_table(people), out / "participants.tsv")
    write_json(PARTICIPANTS_COLUMNS, out / "participants.json")
    write_table(treatments_table(people), out / "sourcedata" / "treatments.tsv")
    write_json(TREATMENTS_COLUMNS, out / "sourcedata" / "treatments.json")
    for name in sorted({person.participant_id for person in people if person.session}):
        scans = [person for person in people if person.participant_id == name]
        rows = [
            {"session_id": f"ses-{scan.session}", "age": scan.age, "site": scan.site}
            for scan in scans
        ]
        write_table(pd.DataFrame(rows), out / sessions_file(scans[0]))
        write_json(SESSIONS_COLUMNS, out / "sessions.json")


def write_truth(out: Path, people: Sequence[Person], *, factor: float = 1.0) -> None:
    """Put everyone's truth together: markers measured, values asked for, groups, the oracle.

    Parameters
    ----------
    out
        The dataset.
    people
        Every scanning session.
    factor
        On the layer resistant - responsive, as the people were drawn.
    """
    paths = (out / truth_file(person, *LAST[-1]) for person in people)
    lines = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in paths]
    together = [lines[0][0], *(line for table in lines for line in table[1:])]
    write_text("".join(together), out / TRUTH / "markers.tsv")
    targets = [
        {
            "participant_id": person.participant_id,
            "session": f"ses-{person.session}" if person.session else None,
            "marker": marker,
            "region": region,
            "value": value,
        }
        for person in people
        for (marker, region), value in [
            *person.markers.items(),
            (("motion_scale_mm", "brain"), person.motion_scale_mm),
        ]
    ]
    write_table(pd.DataFrame(targets), out / TRUTH / "targets.tsv")
    write_table(planted_effects(), out / TRUTH / "effects.tsv")
    write_table(groups_table(people), out / TRUTH / "groups.tsv")
    oracle = oracle_scores(first_scans(people), factor)
    write_table(
        pd.DataFrame(list(oracle.items()), columns=["participant_id", "score"]),
        out / TRUTH / "oracle.tsv",
    )
    scanners = {person.site: asdict(person.scanner) for person in people}
    write_json(dict(sorted(scanners.items())), out / TRUTH / "scanners.json")


def unit_of(marker: str) -> str:
    """Unit of a true marker, as in the column ``unit``."""
    return next((s.units[marker] for s in SIMULATORS.values() if marker in s.units), "1")


_README = """# A simulated cohort with known truth

{n} people who do not exist: {description}.

Nothing here says anything about patients. The dataset serves to see whether software finds what was
planted. What was planted lies in `sourcedata/truth/`:

- `parameters.json`: the request; the same request gives the same bytes
- `markers.tsv`: true value of every marker of every image, without noise
- `targets.tsv`: the values that each person was drawn with, before they became images
- `effects.tsv`: mean, spread, effects and their sources, marker by marker
- `groups.tsv`: the group of each person, and the label due to them
- `oracle.tsv`: log-likelihood ratio, resistant against responsive, of each patient's true markers
- `scanners.json`: how the sites differ
- `sub-*/*_motion.tsv`: true head motion, volume by volume (mm and rad)
- `sub-*/*_acquisition.json`: what else happened: slices that lost signal, shots that went wrong,
  how the head had moved since the T1w, the tissue in the spectroscopy voxel

`sourcedata/treatments.tsv` has the courses of treatment from which the label follows.
"""


def _rows(
    person: Person, modality: str, truth: Mapping[tuple[str, str], float]
) -> Iterator[Marker]:
    session = f"ses-{person.session}" if person.session else ""
    for (marker, region), value in truth.items():
        yield Marker(
            person.participant_id, session, modality, region, marker, float(value), unit_of(marker)
        )
