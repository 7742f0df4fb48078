"""Lesions over time: the response of every person, and how sums changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.lesion.criteria.rules import RULES, Rule, chosen_rule
from commissure.report import text
from commissure.report.plots import lesion_figures
from commissure.report.plots.lesion_figures import CATEGORIES, Course
from commissure.report.section import Content, ReportInput

#: People that the table and the swimmer plot show, those of the other figures.
ROWS, BARS = 60, 400

#: What was published, for comparison: who, of what, area under the curve, how it was tested.
PUBLISHED = (
    ("Jang 2018", "78 glioblastomas", "0.83", "on 19; it did poorly on 104 of other centres"),
    ("Mouraviev 2020", "87 people with brain metastases", "0.79", "not checked here"),
    ("Jalalifar 2022", "124 people with brain metastases", "0.86", "on 25"),
    ("Jia 2022", "125 glioblastomas", "0.92", "on 38; of survival beyond a year, not response"),
    ("Liao 2021", "256 people with brain metastases", "0.95", "not checked here"),
)


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on lesions shows; None without lesions."""
    response = run.results.tables["response.tsv"]
    lesions = run.results.tables["lesions.tsv"]
    if lesions.empty:
        return None
    best = run.results.tables["best_response.tsv"]
    people = lesions["participant_id"].nunique()
    shown: dict[str, Any] = {
        "people": text.count(people, "person", "people"),
        "visits": len(lesions.groupby(["participant_id", "session"])),
        "followed": len(best),
        "rows": [], "figures": [], "left": 0,
    }  # fmt: skip
    if response.empty:
        return shown
    named = [str(name) for name in response["criteria"].unique()]
    days = bool(response["day"].notna().all())
    courses = _courses(response, best, days=days)
    flagged = response["flags"].ne("")
    return {
        **shown,
        "criteria": text.listed(named),
        "quantity": str(response["quantity"].iloc[0]),
        "confirmed": _counts(best["confirmed"]),
        "unconfirmed": _counts(best["unconfirmed"]),
        "flagged": int(flagged.sum()),
        "rows": [_row(row, response) for _, row in best.iloc[:ROWS].iterrows()],
        "left": max(0, len(best) - ROWS),
        "figures": _figures(courses, _rule(response), days=days),
        "published": PUBLISHED,
    }


def _rule(response: pd.DataFrame) -> Rule:
    """The criteria by their title, in the form that adds up what was added up."""
    title, quantity = response["criteria"].iloc[0], response["quantity"].iloc[0]
    rule = next(rule for rule in RULES.values() if rule.title == title)
    return chosen_rule(rule.name, volumes=True) if quantity == "sum of volumes" else rule


def _courses(response: pd.DataFrame, best: pd.DataFrame, *, days: bool) -> list[Course]:
    confirmed = dict(zip(best["participant_id"], best["confirmed"], strict=True))
    courses = []
    for name, rows in response.groupby("participant_id", sort=True):
        when = rows["day"].astype(float) if days else np.arange(1.0, len(rows) + 1)
        changes = rows["change_from_baseline_percent"].astype(float)
        seen = list(zip(map(float, when), map(float, changes), rows["response"], strict=True))
        courses.append(Course(str(name), str(confirmed.get(name, "NE")), seen))
    return courses


def _counts(categories: pd.Series) -> str:
    counts = categories.value_counts()
    order = [name for name in CATEGORIES if name in counts]
    return text.listed(f"{counts[name]} {name}" for name in order)


def _row(best: pd.Series, response: pd.DataFrame) -> dict[str, Any]:
    rows = response[response["participant_id"] == best["participant_id"]]
    changes = rows["change_from_baseline_percent"].astype(float)
    lowest = changes.min()
    return {
        "person": best["participant_id"],
        "followups": len(rows),
        "best": best["confirmed"],
        "once": best["unconfirmed"],
        "change": f"{text.fixed(lowest, 0)} %" if text.is_number(lowest) else text.ABSENT,
        "progression": best["progression_session"] or text.ABSENT,
        "last": str(rows["response"].iloc[-1]),
        "reason": str(rows["reason"].iloc[-1]),
    }


def _figures(courses: Sequence[Course], rule: Rule, *, days: bool) -> list[dict[str, str]]:
    limits = (-100 * rule.decrease, 100 * rule.increase)
    known = [course for course in courses if np.isfinite(course.lowest)][:BARS]
    panels = []
    if known:
        said = f"{len(known)} people, best change of the sum since the baseline"
        figure = lesion_figures.waterfall(known, limits, key="waterfall", description=said)
        panels.append({"title": "Waterfall: best change of each person", "figure": figure})
        figure = lesion_figures.spider(
            known, limits, days=days, key="spider", description="Change of the sum over time"
        )
        panels.append({"title": "Spider: change over time", "figure": figure})
    figure = lesion_figures.swimmer(
        courses[:ROWS], days=days, key="swimmer", description="Categories of each visit"
    )
    panels.append({"title": "Swimmer: category at each follow-up", "figure": figure})
    return panels
