"""What a cell of text says: a number, something like a number, or a code for nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from commissure.errors import DatasetError
from commissure.tables.delimited import Cells, plain_numbers

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
# A bound, a decimal comma, or digits in groups: a number to a reader, none to a program.
_LIKE_A_NUMBER = re.compile(
    r"([<>≤≥~]=?\s*[+-]?[\d.,]*\d[\d.,]*%?|[+-]?\d+,\d+|[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?)"
)
#: Numbers that laboratories write for what was not measured.
MISSING_CODES = (-9999.0, -999.0, -99.0, -9.0, 99.0, 999.0, 9999.0, 99999.0)
_CODES = frozenset(MISSING_CODES)


def cell_number(cell: str) -> float | None:
    """The number of a cell, infinite where it says so; None where it is no number."""
    if _NUMBER.fullmatch(cell):
        return float(cell)
    if _INFINITE.fullmatch(cell):
        return -math.inf if cell.startswith("-") else math.inf
    return None


def column_numbers(cells: Sequence[str]) -> list[float | None]:
    """The numbers of cells, as :func:`cell_number`; NaN of an empty cell."""
    if plain_numbers("\n".join(cells)):
        return [float(cell) if cell else math.nan for cell in cells]
    return [cell_number(cell) if cell else math.nan for cell in cells]


def _size(number: float | None) -> float:
    return 0.0 if number is None else abs(number)


def like_a_number(cell: str) -> bool:
    """Whether a cell is a bound, a number with a decimal comma or with digits in groups."""
    return _LIKE_A_NUMBER.fullmatch(cell) is not None


def holds_numbers(table: Cells, name: str, people: Sequence[str], *, mend: str = "") -> bool:
    """Whether a column holds numbers; one with words among them is refused.

    A column of words, in which numbers are the exception, is none of numbers.

    Parameters
    ----------
    table
        The table.
    name
        The column.
    people
        Who stands in each row, for the error.
    mend
        What may be done beside mending the cell.

    Raises
    ------
    DatasetError
        A cell is no number where most are, is infinite, or is like a number and cannot be read.
    """
    cells = table.column(name)
    filled = sum(cell != "" for cell in cells)
    numbers = column_numbers(cells)
    if plain_numbers("\n".join(cells)) and math.inf not in map(_size, numbers):
        return filled > 0
    known = sum(number is not None for number in numbers) - (len(cells) - filled)
    for row, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
        if not cell:
            continue
        if number is None and not like_a_number(cell) and 2 * known < filled:
            continue
        if number is None or not math.isfinite(number):
            raise DatasetError(
                table.where(row, people[row]),
                found=f"{name} is '{cell}'",
                wanted="a finite number with a decimal point, or n/a",
                mend=f"Mend the cell in {table.path}{', or ' if mend else ''}{mend}",
            )
    return known > 0 and 2 * known >= filled


def missing_codes(values: Iterable[float]) -> list[float]:
    """Codes for what was not measured among numbers, far from all others.

    A code counts where the largest other number is less than a third of it, or where it is the
    only negative one.
    """
    numbers = list(values)
    if _CODES.isdisjoint(numbers):
        return []
    others = [number for number in numbers if number not in MISSING_CODES]
    if not others:
        return []
    largest, smallest = max(map(abs, others)), min(others)
    return sorted(
        code
        for code in set(numbers).intersection(MISSING_CODES)
        if (code < 0 <= smallest and abs(code) > largest / 3) or abs(code) > 3 * largest
    )


def code_cautions(table: Cells, names: Iterable[str]) -> list[str]:
    """A sentence on each column of numbers that seems to hold codes for what was not measured."""
    cautions = []
    for name in names:
        numbers = column_numbers(table.column(name))
        known = [number for number in numbers if number is not None and number == number]
        for code in missing_codes(known):
            cautions.append(
                f"{table.path.name}: {code:g} stands in {known.count(code)} of {len(known)} cells "
                f"of the column {name} and is taken as a number; if it means that nothing was "
                "measured, write n/a."
            )
    return cautions
