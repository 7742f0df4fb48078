"""A hospital: an output folder that answers requests, and keeps what stays.

All that a coordinator may ask of it goes through :meth:`Hospital.answer`; what it writes for itself
lies in its own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.federated.allowed import MIN_PEOPLE, Message
from commissure.federated.combat import CommonScale, harmonised
from commissure.federated.site import Request, Site
from commissure.federated.vulnerability import indices, ranked_traits
from commissure.files import write_table
from commissure.models.chart_sums import People
from commissure.rows import Marker, write_markers
from commissure.study.design import DesignColumn, head_size_column
from commissure.study.labels.vocabulary import means_control
from commissure.study.people_values import sex_of
from commissure.transport.apply import counted_markers, known_people, marker_table

_KEYS = ["modality", "region", "marker"]
#: Names of the tables of a site that a request may be of.
MARKERS, COMBAT, TRAITS, INDICES = "markers", "combat", "traits", "indices"


@dataclass(frozen=True)
class Question:
    """What is asked of the sites.

    Attributes
    ----------
    label
        Column of the people with the group.
    positive, negative
        Its two values.
    covariates
        Columns that groups are compared at equal values of: numbers, or sex.
    disorder
        Whose published pattern the vulnerability index compares people with.
    """

    label: str = "group"
    positive: str = "resistant"
    negative: str = "responsive"
    covariates: tuple[str, ...] = ("age", "sex")
    disorder: str = "schizophrenia"


@dataclass(frozen=True)
class _Table:
    people: pd.DataFrame
    values: pd.DataFrame
    units: dict[tuple[str, ...], str]


def _read(folder: Path, question: Question) -> _Table:
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
    return _Table(people, values.reindex(people["participant_id"]), units)


class Hospital:
    """One site, from its output folder.

    Parameters
    ----------
    name
        Its name.
    folder
        Output folder of a run.
    log
        File of what left.
    stays
        Folder of what is made here and stays.
    min_people
        Fewer people send nothing.
    """

    def __init__(
        self, name: str, folder: Path, *, log: Path, stays: Path, min_people: int = MIN_PEOPLE
    ) -> None:
        self.name, self._folder, self._log, self._stays = name, folder, log, stays
        self._min_people = min_people
        self._table: _Table | None = None
        self._columns: list[tuple[str, ...]] = []
        self._views: dict[str, Site] = {}

    def answer(self, request: Request) -> Message:
        """Answer a request.

        Raises
        ------
        ConfigError
            A column of the people is not there.
        DatasetError
            The answer may not leave.
        """
        if request.kind == "catalogue":
            return self._catalogue(request)
        if request.kind == "done":
            return self._done(request)
        site = self._views.get(request.view)
        if site is None:
            raise DatasetError(
                f"site {self.name}", found=f"it was asked of '{request.view}'",
                wanted=f"one of {sorted(self._views)}", mend="Begin again with the catalogue",
            )  # fmt: skip
        return site.answer(request)

    def _catalogue(self, request: Request) -> Message:
        question = request.given["question"]
        self._question = Question(**{**question, "covariates": tuple(question["covariates"])})
        self._table = _read(self._folder, self._question)
        self._views = {}
        counts = self._table.values.notna().sum()
        markers = [
            [*key, unit]
            for key, unit in self._table.units.items()
            if counts.get(key, 0) >= self._min_people
        ]
        return self._said(request, len(self._table.people), {"markers": markers})

    def _done(self, request: Request) -> Message:
        """Do what stays here."""
        task = _TASKS.get(str(request.given.get("task")))
        if task is None or self._table is None:
            raise DatasetError(
                f"site {self.name}", found=f"the task '{request.given.get('task')}'",
                wanted=f"one of {sorted(_TASKS)}, after the catalogue",
                mend="Install one version of commissure at all sites",
            )  # fmt: skip
        return self._said(request, task(self, request.given), {})

    def _said(self, request: Request, people: int, words: Mapping[str, Any]) -> Message:
        arrays = {"people": np.array(float(people))}
        message = Message(self.name, request.kind, request.round, people, arrays, words=words)
        nothing = np.zeros((0, 0))
        site = Site(self.name, nothing, nothing, np.zeros(0), self._log, self._min_people)
        return site.sent(message, request)

    def _build(self, given: Mapping[str, Any]) -> int:
        """The tables that requests are of, in the columns that the sites share."""
        table, question = self._told_table(), self._question
        self._columns = [tuple(column) for column in given["columns"]]
        values = table.values.reindex(columns=pd.MultiIndex.from_tuples(self._columns))
        group = table.people[question.label]
        labels = group.map({question.positive: 1.0, question.negative: 0.0}).to_numpy(float)
        covariates = [_coded(table.people[c], self.name, c) for c in question.covariates]
        site = Site(
            self.name, values.to_numpy(float), np.column_stack([labels, *covariates]), labels,
            self._log, self._min_people, _people(table, self.name), _controls(group),
        )  # fmt: skip
        self._views = {MARKERS: site, COMBAT: replace(site, design=site.design[:, 1:])}
        return len(labels)

    def _harmonise(self, given: Mapping[str, Any]) -> int:
        """ComBat of the site's own markers, by the scale that the sites agreed on."""
        scale = CommonScale(given["slopes"], given["mean"], given["sd"])
        table = self._told_table()
        values = harmonised(self._views[COMBAT], scale)
        rows = [
            Marker(person, "", column[0], column[1], column[2], float(value), table.units[column])
            for person, line in zip(table.people["participant_id"], values, strict=True)
            for column, value in zip(self._columns, line, strict=True)
            if np.isfinite(value)
        ]
        write_markers(rows, self._stays / "markers.tsv")
        return len(values)

    def _rank_traits(self, given: Mapping[str, Any]) -> int:
        site = self._views[MARKERS]
        ranked = ranked_traits(site, given["traits"], with_head=bool(given["with_head"]))
        nobody = np.zeros(len(ranked))
        self._views[TRAITS] = replace(
            site, markers=ranked, people=People(nobody, nobody, nobody.astype(object))
        )
        return len(ranked)

    def _align(self, given: Mapping[str, Any]) -> int:
        """RVI and AVI of the site's own people, by controls of all sites."""
        site = self._views[TRAITS]
        found = indices(site.markers, given["mean"], given["sd"], given["effects"])
        self._views[INDICES] = replace(site, markers=np.column_stack([found.rvi, found.avi]))
        rows = pd.DataFrame(
            {
                "participant_id": self._told_table().people["participant_id"],
                "traits": given["name"], "rvi": found.rvi, "avi": found.avi,
                "n_traits": found.traits,
            }
        )  # fmt: skip
        self._stays.mkdir(parents=True, exist_ok=True)
        write_table(rows.dropna(subset="rvi"), self._stays / f"vulnerability_{given['name']}.tsv")
        return len(rows)

    def _told_table(self) -> _Table:
        if self._table is None:
            raise DatasetError(
                f"site {self.name}", found="no question yet", wanted="the catalogue first",
                mend="Begin again with the catalogue",
            )  # fmt: skip
        return self._table


_TASKS: Mapping[str, Callable[[Hospital, Mapping[str, Any]], int]] = {
    "build": Hospital._build,
    "harmonise": Hospital._harmonise,
    "rank traits": Hospital._rank_traits,
    "align": Hospital._align,
}


def _controls(group: pd.Series) -> np.ndarray:
    return group.map(means_control).to_numpy(bool)


def _people(table: _Table, name: str) -> People:
    """Age, sex and head size as charts take them; NaN where a column is not there."""
    nothing = pd.Series(np.nan, index=table.people.index)
    age = pd.to_numeric(table.people.get("age", nothing), errors="coerce").to_numpy(float)
    sex = table.people.get("sex", nothing).map(
        lambda cell: sex_of(str(cell)) if pd.notna(cell) else None
    )
    columns = [DesignColumn(key[0], key[2], key[1]) for key in table.values.columns]
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
