"""A hospital: an output folder that answers requests, and keeps what stays.

All that a coordinator may ask of it goes through :meth:`Hospital.answer`; what it writes for itself
lies in its own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from commissure.errors import ConfigError, DatasetError
from commissure.federated.allowed import MIN_PEOPLE, Message
from commissure.federated.combat import CommonScale, harmonised
from commissure.federated.privacy_budget import PrivacyBudget, spent_before
from commissure.federated.question import Question
from commissure.federated.site import Request, Site
from commissure.federated.site_table import (
    SiteTable,
    controls_of,
    design_of,
    people_of,
    read_table,
)
from commissure.federated.vulnerability import indices, ranked_traits
from commissure.files import write_table
from commissure.models.chart_sums import People
from commissure.rows import Marker, write_markers

if TYPE_CHECKING:
    from commissure.federated.identity import Identity
    from commissure.federated.masks import Masks

#: Names of the tables of a site that a request may be of.
MARKERS, COMBAT, TRAITS, INDICES = "markers", "combat", "traits", "indices"


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
    only_masked
        Whether no sum leaves without a mask.
    identity
        Signs this site's keys of masks, and is asked about the others'.
    epsilon
        What may be told of a person in all, what the log says of earlier runs included; None for
        no limit. With it nothing leaves without noise but counts and names.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        log: Path,
        stays: Path,
        min_people: int = MIN_PEOPLE,
        only_masked: bool = False,
        identity: Identity | None = None,
        epsilon: float | None = None,
    ) -> None:
        self.name, self._folder, self._log, self._stays = name, folder, log, stays
        self._min_people = min_people
        self._table: SiteTable | None = None
        self._columns: list[tuple[str, ...]] = []
        self._views: dict[str, Site] = {}
        self._only_masked, self._identity = only_masked, identity
        self._masks: Masks | None = None
        self._budget = None
        if epsilon is not None:
            self._budget = PrivacyBudget(name, epsilon, spent_before(log))

    def answer(self, request: Request) -> Message:
        """Answer a request.

        Raises
        ------
        ConfigError
            A column of the people is not there, or masks are asked for and the extra is absent.
        DatasetError
            The answer may not leave.
        """
        if request.kind == "catalogue":
            return self._catalogue(request)
        if request.kind == "key":
            return self._key(request)
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
        self._question = Question.of(question)
        self._table = read_table(self._folder, self._question)
        self._views = {}
        values = self._table.values
        if question.get("complete"):
            values = values[self._complete()]
        counts = values.notna().sum()
        markers = [
            [*key, unit]
            for key, unit in self._table.units.items()
            if counts.get(key, 0) >= self._min_people
        ]
        return self._said(request, len(self._table.people), {"markers": markers})

    def _complete(self) -> np.ndarray:
        """Who has a label and all covariates."""
        return np.isfinite(design_of(self._told_table(), self._question, self.name)).all(axis=1)

    def _key(self, request: Request) -> Message:
        """Begin a session of masked sums."""
        if find_spec("cryptography") is None:
            raise ConfigError(
                f"site {self.name}, masked sums", found="cryptography is not installed",
                wanted="the extra federated", mend='Install it: make env EXTRAS="federated"',
            )  # fmt: skip
        from commissure.federated.masks import Masks

        people = len(self._told_table().people)
        self._masks = self._masks or Masks(self.name, self._identity)
        return self._said(request, people, self._masks.key(str(request.given["session"])))

    def _meet(self, given: Mapping[str, Any]) -> int:
        """Agree on masks with the other sites."""
        if self._masks is None:
            raise DatasetError(
                f"site {self.name}", found="keys of others before its own was asked for",
                wanted="its own first", mend="Begin again",
            )  # fmt: skip
        self._masks.meet(given["keys"])
        return len(self._told_table().people)

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
        design = design_of(table, question, self.name)
        labels = design[:, 0]
        site = Site(
            self.name, values.to_numpy(float), design, labels, self._log, self._min_people,
            people_of(table, self.name), controls_of(group), masks=self._masks,
            only_masked=self._only_masked, budget=self._budget,
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

    def _told_table(self) -> SiteTable:
        if self._table is None:
            raise DatasetError(
                f"site {self.name}", found="no question yet", wanted="the catalogue first",
                mend="Begin again with the catalogue",
            )  # fmt: skip
        return self._table


_TASKS: Mapping[str, Callable[[Hospital, Mapping[str, Any]], int]] = {
    "meet": Hospital._meet,
    "build": Hospital._build,
    "harmonise": Hospital._harmonise,
    "rank traits": Hospital._rank_traits,
    "align": Hospital._align,
}
