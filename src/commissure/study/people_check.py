"""Refusing a table of people that could not be used, before anything is computed.

Planning calls this for every run: it reads with the standard library alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from commissure.delimited import read_cells
from commissure.errors import ConfigError, DatasetError
from commissure.names import participant_label
from commissure.study.settings import ParticipantsSettings

#: Columns that every people table has after reading; n/a where the file has none.
STANDARD = ("age", "sex", "site", "group")


def check_people(path: Path | None, *, settings: ParticipantsSettings) -> None:
    """Read the header and the identifiers of the table of people.

    Parameters
    ----------
    path
        TSV, or CSV by its extension; None where the dataset has no such table.
    settings
        Names of the columns.

    Raises
    ------
    ConfigError
        A column that the configuration names is not in the file.
    DatasetError
        The file cannot be read, or names a person twice.
    """
    if path is None:
        return
    table = read_cells(path)
    columns = list(table.header)
    if settings.id not in columns and "participant_id" not in columns:
        raise missing_column("id", settings.id, columns, path)
    identifier = settings.id if settings.id in columns else "participant_id"
    people = [participant_label(who) for who in table.column(identifier) if who]
    refuse_duplicates(people, path)
    for name in STANDARD:
        column = getattr(settings, name)
        if column and column not in columns:
            raise missing_column(name, column, columns, path)


def refuse_duplicates(people: Sequence[str], path: Path) -> None:
    """Refuse a table in which a person, with prefix, has two rows.

    Raises
    ------
    DatasetError
        There is such a person.
    """
    seen: set[str] = set()
    for who in people:
        if who in seen:
            raise DatasetError(
                path.name,
                found=f"{who} has more than one row",
                wanted="one row per person",
                mend=f"Remove the rows that are too many from {path.name}",
            )
        seen.add(who)


def missing_column(key: str, wanted: str, columns: list[str], path: Path) -> ConfigError:
    """The error that a column named under ``participants`` is not in the file."""
    near = difflib.get_close_matches(wanted, columns, n=1)
    return ConfigError(
        f"participants.{key}",
        found=f"{path.name} has no column '{wanted}'",
        wanted=f"one of {columns}",
        mend=f"Did you mean '{near[0]}'? Change participants.{key} in config.yaml"
        if near
        else f"Change participants.{key} in config.yaml",
    )
