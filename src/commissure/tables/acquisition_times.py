"""When visits were, as the tables of a BIDS dataset say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from commissure.errors import DatasetError
from commissure.tables.delimited import Cells, read_cells

#: A person and one of their sessions, both with prefix.
Visit = tuple[str, str]


def acquisition_times(files: Iterable[Path]) -> dict[Visit, datetime]:
    """When each visit was: ``acq_time`` of ``sessions.tsv``, else the earliest of ``scans.tsv``.

    Raises
    ------
    DatasetError
        A table cannot be read, or a time is none.
    """
    told: dict[Visit, datetime] = {}
    scanned: dict[Visit, datetime] = {}
    for file in files:
        table = read_cells(file)
        if "acq_time" not in table.header:
            continue
        person, *entities = file.name.split("_")[:-1]
        for row, cell in enumerate(table.column("acq_time")):
            if not cell:
                continue
            time = _time(table, row, cell)
            if entities:
                visit = (person, entities[0])
                scanned[visit] = min(time, scanned.get(visit, time))
            elif "session_id" in table.header:
                session = table.column("session_id")[row].removeprefix("ses-")
                told[person, f"ses-{session}"] = time
    return scanned | told


def _time(table: Cells, row: int, cell: str) -> datetime:
    try:
        # Times of one person are compared; BIDS writes them without a zone.
        return datetime.fromisoformat(cell).replace(tzinfo=None)
    except ValueError:
        raise DatasetError(
            table.where(row),
            found=f"acq_time is '{cell}'",
            wanted="a time as 2009-06-15T13:45:30, or n/a",
            mend=f"Mend the cell in {table.path}",
        ) from None
