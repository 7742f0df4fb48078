"""Reading a table of people strictly, before anything is computed.

Planning calls this for every run: it reads with the standard library alone. The table of the run
is made of the same rows (:mod:`commissure.study.people`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.errors import ConfigError, DatasetError
from commissure.study.people_values import (
    check_ages,
    group_cautions,
    plain_codes,
    written_sex,
    written_sites,
)
from commissure.study.settings import ParticipantsSettings
from commissure.tables.cell_values import code_cautions
from commissure.tables.delimited import Cells, read_cells
from commissure.tables.identifiers import read_identifiers
from commissure.tables.personal import personal_caution, personal_columns

#: Columns that every people table has after reading; n/a where the file has none.
STANDARD = ("age", "sex", "site", "group", "family")
#: Of those the ones that are taken from a column of that name without being declared.
_BY_NAME = STANDARD[:-1]
LISTED = "listed"
#: How columns of the file are called whose names mean something else in the run's table.
IN_FILE = {LISTED: "listed_in_file", "family": "family_in_file"}
#: The groups as the file has them, where ``group`` has ``control`` for another word.
GROUP_IN_FILE = "group_in_file"
_FAMILY_LIKE = re.compile(
    r"(family|fam|sib|sibling|twin|pair|match|matched|mother|household)[ _-]?(id|nr|no|number)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CheckedPeople:
    """What the table of people says, as far as it can be said without numbers.

    Attributes
    ----------
    people
        Identifiers with prefix, in the order of the rows.
    id_column
        Column of the file with the identifiers.
    standard
        Column of the file by standard name, those that it has.
    written
        How the cells of ``sex`` and ``site`` are written, by standard name and cell.
    columns
        Names of the columns of the run's table, but for those of :data:`STANDARD`.
    personal
        Columns that look personal: they are left out.
    cautions
        Sentences for the reader; no person is named.
    """

    people: Sequence[str] = ()
    id_column: str = "participant_id"
    standard: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    columns: Sequence[str] = ()
    personal: Sequence[str] = ()
    cautions: Sequence[str] = ()


def check_people(path: Path | None, *, settings: ParticipantsSettings) -> CheckedPeople:
    """Read and check the table of people.

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
        The file cannot be read, has no row, names a person twice, or has an identifier, an age or
        a sex that means nothing.
    """
    if path is None:
        return CheckedPeople()
    table = read_cells(path)
    header = table.header
    if settings.id not in header and "participant_id" not in header:
        raise missing_column("id", settings.id, header, path)
    id_column = settings.id if settings.id in header else "participant_id"
    people = read_identifiers(table, id_column)
    refuse_duplicates(people, path)
    standard = _standard_columns(table, settings)
    cautions = _lost_columns(table, standard, id_column)
    written: dict[str, Mapping[str, str]] = {}
    if "age" in standard:
        cautions += check_ages(table, standard["age"], people)
    if "sex" in standard:
        written["sex"], sentences = written_sex(table, standard["sex"], people)
        cautions += sentences
    if "site" in standard:
        written["site"], sentences = written_sites(table, standard["site"])
        cautions += sentences
    if "group" in standard:
        written["group"] = plain_codes(table, standard["group"])
        cautions += group_cautions(table, standard["group"], settings.control)
    used = {id_column, *standard.values()}
    personal = personal_columns(table, but=used)
    cautions += personal_caution(path.name, personal)
    others = [name for name in header if name not in {*used, *personal}]
    cautions += code_cautions(table, others)
    if settings.family is None:
        cautions += _undeclared_families(table, others)
    renamed = [IN_FILE.get(name, name) for name in others]
    return CheckedPeople(people, id_column, standard, written, renamed, personal, cautions)


def _undeclared_families(table: Cells, names: Sequence[str]) -> list[str]:
    """A sentence on columns that seem to say who is related."""
    cautions = []
    for name in names:
        cells = [cell for cell in table.column(name) if cell]
        if _FAMILY_LIKE.fullmatch(name) and len(set(cells)) < len(cells):
            cautions.append(
                f"{table.path.name}: {name} has the same in several people. If they are related or "
                "matched, set participants.family: otherwise one may train what another tests."
            )
    return cautions


def _standard_columns(table: Cells, settings: ParticipantsSettings) -> dict[str, str]:
    """Column of the file by standard name."""
    standard = {}
    for name in STANDARD:
        column = getattr(settings, name)
        if column and column not in table.header:
            raise missing_column(name, column, table.header, table.path)
        if column or (name in _BY_NAME and name in table.header):
            standard[name] = column or name
    return standard


def _lost_columns(table: Cells, standard: Mapping[str, str], id_column: str) -> list[str]:
    """Sentences on columns whose name means something else in the run's table."""
    cautions = []
    for name, column in {"participant_id": id_column, **standard}.items():
        if column != name and name in table.header and name not in (*standard.values(), *IN_FILE):
            cautions.append(
                f"{table.path.name}: the column {name} is not used, because participants names "
                f"{column} in its place."
            )
    for name, new in IN_FILE.items():
        if name in table.header and name not in standard.values():
            cautions.append(
                f"{table.path.name}: its column {name} is called {new} in the run's table."
            )
    return cautions


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


def missing_column(key: str, wanted: str, columns: Sequence[str], path: Path) -> ConfigError:
    """The error that a column named under ``participants`` is not in the file."""
    near = difflib.get_close_matches(wanted, columns, n=1)
    return ConfigError(
        f"participants.{key}",
        found=f"{path.name} has no column '{wanted}'",
        wanted=f"one of {list(columns)}",
        mend=f"Did you mean '{near[0]}'? Change participants.{key} in config.yaml"
        if near
        else f"Change participants.{key} in config.yaml",
    )
