"""Who belongs to which group and site, and what the groups look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from commissure.report import text as words
from commissure.study.labels.vocabulary import INDETERMINATE, is_control

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["control", "negative", "positive", "other", "unknown"]

_UNLABELLED = "unlabelled"
_SERIES: Mapping[Role, int] = {
    "control": 0, "negative": 1, "positive": 2, "other": 3, "unknown": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Group:
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
        Names of the two labels that the models tell apart.
    """

    people: pd.DataFrame
    groups: Sequence[Group]
    sites: Sequence[str]
    positive: str
    negative: str

    def members(self, *roles: Role) -> list[str]:
        """Identifiers of the people with one of these roles."""
        return list(self.people.index[self.people["role"].isin(roles)])

    def group(self, role: Role) -> Group | None:
        """The group with a role, if there is one."""
        return next((group for group in self.groups if group.role == role), None)

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
    import pandas as pd

    positive = str(question.get("positive") or "resistant")
    negative = str(question.get("negative") or "responsive")
    people = participants.copy()
    if "participant_id" not in people:
        people["participant_id"] = pd.Series(dtype=str)
    people["participant_id"] = people["participant_id"].astype(str)
    people = people.drop_duplicates("participant_id").set_index("participant_id")
    by_label = dict(zip(labels["participant_id"], labels["label"].fillna(""), strict=True))
    own = people["group"] if "group" in people else pd.Series("", index=people.index)
    place = people["site"] if "site" in people else pd.Series("all", index=people.index)
    decided = {positive, negative} & set(by_label.values())
    people["group"] = [
        _group(by_label.get(str(who), ""), "" if pd.isna(given) else str(given), bool(decided))
        for who, given in own.items()
    ]
    named = "unknown" if place.notna().any() else "all"
    people["site"] = [named if pd.isna(site) else str(site) for site in place]
    roles = {name: _role(name, positive, negative) for name in people["group"].unique()}
    people["role"] = people["group"].map(roles).astype(str)
    found = people["group"].value_counts()
    groups = sorted(
        (Group(str(name), roles[name], int(n)) for name, n in found.items()),
        key=lambda group: (_SERIES[group.role], group.name),
    )
    sites = sorted(people["site"].unique()) or ["all"]
    return Cohort(people, groups, sites, positive, negative)


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


def characteristics(people: Cohort, *, most: int = 12) -> dict[str, Any]:
    """The groups side by side: means and standard deviations, or counts.

    Returns
    -------
    dict
        ``columns`` (group names with sizes) and ``rows`` (name, then one text per group);
        at most ``most`` variables, ``left_out`` names the others.
    """
    table = people.people
    hidden = {"group", "role", "site", "listed"}
    names = [str(name) for name in table.columns if name not in hidden]
    rows: list[list[str]] = []
    if people.known_sites:
        for site in people.sites:
            rows.append(
                [f"site {site}"]
                + [
                    f"{n} ({words.percent(n, group.n)})"
                    for group in people.groups
                    for n in [int(((table["site"] == site) & (table["group"] == group.name)).sum())]
                ]
            )
    shown = 0
    left_out = []
    for name in names:
        lines = _characteristic(table[name], [table["group"] == g.name for g in people.groups])
        if not lines:
            continue
        if shown == most:
            left_out.append(name)
            continue
        shown += 1
        rows += [[f"{words.variable(name)}{level}", *cells] for level, cells in lines]
    columns = [f"{group.name} (n = {group.n})" for group in people.groups]
    return {"columns": columns, "rows": rows, "left_out": left_out}


def _characteristic(column: pd.Series, masks: Sequence[Any]) -> list[tuple[str, list[str]]]:
    known = column.dropna()
    if known.empty:
        return []
    if known.dtype.kind in "fiu" and known.nunique() > 2:
        cells = []
        for mask in masks:
            values = column[mask].dropna().to_numpy(float)
            if not len(values):
                cells.append(words.ABSENT)
                continue
            sd = f" ({words.number(np.std(values, ddof=1))})" if len(values) > 1 else ""
            lost = int(mask.sum()) - len(values)
            unknown = f", {lost} unknown" if lost else ""
            cells.append(f"{words.number(values.mean())}{sd}{unknown}")
        return [(", mean (SD)", cells)]
    levels = sorted(known.astype(str).unique())
    if len(levels) > 6:
        return []
    out = []
    for level in levels:
        counts = [int((column[mask].astype(str) == level).sum()) for mask in masks]
        sizes = [int(mask.sum()) for mask in masks]
        cells = [f"{n} ({words.percent(n, of)})" for n, of in zip(counts, sizes, strict=True)]
        out.append((f" {level}", cells))
    return out
