"""Which marker rows count: what exclusions take out, what can be a value, which visit is taken.

The classifier, the report and a model elsewhere all ask here.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import read_table

#: Modality of an exclusion that leaves out the whole person.
ALL = "all"
#: A value beyond is no measurement, and its square may be no number.
LARGEST = 1e30

_KEYS = ["participant_id", "session", "modality"]
_NUMBER_IN_TEXT = re.compile(r"(\d+)")


def read_exclusions(path: Path) -> pd.DataFrame:
    """The exclusion table.

    Raises
    ------
    DatasetError
        It cannot be read, or a column is missing.
    """
    table = read_table(path, text=_KEYS)
    missing = [name for name in _KEYS if name not in table]
    if missing:
        raise DatasetError(
            path.name, found=f"the columns {missing} are missing", wanted="the exclusion table"
        )
    return table


def kept_rows(markers: pd.DataFrame, exclusions: pd.DataFrame) -> pd.DataFrame:
    """Rows that no exclusion names.

    An exclusion applies to its participant, session and modality. Without a session it applies to
    all of them; without a modality, or with the modality :data:`ALL`, to the whole person.
    """
    excluded = np.zeros(len(markers), dtype=bool)
    for rule in exclusions.drop_duplicates(_KEYS).itertuples():
        named = markers["participant_id"].to_numpy() == rule.participant_id
        if _given(rule.session):
            named &= markers["session"].to_numpy() == rule.session
        if _given(rule.modality) and rule.modality != ALL:
            named &= markers["modality"].to_numpy() == rule.modality
        excluded |= named
    return markers[~excluded]


def people_excluded(exclusions: pd.DataFrame, modality: str) -> set[str]:
    """People of whom an exclusion names something of a modality, be it one visit."""
    modalities = exclusions["modality"]
    applies = [not _given(name) or name in (ALL, modality) for name in modalities]
    return set(exclusions.loc[np.array(applies, dtype=bool), "participant_id"])


def measured_rows(markers: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows with a value that can be one, and a sentence on those that cannot."""
    size = np.abs(markers["value"].to_numpy(float))
    beyond = int((size > LARGEST).sum())
    caution = f"{beyond} marker values are infinite or beyond {LARGEST:g} and count as missing."
    return markers[size <= LARGEST], [caution] if beyond else []


def earliest_visits(markers: pd.DataFrame) -> pd.DataFrame:
    """For every person and modality the rows of the earliest session that has data.

    Sessions are ordered as people read them: ``ses-2`` before ``ses-10``.
    """
    names = sorted(markers["session"].unique(), key=_as_read)
    if len(names) < 2:
        return markers
    number_of = {name: number for number, name in enumerate(names)}
    session = markers["session"].map(number_of)
    first = session.groupby([markers["participant_id"], markers["modality"]]).transform("min")
    return markers[session == first]


def _given(cell: object) -> bool:
    return isinstance(cell, str) and cell != ""


def _as_read(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in _NUMBER_IN_TEXT.split(name)]
