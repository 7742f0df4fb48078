"""Reading a table of the lab strictly, before anything is computed.

Planning calls this for every table: it reads with the standard library alone. The rows of markers
are made of the same cells (:mod:`commissure.markers.lab_tables`).
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from commissure.definitions import HEAD_SIZE
from commissure.errors import ConfigError, DatasetError
from commissure.markers.settings import ColumnsSettings, TableSettings
from commissure.rows import COLUMNS, Quality
from commissure.tables.cell_values import cell_number, code_cautions, column_numbers, holds_numbers
from commissure.tables.delimited import Cells, Row, read_cells
from commissure.tables.identifiers import read_identifiers
from commissure.tables.personal import personal_caution, personal_columns

_HEAD_SIZE_NAME = re.compile(
    r"(e?tiv|icv|(estimated)?(total)?intracranialvol(ume)?)(mm3|ml|cm3|icv)?"
)
_VOLUME_UNITS = ("mm3", "mm^3", "mm³", "cm3", "cm^3", "ml", "l")
_VOLUME_NAME = re.compile(r"(?<![a-z])vol(umes?)?(?![a-z])|gmv", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True)
class CheckedTable:
    """What a table of the lab holds.

    Attributes
    ----------
    people, sessions
        Person and visit of each row, with their prefixes; a session is empty where there is none.
    columns
        Columns of the file that hold the values, by the marker of each kind of value.
    regions
        Region of each of those columns.
    numbers
        Values of each column, NaN where a cell is empty.
    words
        The other columns of a tidy table.
    cautions
        Sentences for the reader; no person is named.
    log
        What was taken and what was left out, for the log.
    """

    people: Sequence[str]
    sessions: Sequence[str]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cautions: Sequence[str] = ()
    log: Sequence[str] = ()


def check_table(settings: TableSettings) -> CheckedTable:
    """Read and check a table of the lab.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.

    Raises
    ------
    ConfigError
        A column that the settings name is not in the file, or a pattern matches none of numbers.
    DatasetError
        The file cannot be read, has no row, names nobody in a row or a person and visit twice, or
        has a word where a number belongs.
    """
    table = read_cells(settings.file)
    if settings.layout == "tidy":
        return _check_tidy(table, settings)
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
    keys = {settings.participant, settings.session or settings.participant}
    table = _as_declared(table, settings, [n for n in table.header if n not in keys], people)
    columns, cautions, log = _value_columns(table, settings, keys, people)
    regions = _regions(table, settings, columns)
    _refuse_repeated(table, list(zip(people, sessions, strict=True)))
    taken = [name for names in columns.values() for name in names]
    cautions += code_cautions(table, taken)
    numbers = {
        name: [math.nan if n is None else n for n in column_numbers(table.column(name))]
        for name in taken
    }
    return CheckedTable(people, sessions, columns, regions, numbers, cautions=cautions, log=log)


def _check_tidy(table: Cells, settings: TableSettings) -> CheckedTable:
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
    table = _as_declared(table, settings, ["value"], people)
    numbers = column_numbers(table.column("value"))
    for row, (cell, number) in enumerate(zip(table.column("value"), numbers, strict=True)):
        if number is None or (cell and not math.isfinite(number)):
            raise _wrong(
                table, row, people, "value", "a finite number with a decimal point, or n/a"
            )
    for row, cell in enumerate(table.column("quality")):
        if cell not in get_args(Quality):
            raise _wrong(table, row, people, "quality", " or ".join(get_args(Quality)))
    names = ("modality", "region", "marker", "unit")
    for name in names:
        for row, cell in enumerate(table.column(name)):
            if not cell:
                raise _wrong(table, row, people, name, "a word")
    markers = sorted(set(table.column("marker")))
    return CheckedTable(
        people,
        sessions,
        numbers={"value": [math.nan if n is None else n for n in numbers]},
        words={name: table.column(name) for name in (*names, "quality")},
        log=[f"{table.path.name}: {len(numbers)} rows of {', '.join(markers)}"],
    )


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
                mend=f"Remove the rows that are too many from {table.path.name}, or name the "
                "column of the visit under tables[].session",
            )
        seen.add(visit)


def _as_declared(
    table: Cells, settings: TableSettings, columns: Sequence[str], people: Sequence[str]
) -> Cells:
    """The table with the declared words for nothing gone and decimal points in its numbers.

    Raises
    ------
    DatasetError
        The decimals are behind commas, and a number of a column has a point.
    """
    nothing = {cell.strip() for cell in settings.missing}
    commas = settings.decimal == ","
    if not nothing and not commas:
        return table
    wanted = {table.header.index(name): name for name in columns}
    rows = []
    for number, row in enumerate(table.rows):
        cells = list(row.cells)
        for position, name in wanted.items():
            cell = cells[position].strip()
            if cell in nothing:
                cells[position] = ""
            elif commas and "." in cell and cell_number(cell) is not None:
                raise DatasetError(
                    table.where(number, people[number]),
                    found=f"{name} is '{cell}'",
                    wanted="a decimal comma, as tables[].decimal says, and no other sign in it",
                    mend=f"Mend the cell in {table.path}, or tables[].decimal in config.yaml",
                )
            elif commas and (found := _COMMA_NUMBER.fullmatch(cell)):
                cells[position] = f"{found[1]}.{found[2]}"
        rows.append(Row(row.line, cells))
    return Cells(table.path, table.header, rows)


def _value_columns(
    table: Cells, settings: TableSettings, keys: Collection[str], people: Sequence[str]
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Columns of numbers by marker, sentences on those left out, and lines for the log."""
    candidates = [name for name in table.header if name not in keys]
    personal = set(personal_columns(table, but=keys))
    mend = "leave the column out by tables[].exclude in config.yaml, or name what stands for a "
    mend += "missing value under tables[].missing"
    numeric: dict[str, bool] = {}
    columns: dict[str, list[str]] = {}
    words: list[str] = []
    log: list[str] = []
    for marker, kind in settings.kinds().items():
        asked = [name for name in candidates if _matches(name, kind)]
        for name in asked:
            if name not in personal and name not in numeric:
                numeric[name] = holds_numbers(table, name, people, mend=mend)
        columns[marker] = [name for name in asked if numeric.get(name)]
        words += [name for name in asked if numeric.get(name) is False and any(table.column(name))]
        _refuse_idle_patterns(table, kind, columns[marker], candidates)
        log.append(
            f"{table.path.name}: {len(columns[marker])} columns are {settings.modality} {marker}: "
            + ", ".join(columns[marker])
        )
    _refuse_twice(table, columns)
    head = _head_size_columns(table, settings, candidates, people, mend)
    if head:
        columns = {marker: [n for n in names if n not in head] for marker, names in columns.items()}
        columns[HEAD_SIZE] = head[:1]
        log.append(f"{table.path.name}: {head[0]} is the head size")
    told = [name for name in personal if any(_matches(name, k) for k in settings.kinds().values())]
    cautions = personal_caution(table.path.name, [n for n in table.header if n in told])
    if words:
        cautions.append(
            f"{table.path.name}: the columns {', '.join(words)} hold words and join no marker."
        )
    cautions += _unadjusted_volumes(table, settings, columns)
    taken = {name for names in columns.values() for name in names}
    left = [name for name in candidates if name not in taken]
    if left:
        log.append(f"{table.path.name}: {len(left)} columns are left out: {', '.join(left)}")
    return columns, cautions, log


def _matches(name: str, kind: ColumnsSettings) -> bool:
    """Whether a kind of value asks for a column."""
    if any(fnmatch.fnmatchcase(name, each) for each in kind.exclude):
        return False
    return kind.columns is None or any(fnmatch.fnmatchcase(name, e) for e in kind.columns)


def _refuse_idle_patterns(
    table: Cells, kind: ColumnsSettings, taken: Sequence[str], candidates: Sequence[str]
) -> None:
    """Refuse a pattern that matches no column of numbers, and an exclusion of no column."""
    for key, patterns, names in (
        ("columns", kind.columns or (), taken),
        ("exclude", kind.exclude, candidates),
    ):
        for pattern in patterns:
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                continue
            like = {name.casefold(): name for name in candidates}
            near = [like[n] for n in difflib.get_close_matches(pattern.casefold(), like, n=1)]
            what = "numeric column" if key == "columns" else "column"
            raise ConfigError(
                f"tables ({table.path.name}).{key}",
                found=f"no {what} matches '{pattern}'",
                wanted=f"patterns for some of {list(table.header[:12])}",
                mend=(f"Did you mean '{near[0]}'? " if near else "")
                + f"Change tables[].{key} in config.yaml",
            )
    if not taken:
        raise ConfigError(
            f"tables ({table.path.name}).columns",
            found="no numeric column is left",
            wanted=f"columns of numbers beside {list(table.header[:12])}",
            mend="Change tables[].columns or tables[].exclude in config.yaml",
        )


def _refuse_twice(table: Cells, columns: Mapping[str, Sequence[str]]) -> None:
    """Refuse a column that two kinds of value ask for."""
    marker_of: dict[str, str] = {}
    for marker, names in columns.items():
        for name in names:
            if name in marker_of:
                raise ConfigError(
                    f"tables ({table.path.name}).markers",
                    found=f"{marker_of[name]} and {marker} both take the column '{name}'",
                    wanted="one marker for each column",
                    mend="Change columns or exclude of one of them in config.yaml",
                )
            marker_of[name] = marker


def _head_size_columns(
    table: Cells,
    settings: TableSettings,
    candidates: Sequence[str],
    people: Sequence[str],
    mend: str,
) -> list[str]:
    """Columns that hold the head size, where volumes of the table are to be freed of it."""
    if all(kind.adjust == "none" for kind in settings.kinds().values()):
        return []
    return [
        name
        for name in candidates
        if _HEAD_SIZE_NAME.fullmatch(re.sub(r"[^a-z0-9]", "", name.casefold()))
        and holds_numbers(table, name, people, mend=mend)
    ]


def _unadjusted_volumes(
    table: Cells, settings: TableSettings, columns: Mapping[str, Sequence[str]]
) -> list[str]:
    """A sentence on each kind of value that seems to be volumes and is not freed of head size."""
    cautions = []
    for marker, kind in settings.kinds().items():
        names = columns[marker]
        volumes = sum(_VOLUME_NAME.search(re.sub("_", " ", name)) is not None for name in names)
        seems = (
            kind.unit.casefold() in _VOLUME_UNITS
            or _VOLUME_NAME.search(marker.replace("_", " ")) is not None
            or 2 * volumes > len(names)
        )
        if seems and kind.adjust == "none" and kind.role == "marker":
            cautions.append(
                f"{table.path.name}: {marker} seems to be volumes, which are not freed of head "
                "size; tables[].adjust: head_size does that."
            )
    return cautions


def _regions(
    table: Cells, settings: TableSettings, columns: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Region of each column: its name without the prefix and suffix of its kind.

    Raises
    ------
    ConfigError
        Nothing is left of a name, or two columns of a kind are one region.
    """
    regions: dict[str, str] = {}
    for marker, names in columns.items():
        kind = settings.kinds().get(marker)
        shown: dict[str, str] = {}
        for name in names:
            region = name.removeprefix(kind.prefix).removesuffix(kind.suffix) if kind else "head"
            if not region or region in shown:
                raise ConfigError(
                    f"tables ({table.path.name}).prefix",
                    found=f"without prefix and suffix the columns {shown[region]} and {name} are "
                    f"the region '{region}' several times"
                    if region
                    else f"nothing is left of the column '{name}'",
                    wanted="a region of its own for every column",
                    mend="Change tables[].prefix, suffix or columns in config.yaml",
                )
            shown[region] = name
        regions |= {name: region for region, name in shown.items()}
    return regions
