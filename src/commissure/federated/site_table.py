"""The table of a site, as its output folder holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.federated.question import Question
from commissure.models.chart_sums import People
from commissure.study.design import DesignColumn, head_size_column
from commissure.study.labels.vocabulary import means_control
from commissure.study.people_values import sex_of
from commissure.transport.apply import counted_markers, known_people, marker_table

_KEYS = ["modality", "region", "marker"]


@dataclass(frozen=True)
class SiteTable:
    """People of a site, their markers (a row a person), and the unit of each marker."""

    people: pd.DataFrame
    values: pd.DataFrame
    units: dict[tuple[str, ...], str]


def read_table(folder: Path, question: Question) -> SiteTable:
    """The people and markers of an output folder.

    Raises
    ------
    ConfigError
        A column of the people that the question names is not there.
    """
    path = marker_table(folder)
    markers, _ = counted_markers(path)
    asked = path.parent / "participants.tsv"
    people, _ = known_people(markers, asked, asked=True, site_column="site")
    missing = [c for c in (question.label, *question.covariates) if c not in people]
    if missing:
        raise ConfigError(
            str(folder), found=f"the people have no column '{missing[0]}'",
            wanted=f"one of {[c for c in people.columns if c != 'participant_id']}",
            mend="Name other columns, or add this one to participants.tsv",
        )  # fmt: skip
    values = markers.pivot_table(index="participant_id", columns=_KEYS, values="value")
    units = {
        tuple(map(str, key)): str(rows["unit"].iloc[0]) for key, rows in markers.groupby(_KEYS)
    }
    return SiteTable(people, values.reindex(people["participant_id"]), units)


def design_of(table: SiteTable, question: Question, site: str) -> np.ndarray:
    """Label (1, 0 or NaN) and covariates of a site's people, (people, columns).

    Raises
    ------
    ConfigError
        A covariate that is neither numbers nor sex.
    """
    labels = table.people[question.label].map({question.positive: 1.0, question.negative: 0.0})
    covariates = [_coded(table.people[c], site, c) for c in question.covariates]
    return np.column_stack([labels.to_numpy(float), *covariates])


def controls_of(group: pd.Series) -> np.ndarray:
    """Who is a control."""
    return group.map(means_control).to_numpy(bool)


def people_of(table: SiteTable, name: str) -> People:
    """Age, sex and head size as charts take them; NaN where a column is not there."""
    nothing = pd.Series(np.nan, index=table.people.index)
    age = pd.to_numeric(table.people.get("age", nothing), errors="coerce").to_numpy(float)
    sex = table.people.get("sex", nothing).map(
        lambda cell: sex_of(str(cell)) if pd.notna(cell) else None
    )
    columns = [DesignColumn(*key) for key in table.values.columns]
    head = head_size_column(columns)
    return People(
        age, sex.map({"M": 0.0, "F": 1.0}).to_numpy(float),
        np.full(len(age), name, dtype=object),
        None if head is None else table.values.iloc[:, head].to_numpy(float),
    )  # fmt: skip


def _coded(column: pd.Series, site: str, name: str) -> np.ndarray:
    """Numbers of a covariate; of sex 1 for men, which is agreed by the code and not by the data."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().sum() == column.notna().sum():
        return numbers.to_numpy(float)
    sex = column.map(lambda cell: sex_of(str(cell)) if pd.notna(cell) else None)
    if sex.notna().sum() < column.notna().sum():
        odd = column[column.notna() & sex.isna()].iloc[0]
        raise ConfigError(
            f"site {site}, column '{name}'", found=f"'{odd}'", wanted="numbers, or sex",
            mend="Leave this covariate out, or write it as numbers at every site",
        )  # fmt: skip
    return sex.map({"M": 1.0, "F": 0.0}).to_numpy(float)
