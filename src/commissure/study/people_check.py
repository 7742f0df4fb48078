"""Refusing a table of people that could not be used, before anything is computed.

Planning calls this for every run: it reads with the standard library alone.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

from commissure.errors import ConfigError, DatasetError
from commissure.names import participant_label
from commissure.study.settings import ParticipantsSettings

#: Columns that every people table has after reading; n/a where the file has none.
STANDARD = ("age", "sex", "site", "group")

#: What stands for nothing in a table.
MISSING = ("", "n/a", "N/A", "NaN", "nan")


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
    columns, rows = _read(path)
    if settings.id not in columns and "participant_id" not in columns:
        raise missing_column("id", settings.id, columns, path)
    position = columns.index(settings.id if settings.id in columns else "participant_id")
    people = [row[position] for row in rows if len(row) > position]
    refuse_duplicates([participant_label(who) for who in people if who not in MISSING], path)
    for name in STANDARD:
        column = getattr(settings, name)
        if column and column not in columns:
            raise missing_column(name, column, columns, path)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows."""
    delimiter = "," if path.suffix == ".csv" else "\t"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [row for row in csv.reader(file, delimiter=delimiter) if row]
        if not lines:
            raise ValueError("it is empty")
        header, *rows = lines
        longer = [number for number, row in enumerate(rows, 2) if len(row) > len(header)]
        if longer:
            raise ValueError(f"row {longer[0]} has more cells than the header")
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(
            path.name,
            found=f"the file cannot be read as a table ({error})",
            wanted="a tab-separated table with a header line",
            mend=f"Mend or replace {path}",
        ) from error
    return header, rows


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
