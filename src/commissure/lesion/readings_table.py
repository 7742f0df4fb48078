"""Readings of lesions as a table: one row for each lesion and visit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from commissure.errors import DatasetError
from commissure.lesion.criteria.rules import Rule
from commissure.lesion.criteria.targets import select_targets, state_when_new
from commissure.lesion.readings import (
    COURSES,
    ROLES,
    STATES,
    LesionReading,
    Patient,
    State,
    Visit,
    is_node,
)
from commissure.tables.cell_values import cell_number
from commissure.tables.delimited import Cells, read_cells

#: Columns that a table has, and those that it may have.
NEEDED = ("participant_id", "session", "day", "lesion")
OF_LESIONS = (
    "role", "organ", "node", "state", "longest_mm", "short_mm", "volume_ml", "slices", "slice_mm",
    "cut",
)  # fmt: skip
OF_VISITS = ("steroids_mg", "clinical", "flair", "contrast")
OF_PEOPLE = ("radiotherapy_end_day",)

_YES = {"yes": True, "no": False, "": False}


def read_patients(path: Path | str, rule: Rule) -> list[Patient]:
    """Read the lesions of patients.

    Visits come in the order of their first rows, the baseline first. Columns of a visit stand in
    any of its rows, or in all alike. Where the column ``role`` is absent, target lesions are
    chosen at the baseline by the criteria, and what comes later is new.

    Parameters
    ----------
    path
        TSV or CSV with the columns :data:`NEEDED`, and any of the others.
    rule
        The criteria.

    Raises
    ------
    DatasetError
        A column is missing or unknown, a cell is none of what its column may say, a visit says
        two things, or what :func:`commissure.lesion.readings.check_patient` refuses.
    """
    table = read_cells(path)
    _check_columns(table)
    people: dict[str, dict[str, list[int]]] = {}
    named = zip(table.column("participant_id"), table.column("session"), strict=True)
    for number, (who, session) in enumerate(named):
        if not who or not session:
            raise DatasetError(
                table.where(number),
                found="no participant_id" if not who else "no session",
                wanted="whose lesion it is, and of which visit",
            )
        people.setdefault(who, {}).setdefault(session, []).append(number)
    return [_patient(table, who, visits, rule) for who, visits in people.items()]


def read_responses(path: Path | str) -> Mapping[tuple[str, str], str]:
    """Categories by person and session, of a table with the column ``response``.

    Raises
    ------
    DatasetError
        A column is missing, or a visit stands twice.
    """
    table = read_cells(path)
    needed = ("participant_id", "session", "response")
    lacking = [name for name in needed if name not in table.header]
    if lacking:
        raise DatasetError(
            table.path.name, found=f"no column {lacking[0]}", wanted=f"the columns {needed}"
        )
    responses: dict[tuple[str, str], str] = {}
    for number, (who, session, response) in enumerate(
        zip(*(table.column(name) for name in needed), strict=True)
    ):
        if (who, session) in responses:
            raise DatasetError(
                table.where(number, who), found=f"{session} stands twice", wanted="a row a visit"
            )
        responses[who, session] = response.upper()
    return responses


def _check_columns(table: Cells) -> None:
    known = {*NEEDED, *OF_LESIONS, *OF_VISITS, *OF_PEOPLE}
    lacking = [name for name in NEEDED if name not in table.header]
    unknown = [name for name in table.header if name not in known]
    if lacking or unknown:
        raise DatasetError(
            table.path.name,
            found=f"no column {lacking[0]}" if lacking else f"an unknown column '{unknown[0]}'",
            wanted=f"{', '.join(NEEDED)}, and any of {', '.join(sorted(known - set(NEEDED)))}",
        )


def _patient(table: Cells, who: str, visits: Mapping[str, list[int]], rule: Rule) -> Patient:
    read = [
        Visit(
            session,
            one_number(table, "day", rows, who),
            tuple(x for row in rows if (x := _lesion(table, row, who)) is not None),
            one_number(table, "steroids_mg", rows, who),
            one_word(table, "clinical", rows, who, COURSES) or None,  # type: ignore[arg-type]
            one_word(table, "flair", rows, who, COURSES) or None,  # type: ignore[arg-type]
            one_word(table, "contrast", rows, who),
        )
        for session, rows in visits.items()
    ]
    everything = [row for rows in visits.values() for row in rows]
    end = one_number(table, "radiotherapy_end_day", everything, who)
    patient = Patient(who, tuple(read), end)
    return patient if "role" in table.header else with_chosen_targets(patient, rule)


def with_chosen_targets(patient: Patient, rule: Rule) -> Patient:
    """The same readings, with the roles that the criteria give to lesions.

    Nodes of normal size at the baseline are left out. A lesion that comes later is new, or
    equivocal (:func:`~commissure.lesion.criteria.targets.state_when_new`).
    """
    choices = select_targets(patient.baseline.lesions, rule)
    roles = {choice.lesion.lesion: choice.lesion.role for choice in choices}
    first = {lesion.lesion for lesion in patient.baseline.lesions}

    def with_role(lesion: LesionReading) -> LesionReading:
        if lesion.lesion in roles:
            return replace(lesion, role=roles[lesion.lesion])
        return replace(lesion, role="new", state=state_when_new(lesion, rule))

    return replace(
        patient,
        visits=tuple(
            replace(
                visit,
                lesions=tuple(
                    with_role(x)
                    for x in visit.lesions
                    if x.lesion in roles or x.lesion not in first
                ),
            )
            for visit in patient.visits
        ),
    )


def _lesion(table: Cells, row: int, who: str) -> LesionReading | None:
    """The lesion of a row; None where the row only says that the visit had none."""
    name = _cell(table, "lesion", row)
    if not name:
        return None
    organ = _cell(table, "organ", row)
    node = _yes(table, "node", row, who) if _cell(table, "node", row) else is_node(organ)
    numbers = {
        column: _number(table, column, row, who)
        for column in ("longest_mm", "short_mm", "volume_ml", "slices", "slice_mm")
    }
    given = _word(table, "state", row, who, STATES)
    sizes = [numbers[column] for column in ("longest_mm", "short_mm", "volume_ml")]
    state: State = given or _state(sizes)  # type: ignore[assignment]
    role = _word(table, "role", row, who, ROLES) if "role" in table.header else "new"
    if not role:
        raise DatasetError(
            table.where(row, who), found="no role", wanted=f"one of {', '.join(ROLES)}"
        )
    slices = numbers["slices"]
    return LesionReading(
        name, role, organ, state, node,  # type: ignore[arg-type]
        longest_mm=numbers["longest_mm"],
        short_mm=numbers["short_mm"],
        volume_ml=numbers["volume_ml"],
        slices=None if slices is None else int(slices),
        slice_mm=numbers["slice_mm"],
        cut=_yes(table, "cut", row, who),
    )  # fmt: skip


def _state(sizes: list[float | None]) -> State:
    known = [size for size in sizes if size is not None]
    if not known:
        return "not evaluated"
    return "measured" if any(known) else "absent"


def _cell(table: Cells, column: str, row: int) -> str:
    return table.column(column)[row] if column in table.header else ""


def _word(table: Cells, column: str, row: int, who: str, words: tuple[str, ...] = ()) -> str:
    cell = _cell(table, column, row)
    if cell and words and cell not in words:
        raise DatasetError(
            table.where(row, who),
            found=f"'{cell}' in the column {column}",
            wanted=f"one of {', '.join(words)}",
        )
    return cell


def _yes(table: Cells, column: str, row: int, who: str) -> bool:
    return _YES[_word(table, column, row, who, ("yes", "no"))]


def _number(table: Cells, column: str, row: int, who: str) -> float | None:
    cell = _cell(table, column, row)
    if not cell:
        return None
    number = cell_number(cell)
    if number is None or not math.isfinite(number):
        raise DatasetError(
            table.where(row, who), found=f"'{cell}' in the column {column}", wanted="a number"
        )
    return number


def one_number(table: Cells, column: str, rows: list[int], who: str) -> float | None:
    """The number that the rows of a visit say in a column; None where none says any."""
    word = one_word(table, column, rows, who)
    if not word:
        return None
    return _number(table, column, next(row for row in rows if _cell(table, column, row)), who)


def one_word(
    table: Cells, column: str, rows: list[int], who: str, words: tuple[str, ...] = ()
) -> str:
    """What the rows of a visit say, empty where none says anything."""
    said = [(row, cell) for row in rows if (cell := _word(table, column, row, who, words))]
    for row, cell in said:
        if cell != said[0][1]:
            raise DatasetError(
                table.where(row, who),
                found=f"'{cell}' in the column {column}, and '{said[0][1]}' in line "
                f"{table.rows[said[0][0]].line}",
                wanted="one value for the visit" if column not in OF_PEOPLE else "one value",
            )
    return said[0][1] if said else ""
