"""The people of a study, from participants.tsv or a table of the lab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.files import read_table
from commissure.outputs import BEST_RESPONSE, PARTICIPANTS
from commissure.study.labels.vocabulary import CONTROL, means_control
from commissure.study.people_check import (
    GROUP_IN_FILE,
    IN_FILE,
    LISTED,
    STANDARD,
    CheckedPeople,
    check_people,
)
from commissure.study.people_values import age_in_years
from commissure.study.settings import ParticipantsSettings
from commissure.tables.identifiers import compare_people

#: Columns of the people: days from the baseline to progression or to the last visit, and which.
DAYS, PROGRESSED = "days_to_progression", "progressed"


def read_people(
    path: Path | None, *, settings: ParticipantsSettings, present: Iterable[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Read the people of a study.

    Parameters
    ----------
    path
        The table, or None where the dataset has none: then the people are those of ``present``.
    settings
        Names of the columns.
    present
        Participants who have images, with prefix; those without a row are added, n/a throughout.

    Returns
    -------
    people
        ``participant_id`` (with prefix), ``age`` (years), ``sex``, ``site``, ``group`` (``control``
        for the values that mean so), ``family``, ``listed`` (whether the file names the person),
        then the file's other columns as they are, those aside that look personal, and
        ``group_in_file`` where the group was written anew. Sorted by participant.
    cautions
        Sentences for the reader; no person is named.

    Raises
    ------
    ConfigError
        A column that the configuration names is not in the file.
    DatasetError
        The table is refused by :func:`commissure.study.people_check.check_people`, or names nobody
        of those who have images.
    """
    present = sorted(set(present))
    checked = check_people(path, settings=settings)
    cautions = list(checked.cautions)
    if path is None:
        table = pd.DataFrame({"participant_id": pd.Series(present, dtype=str)})
    else:
        compare_people(checked.people, present, file=path.name)
        table = _listed_people(path, checked)
    for name in STANDARD:
        if name not in table:
            table[name] = None
    table["age"] = pd.to_numeric(table["age"].map(age_in_years), errors="coerce")
    control = np.array([means_control(value, settings.control) for value in table["group"]], bool)
    if (table.loc[control, "group"] != CONTROL).any():
        table[GROUP_IN_FILE] = table["group"]
        table.loc[control, "group"] = CONTROL
    table[LISTED] = path is not None
    unlisted = sorted(set(present) - set(table["participant_id"]))
    if unlisted:
        added = pd.DataFrame({"participant_id": unlisted, LISTED: False})
        table = pd.concat([table, added], ignore_index=True)
    if unlisted and path is not None:
        cautions.append(
            f"{path.name} does not name {len(unlisted)} of {len(present)} people with "
            "measurements: nothing else is known of them."
        )
    first = PARTICIPANTS.names
    rest = [name for name in table if name not in first]
    return table[first + rest].sort_values("participant_id", ignore_index=True), cautions


def with_progression(people: pd.DataFrame, best: Iterable[Path]) -> pd.DataFrame:
    """The people with the time to progression, where lesions were followed.

    :data:`DAYS` are those from the baseline to progression, or to the last visit without it;
    :data:`PROGRESSED` is 1 or 0. Both are missing where no days are known. A column that the
    people have already stays as it is.

    Parameters
    ----------
    people
        Of :func:`read_people`.
    best
        ``best_response.tsv`` of the run, if there is one.
    """
    for path in best:
        rows = BEST_RESPONSE.read_file(Path(path)).set_index("participant_id")
        progressed = rows["progression_session"].fillna("").ne("")
        # Without the day of progression nothing is known, not even that it came late.
        days = rows["progression_day"].astype(float).where(progressed, rows["last_day"])
        days = days.astype(float).where(days.astype(float) > 0)
        happened = progressed.astype(float).where(days.notna())
        for name, column in ((DAYS, days), (PROGRESSED, happened)):
            if name not in people:
                people = people.assign(**{name: people["participant_id"].map(column)})
    return people


def _listed_people(path: Path, checked: CheckedPeople) -> pd.DataFrame:
    """The rows of the file with our identifiers and the standard names of the columns."""
    words = [checked.standard[name] for name in STANDARD[1:] if name in checked.standard]
    table = read_table(path, text=[checked.id_column, *words]).drop(columns=list(checked.personal))
    for name, column in {"participant_id": checked.id_column, **checked.standard}.items():
        if column != name:
            table = table.drop(columns=[name], errors="ignore").rename(columns={column: name})
    table = table.rename(columns={k: v for k, v in IN_FILE.items() if k not in checked.standard})
    table["participant_id"] = list(checked.people)
    for name in STANDARD[1:]:
        if name in table:
            spelling = checked.written.get(name, {})
            table[name] = [_written(cell, spelling) for cell in table[name]]
    return table


def _written(cell: object, spelling: Mapping[str, str]) -> str | None:
    """A cell as the run's table has it; None where it means nothing."""
    text = cell.strip() if isinstance(cell, str) else ""
    return spelling.get(text, text) or None
