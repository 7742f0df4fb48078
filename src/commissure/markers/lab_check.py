"""Reading a table of the lab strictly, before anything is computed.

Planning calls this for every table: it reads with the standard library alone. The rows of markers
are made of the same cells (:mod:`commissure.markers.lab_tables`).
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from commissure.cell_values import cell_number, code_cautions, holds_numbers
from commissure.delimited import Cells, read_cells
from commissure.errors import ConfigError, DatasetError
from commissure.identifiers import read_identifiers
from commissure.markers.settings import TableSettings
from commissure.personal import personal_caution, personal_columns
from commissure.rows import COLUMNS, Quality


@dataclass(frozen=True)
class CheckedTable:
    """What a table of the lab holds.

    Attributes
    ----------
    people, sessions
        Person and visit of each row, with their prefixes; a session is empty where there is none.
    columns
        Columns of the file that hold the values.
    cautions
        Sentences for the reader; no person is named.
    """

    people: Sequence[str]
    sessions: Sequence[str]
    columns: Sequence[str]
    cautions: Sequence[str] = ()


def check_table(settings: TableSettings) -> CheckedTable:
    """Read and check a table of the lab.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.

    Raises
    ------
    ConfigError
        A column that the settings name is not in the file, or none holds numbers.
    DatasetError
        The file cannot be read, has no row, names nobody in a row or a person and visit twice, or
        has a word where a number belongs.
    """
    table = read_cells(settings.file)
    if settings.layout == "tidy":
        return _check_tidy(table)
    for key, name in (("participant", settings.participant), ("session", settings.session)):
        if name is not None and name not in table.header:
            raise ConfigError(
                f"tables ({table.path.name}).{key}",
                found=f"the file has no column '{name}'",
                wanted=f"one of {list(table.header[:12])}",
                mend=f"Change tables[].{key} in config.yaml",
            )
    people = read_identifiers(table, settings.participant)
    sessions = _sessions(table, settings.session)
    columns, cautions = _value_columns(table, settings, people)
    _refuse_repeated(table, list(zip(people, sessions, strict=True)))
    return CheckedTable(people, sessions, columns, [*cautions, *code_cautions(table, columns)])


def _check_tidy(table: Cells) -> CheckedTable:
    missing = [name for name in COLUMNS if name not in table.header]
    if missing:
        raise DatasetError(
            table.path.name,
            found=f"the columns {missing} are missing",
            wanted=f"the columns {list(COLUMNS)}",
            mend=f"Add them to {table.path}, or set tables[].layout to wide",
        )
    people = read_identifiers(table, "participant_id")
    sessions = _sessions(table, "session")
    for row, cell in enumerate(table.column("value")):
        number = cell_number(cell) if cell else 0.0
        if number is None or not math.isfinite(number):
            raise _wrong(
                table, row, people, "value", "a finite number with a decimal point, or n/a"
            )
    for row, cell in enumerate(table.column("quality")):
        if cell not in get_args(Quality):
            raise _wrong(table, row, people, "quality", " or ".join(get_args(Quality)))
    for name in ("modality", "region", "marker", "unit"):
        for row, cell in enumerate(table.column(name)):
            if not cell:
                raise _wrong(table, row, people, name, "a word")
    return CheckedTable(people, sessions, ["value"])


def _wrong(table: Cells, row: int, people: Sequence[str], name: str, wanted: str) -> DatasetError:
    cell = table.rows[row].cells[table.header.index(name)]
    return DatasetError(
        table.where(row, people[row]),
        found=f"{name} is '{cell}'",
        wanted=wanted,
        mend=f"Mend the cell in {table.path}",
    )


def _sessions(table: Cells, column: str | None) -> list[str]:
    """Visits of the rows, with prefix."""
    if column is None:
        return [""] * len(table.rows)
    return [
        f"ses-{cell}" if cell and not cell.startswith("ses-") else cell
        for cell in table.column(column)
    ]


def _refuse_repeated(table: Cells, visits: Sequence[tuple[str, str]]) -> None:
    seen = set()
    for visit in visits:
        if visit in seen:
            raise DatasetError(
                table.path.name,
                found=f"{' '.join(filter(None, visit))} has several rows",
                wanted="one row per person and visit",
                mend=f"Remove the rows that are too many from {table.path.name}",
            )
        seen.add(visit)


def _value_columns(
    table: Cells, settings: TableSettings, people: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Columns of numbers that the settings name, and sentences on those left out."""
    keys = {settings.participant, settings.session or settings.participant}
    patterns = settings.columns
    asked = [
        name
        for name in table.header
        if name not in keys
        and (patterns is None or any(fnmatch.fnmatchcase(name, each) for each in patterns))
    ]
    personal = [name for name in personal_columns(table, but=keys) if name in asked]
    mend = "leave the column out by tables[].columns in config.yaml"
    columns, words = [], []
    for name in asked:
        if name in personal:
            continue
        if holds_numbers(table, name, people, mend=mend):
            columns.append(name)
        elif any(table.column(name)):
            words.append(name)
    if not columns:
        raise ConfigError(
            f"tables ({table.path.name}).columns",
            found=f"no numeric column matches {patterns}",
            wanted=f"patterns for some of {list(table.header[:12])}",
            mend="Change tables[].columns in config.yaml",
        )
    regions = [name.removeprefix(settings.prefix) for name in columns]
    twice = next((name for name in regions if not name or regions.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"tables ({table.path.name}).prefix",
            found=f"without '{settings.prefix}' the columns give the region '{twice}' several times"
            if twice
            else f"nothing is left of the column '{settings.prefix}'",
            wanted="a region of its own for every column",
            mend="Change tables[].prefix or tables[].columns in config.yaml",
        )
    cautions = personal_caution(table.path.name, personal)
    if words:
        cautions.append(
            f"{table.path.name}: the columns {', '.join(words)} hold words and join no marker."
        )
    return columns, cautions
