"""The visits of a person in order, with what the tables of the dataset say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commissure.errors import DatasetError
from commissure.lesion.follow_up import VisitRecord
from commissure.lesion.marked_image import image_suffix
from commissure.lesion.readings import COURSES, Course
from commissure.lesion.readings_table import OF_PEOPLE, OF_VISITS, one_number, one_word
from commissure.names import Scan, parse_name, participant_label
from commissure.tables.acquisition_times import acquisition_times
from commissure.tables.delimited import Cells, read_cells

#: Columns of the table of visits beside those that name them.
COLUMNS = ("day", *OF_VISITS, *OF_PEOPLE)

#: Images in which lesions are seen by their contrast agent.
_BY_CONTRAST = ("T1w", "ct")


@dataclass(frozen=True)
class Visits:
    """The visits of a person.

    Attributes
    ----------
    scans
        The mask of each visit, the baseline first.
    records
        What is known of each.
    radiotherapy_end_day
        Day on which radiotherapy ended, counted from the baseline; None where none is known.
    notes
        What is to be known about their order.
    """

    scans: tuple[Scan, ...]
    records: tuple[VisitRecord, ...]
    radiotherapy_end_day: float | None
    notes: tuple[str, ...]

    @property
    def baseline(self) -> Scan:
        """The mask of the first visit."""
        return self.scans[0]


def visits_in_order(scans: Sequence[Scan]) -> Visits:
    """Order the visits of a person by their days, or else by their names.

    Days are those of the table of visits, if it has all of them, or else follow from the
    acquisition times. The end of radiotherapy is on the same scale; beside acquisition times it is
    counted from the first visit.

    Parameters
    ----------
    scans
        The masks of all visits, with the tables that belong to them.

    Raises
    ------
    DatasetError
        A table cannot be read or says two things, a column of the table of visits is unknown, or
        the images of the visits are of several kinds.
    """
    who = scans[0].participant_id
    _check_kinds(scans, who)
    table = _table(scans)
    rows = {scan.session: _rows(table, who, scan.session) for scan in scans}
    days = _days(scans, table, rows, who)
    by_name = sorted(scans, key=lambda scan: _natural(scan.session))
    notes = []
    if days is None:
        ordered = by_name
        if len(scans) > 1:
            notes.append("no table says when the visits were: their names give the order")
    else:
        ordered = sorted(by_name, key=lambda scan: days[scan.session])
        if [s.session for s in ordered] != [s.session for s in by_name]:
            named = ", ".join(scan.session for scan in ordered)
            notes.append(f"by their days the visits follow as {named}: not as their names say")
    records = [
        VisitRecord(
            scan.session,
            None if days is None else days[scan.session] - days[ordered[0].session],
            one_number(table, "steroids_mg", rows[scan.session], who) if table else None,
            _course(table, "clinical", rows[scan.session], who),
            _course(table, "flair", rows[scan.session], who),
            _contrast(scan, table, rows[scan.session], who),
        )
        for scan in ordered
    ]
    end = None
    if table:
        of_person = [row for its in rows.values() for row in its]
        end = one_number(table, "radiotherapy_end_day", of_person, who)
        if end is not None and days is not None:
            end -= days[ordered[0].session]
    return Visits(tuple(ordered), tuple(records), end, tuple(notes))


def _check_kinds(scans: Sequence[Scan], who: str) -> None:
    kinds = {scan.session: image_suffix(scan) for scan in scans}
    if len(set(filter(None, kinds.values()))) > 1:
        said = ", ".join(f"{kind} at {session}" for session, kind in kinds.items() if kind)
        raise DatasetError(
            who,
            found=f"lesions are marked in images of several kinds: {said}",
            wanted="one kind of image at all visits",
            mend="Leave out the masks of the other kind",
        )


def _table(scans: Sequence[Scan]) -> Cells | None:
    path = next((s.associated["visits"] for s in scans if "visits" in s.associated), None)
    if path is None:
        return None
    table = read_cells(path)
    known = ("participant_id", "session", *COLUMNS)
    lacking = [name for name in known[:2] if name not in table.header]
    unknown = [name for name in table.header if name not in known]
    if lacking or unknown:
        raise DatasetError(
            path.name,
            found=f"no column {lacking[0]}" if lacking else f"an unknown column '{unknown[0]}'",
            wanted=f"participant_id, session, and any of {', '.join(COLUMNS)}",
        )
    return table


def _rows(table: Cells | None, who: str, session: str) -> list[int]:
    if table is None:
        return []
    named = zip(table.column("participant_id"), table.column("session"), strict=True)
    bare = session.removeprefix("ses-")
    return [
        row
        for row, (person, visit) in enumerate(named)
        if person and participant_label(person) == who and visit.removeprefix("ses-") == bare
    ]


def _days(
    scans: Sequence[Scan], table: Cells | None, rows: Mapping[str, list[int]], who: str
) -> dict[str, float] | None:
    """Day of every visit; None where they are not all known."""
    if table is not None:
        told = {s: one_number(table, "day", its, who) for s, its in rows.items()}
        known = {session: day for session, day in told.items() if day is not None}
        if len(known) == len(scans):
            return known
    files: set[Path] = {
        scan.associated[key]
        for scan in scans
        for key in ("sessions", "scans")
        if key in scan.associated
    }
    times = acquisition_times(sorted(files))
    dates = {s.session: times[who, s.session].date() for s in scans if (who, s.session) in times}
    if len(dates) < len(scans):
        return None
    first = min(dates.values())
    return {session: float((date - first).days) for session, date in dates.items()}


def _course(table: Cells | None, column: str, rows: list[int], who: str) -> Course | None:
    """What the table says of the clinical state or of FLAIR; None where it says nothing."""
    said = one_word(table, column, rows, who, COURSES) if table else ""
    return said or None  # type: ignore[return-value]


def _contrast(scan: Scan, table: Cells | None, rows: list[int], who: str) -> str:
    """The agent: as the table says, or the name of the image; ``none`` for one without."""
    if table and (agent := one_word(table, "contrast", rows, who)):
        return agent
    image = scan.associated.get("image")
    if image is None:
        return ""
    entities, suffix, _ = parse_name(image.name)
    return entities.get("ce") or ("none" if suffix in _BY_CONTRAST else "")


def _natural(session: str) -> list[tuple[int, str]]:
    """A key that sorts ``ses-10`` after ``ses-2``."""
    return [
        (int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", session)
    ]
