"""The markers of people side by side, as charts take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.models.charts import People
from commissure.study.design import DesignColumn, head_size_column, side_by_side, volume_columns
from commissure.study.people_values import sex_of

#: What a sex is written as, and how charts count it.
FEMALE = {"F": 1.0, "M": 0.0}


@dataclass(frozen=True)
class MarkerMatrix:
    """People, and their markers side by side.

    Attributes
    ----------
    participants
        Identifiers, shape (people,).
    people
        Age, sex, site and head size of each.
    columns
        What each column is.
    values
        Shape (people, columns); NaN where nothing was measured.
    """

    participants: np.ndarray
    people: People
    columns: tuple[DesignColumn, ...]
    values: np.ndarray

    def some(self, chosen: np.ndarray) -> MarkerMatrix:
        """The people of a mask or of numbers."""
        return MarkerMatrix(
            self.participants[chosen], self.people.some(chosen), self.columns, self.values[chosen]
        )

    def with_columns(self, columns: Sequence[DesignColumn]) -> MarkerMatrix:
        """The same people with given columns in a given order; NaN for those it lacks."""
        number = {column: index for index, column in enumerate(self.columns)}
        values = np.full((len(self.participants), len(columns)), np.nan)
        for index, column in enumerate(columns):
            if column in number:
                values[:, index] = self.values[:, number[column]]
        return MarkerMatrix(self.participants, self.people, tuple(columns), values)


def marker_matrix(
    rows: pd.DataFrame, people: pd.DataFrame, definitions: Mapping[str, Mapping[str, Any]]
) -> tuple[MarkerMatrix, list[str]]:
    """Lay the markers of the baseline side by side; confounds of measuring have no column.

    Parameters
    ----------
    rows
        Rows of the baseline, exclusions taken out.
    people
        ``participant_id age sex site``.
    definitions
        Content of ``markers.json``.

    Returns
    -------
    matrix, cautions
        People sorted by identifier; sentences for the reader.

    Raises
    ------
    DatasetError
        The sexes are written in more than two ways.
    """
    people = people.sort_values("participant_id", ignore_index=True)
    participants = people["participant_id"].to_numpy(str)
    wide, cautions = side_by_side(rows, participants)
    values = wide.to_numpy(float).reshape(len(participants), -1)
    columns = [DesignColumn(str(key[0]), str(key[2]), str(key[1])) for key in list(wide.columns)]
    head = head_size_column(columns)
    marker = [
        index
        for index, column in enumerate(columns)
        if definitions.get(column.marker, {}).get("role", "marker") != "confound"
    ]
    female, messages = _female(people["sex"])
    return MarkerMatrix(
        participants,
        People(
            age=people["age"].to_numpy(float),
            female=female,
            site=people["site"].to_numpy(object),
            head_size=None if head is None else values[:, head],
        ),
        tuple(columns[index] for index in marker),
        values[:, marker],
    ), cautions + messages


def adjusted_columns(
    columns: Sequence[DesignColumn], definitions: Mapping[str, Mapping[str, Any]]
) -> np.ndarray:
    """Which columns are to be freed of head size, shape (columns,)."""
    volumes = volume_columns(columns, definitions) - {head_size_column(columns)}
    return np.isin(np.arange(len(columns)), sorted(volumes))


def joined(first: MarkerMatrix, second: MarkerMatrix) -> MarkerMatrix:
    """People of two matrices under the columns of the first."""
    second = second.with_columns(first.columns)
    heads = [
        np.full(len(part.people), np.nan)
        if part.people.head_size is None
        else part.people.head_size
        for part in (first, second)
    ]
    return MarkerMatrix(
        np.concatenate([first.participants, second.participants]),
        People(
            np.concatenate([first.people.age, second.people.age]),
            np.concatenate([first.people.female, second.people.female]),
            np.concatenate([first.people.site, second.people.site]),
            np.concatenate(heads),
        ),
        first.columns,
        np.vstack([first.values, second.values]),
    )


def _female(sexes: pd.Series) -> tuple[np.ndarray, list[str]]:
    """1 for women, 0 for men; of two codes that are no words the second counts as 1."""
    cells = sexes.map(lambda cell: "" if pd.isna(cell) else str(cell).removesuffix(".0"))
    words = {cell: sex_of(cell) for cell in sorted(set(cells) - {""})}
    codes = [cell for cell, sex in words.items() if sex is None]
    if not codes:
        numbers = {cell: FEMALE.get(str(sex), np.nan) for cell, sex in words.items()}
        return cells.map(numbers).to_numpy(float), []
    if len(words) > 2 or len(codes) < len(words):
        raise DatasetError(
            "reference charts",
            found=f"the sex is written as {', '.join(words)}",
            wanted="words, or two codes throughout",
            mend="Write the sexes of participants.tsv as F and M, and set "
            "normative.reference[].sex_codes for a reference table with codes",
        )
    numbers = {code: float(number) for number, code in enumerate(codes)}
    return cells.map(numbers).to_numpy(float), [
        f"The sexes are written as {' and '.join(codes)}: charts take the two apart without "
        "knowing which is which."
    ]
