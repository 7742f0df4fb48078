"""Who stands in a table: identifiers that can be used, and whether anybody knows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from commissure.errors import DatasetError
from commissure.names import participant_label
from commissure.tables.delimited import Cells


def read_identifiers(table: Cells, column: str) -> list[str]:
    """Identifiers of the rows, with prefix.

    Raises
    ------
    DatasetError
        A row has none, the table has no row, or an identifier holds a blank or a line break.
    """
    if not table.rows:
        raise DatasetError(
            table.path.name,
            found="it has a header and no row",
            wanted="a row for each person",
            mend=f"Add the people to {table.path}, or remove the file",
        )
    people = table.column(column)
    for row, who in enumerate(people):
        if not who or re.search(r"\s", who):
            raise DatasetError(
                table.where(row),
                found=f"{column} is {who!r}" if who else f"{column} is empty",
                wanted="an identifier as sub-01, without blanks, in every row",
                mend=f"Mend or remove the row in {table.path}",
            )
    return [participant_label(who) for who in people]


def compare_people(
    people: Sequence[str], known: Collection[str], *, file: str, mend: str = ""
) -> list[str]:
    """Say who of a table is nobody of the study; refuse a table of no others.

    Parameters
    ----------
    people
        Identifiers of the table, with prefix.
    known
        Those of the study. Nothing is compared where there are none.
    file
        Name of the table.
    mend
        What to do about it; by default the identifiers are to be written alike.

    Raises
    ------
    DatasetError
        Nobody is in both.
    """
    unknown = [who for who in dict.fromkeys(people) if who not in known]
    if not unknown or not known:
        return []
    like = {_likeness(who): who for who in sorted(known)}
    near = next(((who, like[_likeness(who)]) for who in unknown if _likeness(who) in like), None)
    hint = f", but '{near[1]}' is" if near else ""
    first = near[0] if near else unknown[0]
    if len(unknown) == len(set(people)):
        raise DatasetError(
            file,
            found=f"nobody in it is in the study: not '{first}'{hint}",
            wanted=f"identifiers as '{min(known)}'",
            mend=mend or f"Write the identifiers of {file} as those of the study",
        )
    return [
        f"{file}: {len(unknown)} of {len(set(people))} people are not in the study: '{first}' is "
        f"not{hint}."
    ]


def _likeness(who: str) -> str:
    return re.sub(r"^(sub-?)+", "", who.casefold()).lstrip("0")
