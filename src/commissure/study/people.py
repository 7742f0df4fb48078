"""The people of a study, from participants.tsv or a table of the lab."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from commissure.files import read_table
from commissure.names import participant_label
from commissure.outputs import PARTICIPANTS
from commissure.study.labels.vocabulary import CONTROL, means_control
from commissure.study.people_check import STANDARD, missing_column, refuse_duplicates
from commissure.study.settings import ParticipantsSettings


def read_people(
    path: Path | None, *, settings: ParticipantsSettings, present: Iterable[str] = ()
) -> pd.DataFrame:
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
    pandas.DataFrame
        ``participant_id`` (with prefix), ``age`` (years), ``sex``, ``site``, ``group`` (``control``
        for the values that mean so), ``listed`` (whether the file names the person), then the
        file's other columns as they are. Sorted by participant.

    Raises
    ------
    ConfigError
        A column that the configuration names is not in the file.
    DatasetError
        The file cannot be read, or names a person twice.
    """
    present = sorted(set(present))
    if path is None:
        table = pd.DataFrame({"participant_id": pd.Series(present, dtype=str)})
    else:
        table = _listed_people(path, settings)
    table = _with_standard_columns(table, settings, path)
    table["age"] = pd.to_numeric(table["age"], errors="coerce")
    for name in ("sex", "site", "group"):
        text = table[name].astype("object")
        table[name] = text.where(text.isna(), text.astype(str))
    control = [means_control(value, settings.control) for value in table["group"]]
    table.loc[control, "group"] = CONTROL
    table["listed"] = path is not None
    unlisted = sorted(set(present) - set(table["participant_id"]))
    if unlisted:
        added = pd.DataFrame({"participant_id": unlisted, "listed": False})
        table = pd.concat([table, added], ignore_index=True)
    first = PARTICIPANTS.names
    rest = [name for name in table if name not in first]
    return table[first + rest].sort_values("participant_id", ignore_index=True)


def _listed_people(path: Path, settings: ParticipantsSettings) -> pd.DataFrame:
    """The rows of the file that name a person, by our identifiers."""
    table = read_table(path, text=(settings.id,))
    table = table.rename(columns={settings.id: "participant_id"})
    if "participant_id" not in table:
        raise missing_column("id", settings.id, [str(name) for name in table], path)
    table = table.dropna(subset=["participant_id"])
    table["participant_id"] = table["participant_id"].map(participant_label)
    refuse_duplicates(list(table["participant_id"]), path)
    return table


def _with_standard_columns(
    table: pd.DataFrame, settings: ParticipantsSettings, path: Path | None
) -> pd.DataFrame:
    """The table with the columns :data:`STANDARD`, empty where it has none."""
    given = [str(name) for name in table]
    for name in STANDARD:
        wanted = getattr(settings, name)
        if wanted and wanted not in table and path is not None:
            raise missing_column(name, wanted, given, path)
        if wanted and wanted != name and wanted in table:
            table = table.drop(columns=[name], errors="ignore").rename(columns={wanted: name})
        if name not in table:
            table[name] = None
    return table
