"""Tables of the people of a simulated study: what a reader sees, and what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from commissure.modalities import BY_DEFAULT
from commissure.phantom.person import Person


def first_scans(people: Sequence[Person]) -> list[Person]:
    """Everybody once: as they were at their first scan."""
    first: dict[str, Person] = {}
    for person in people:
        first.setdefault(person.participant_id, person)
    return list(first.values())


def participants_table(people: Sequence[Person]) -> pd.DataFrame:
    """``participants.tsv``: patients are patients, their label follows from their treatments."""
    columns = [name for name in PARTICIPANTS_COLUMNS if name not in ("age", "sex", "site", "group")]
    return pd.DataFrame(
        [
            {
                "participant_id": person.participant_id,
                "age": person.age,
                "sex": person.sex,
                "site": person.site,
                "group": "control" if person.group == "control" else "patient",
                **{name: person.clinical.get(name) for name in columns},
            }
            for person in first_scans(people)
        ]
    ).astype({name: "Int64" for name in columns if name != "age_at_onset"})


def groups_table(people: Sequence[Person]) -> pd.DataFrame:
    """``sourcedata/truth/groups.tsv``: the group a person was drawn from, and the label due."""
    return pd.DataFrame(
        [
            {
                "participant_id": person.participant_id,
                "site": person.site,
                "group": person.group,
                "label": person.label,
                "modalities": ",".join(m for m in BY_DEFAULT if m in person.modalities) or None,
            }
            for person in first_scans(people)
        ]
    )


#: Description of every column of ``participants.tsv``.
PARTICIPANTS_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "age": {"Description": "Age at the scan", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "site": {"Description": "Site of the scanner"},
    "group": {
        "Description": "Control or patient; whether a patient is resistant follows from "
        "sourcedata/treatments.tsv",
        "Levels": {"control": "healthy control", "patient": "schizophrenia"},
    },
    "age_at_onset": {
        "Description": "Age at the first psychotic episode; n/a for controls",
        "Units": "year",
    },
    "education_years": {"Description": "Years of education", "Units": "year"},
    "baseline_panss_total": {
        "Description": "PANSS total (30 to 210) before the first antipsychotic; n/a for controls"
    },
    "current_panss_total": {
        "Description": "PANSS total (30 to 210) after the last trial, which defines the label and "
        "must not predict it; n/a for controls"
    },
    "sofas": {
        "Description": "Social and Occupational Functioning Assessment Scale (0 to 100) at the "
        "scan, which enters the label and must not predict it"
    },
}
