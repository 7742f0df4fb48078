"""Who belongs to which group and site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from commissure.study.labels.vocabulary import INDETERMINATE, is_control

Role = Literal["control", "negative", "positive", "other", "unknown"]

_UNLABELLED = "unlabelled"
_SERIES: Mapping[Role, int] = {
    "control": 0, "negative": 1, "positive": 2, "other": 3, "unknown": 4,
}  # fmt: skip


@dataclass(frozen=True)
class CohortGroup:
    """People with one label; ``series`` is the colour and shape that figures give them."""

    name: str
    role: Role
    n: int

    @property
    def series(self) -> int:
        """Number of the group's colour."""
        return _SERIES[self.role]


@dataclass(frozen=True)
class Cohort:
    """The people of a run.

    Attributes
    ----------
    people
        Indexed by ``participant_id``: columns ``group``, ``role``, ``site`` and those of
        ``participants.tsv``.
    groups
        Controls first, then negative, positive and other groups.
    sites
        Names in sorted order; a single ``"all"`` where no site is known.
    positive, negative
        The two labels that the models tell apart, as they stand in the tables.
    positive_name, negative_name
        What a reader calls them.
    positive_people, negative_people
        Their people in words for a sentence.
    """

    people: pd.DataFrame
    groups: Sequence[CohortGroup]
    sites: Sequence[str]
    positive: str
    negative: str
    positive_name: str
    negative_name: str
    positive_people: str
    negative_people: str

    def members(self, *roles: Role) -> list[str]:
        """Identifiers of the people with one of these roles."""
        return list(self.people.index[self.people["role"].isin(roles)])

    @property
    def known_sites(self) -> bool:
        """Whether the people come with a site."""
        return list(self.sites) != ["all"]


def cohort(
    participants: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    question: Mapping[str, Any],
) -> Cohort:
    """Bring participants, labels and sites together.

    A person's group is the label where there is one, else ``group`` of participants.tsv. Where
    nobody has either of the two labels, the entry stands also for those of unclear label. People
    with neither a clear label nor an entry are unlabelled: they count as no patient.
    """
    positive = str(question.get("positive") or "resistant")
    negative = str(question.get("negative") or "responsive")
    people = participants.copy()
    if "participant_id" not in people:
        people["participant_id"] = pd.Series(dtype=str)
    people["participant_id"] = people["participant_id"].astype(str)
    people = people.drop_duplicates("participant_id").set_index("participant_id")
    by_label = dict(zip(labels["participant_id"], labels["label"].fillna(""), strict=True))
    entry = people["group"] if "group" in people else pd.Series("", index=people.index)
    site_of = people["site"] if "site" in people else pd.Series("all", index=people.index)
    decided = {positive, negative} & set(by_label.values())
    people["group"] = [
        _group(by_label.get(str(who), ""), "" if pd.isna(given) else str(given), bool(decided))
        for who, given in entry.items()
    ]
    named = "unknown" if site_of.notna().any() else "all"
    people["site"] = [named if pd.isna(site) else str(site) for site in site_of]
    roles = {name: _role(name, positive, negative) for name in people["group"].unique()}
    people["role"] = people["group"].map(roles).astype(str)
    names = {
        positive: str(question.get("positive_name") or positive),
        negative: str(question.get("negative_name") or negative),
    }
    roles = {names.get(name, name): role for name, role in roles.items()}
    people["group"] = [names.get(name, name) for name in people["group"]]
    sizes = people["group"].value_counts()
    groups = sorted(
        (CohortGroup(str(name), roles[name], int(n)) for name, n in sizes.items()),
        key=lambda group: (_SERIES[group.role], group.name),
    )
    sites = sorted(people["site"].unique()) or ["all"]
    return Cohort(
        people, groups, sites, positive, negative, names[positive], names[negative],
        *(str(question.get(f"{side}_people") or f"{label} patients")
          for side, label in (("positive", positive), ("negative", negative))),
    )  # fmt: skip


def _group(label: str, given: str, decided: bool) -> str:
    if label == INDETERMINATE and (not given or not decided):
        return given or _UNLABELLED
    return label or given or _UNLABELLED


def _role(name: str, positive: str, negative: str) -> Role:
    if name == _UNLABELLED:
        return "unknown"
    if name == positive:
        return "positive"
    if name == negative:
        return "negative"
    return "control" if is_control(name) else "other"
