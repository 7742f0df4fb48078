"""Which marker rows count: what exclusions take out, and what can be a value.

Which visit is taken says :mod:`commissure.markers.visits`. The classifier, the report and a model
elsewhere all ask here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.modalities import MEASURED_WITH

#: Modality of an exclusion that leaves out the whole person.
ALL = "all"
#: A value beyond is no measurement, and its square may be no number.
LARGEST = 1e30

_KEYS = ["participant_id", "session", "modality"]


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
    all of them; without a modality, or with the modality :data:`ALL`, to the whole person. What is
    measured with a modality, as radiomics with lesions, goes with it.
    """
    excluded = np.zeros(len(markers), dtype=bool)
    rows_of = markers.groupby("participant_id", sort=False).indices
    sessions, modalities = markers["session"].to_numpy(), markers["modality"].to_numpy()
    for rule in exclusions.drop_duplicates(_KEYS).itertuples():
        rows = rows_of.get(rule.participant_id, np.zeros(0, dtype=int))
        if _given(rule.session):
            rows = rows[sessions[rows] == rule.session]
        if _given(rule.modality) and rule.modality != ALL:
            name = str(rule.modality)
            named = [name, MEASURED_WITH.get(name, name)]
            rows = rows[np.isin(modalities[rows].astype(str), named)]
        excluded[rows] = True
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


def _given(cell: object) -> bool:
    return isinstance(cell, str) and cell != ""
