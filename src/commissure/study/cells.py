"""Cells of a lab's tables, as text or as numbers."""

from __future__ import annotations

import math
from typing import Any

from commissure.errors import DatasetError


def as_text(value: Any) -> str | None:
    """A cell in words; None where it is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_number(value: Any, who: str, column: str) -> float:
    """A cell of the people's table as a number.

    Parameters
    ----------
    value
        The cell.
    who, column
        Person and column, for the error.

    Raises
    ------
    DatasetError
        It is no number.
    """
    try:
        return float(value)
    except ValueError:
        raise DatasetError(
            who,
            found=f"{column} is '{value}' in the participants table",
            wanted="a number, or n/a",
            mend="Mend the participants table",
        ) from None
