"""How far people deviate from healthy people of their age, sex and site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from commissure.report import text
from commissure.report.cohort import Cohort, CohortGroup
from commissure.report.plots import chart_figures
from commissure.report.section import Content, ReportInput
from commissure.study.labels.vocabulary import is_control

#: Charts that are drawn, and rows of the table of extreme markers.
MOST_CHARTS, MOST_ROWS = 6, 12
_KEY = ["modality", "region", "marker"]


def content(run: ReportInput, below: Mapping[str, Content]) -> Content | None:
    """Everything that the section on deviations shows; None where no charts were asked for."""
    record = run.results.normative
    if not record:
        return None
    if "reason" in record:
        return {"reason": text.sentence(record["reason"]), "cautions": record["cautions"]}
    tables = run.results.tables
    people = tables["normative/people.tsv"].set_index("participant_id")
    deviations = tables["normative/deviations.tsv"]
    groups = [
        group for group in run.people.groups if _members(run.people, group, people.index).any()
    ]
    controls = next((group for group in groups if _healthy(group)), None)
    overlap = _overlap(deviations, run.people, groups, record["extreme"])
    return {
        "reason": "",
        "verdict": verdict(record),
        "source": _source(record),
        "extreme": text.number(record["extreme"]),
        "groups": [_group(group, run.people, people, controls) for group in groups],
        "names": [group.name for group in groups],
        "rows": overlap,
        "charts": _charts(run, deviations, groups),
        "new_site": [
            (entry["controls"], text.fixed(1.96 * entry["offset_sd"]))
            for entry in record["new_site"]
            if entry["offset_sd"] is not None
        ],
        "sites": record["sites"],
        "cautions": record["cautions"],
        "without_chart": text.some(record["without_chart"]) if record["without_chart"] else "",
    }


def verdict(record: Mapping[str, Any]) -> str:
    """Whether the charts hold for controls who had no part in them, in words."""
    held = record["held_out"]
    if not held.get("charts") or held.get("extreme_percent") is None:
        return (
            "Nobody could be held out: whether the charts hold for people of this study is not "
            "known."
        )
    share, expected = held["extreme_percent"], held["expected_percent"]
    found = (
        f"{text.fixed(share, 1)} % of the deviations of controls who had no part in the charts lie "
        f"beyond ±{text.number(record['extreme'])} ({text.fixed(expected, 1)} % are expected)"
    )
    if share > 1.5 * expected:
        return f"The charts are too narrow for this study: {found}. Take no deviation for extreme."
    if share > 1.2 * expected:
        return f"The charts are somewhat narrow: {found}."
    if share < 0.6 * expected:
        return f"The charts are too wide for this study: {found}."
    return f"The charts hold: {found}."


def _source(record: Mapping[str, Any]) -> str:
    controls = text.count(record["n_controls"], "control")
    if record["source"] == "stored charts":
        return f"charts of another study ({controls})"
    if record["n_reference"]:
        return f"{controls}, {record['n_reference']} of them from reference tables"
    return controls


def _healthy(group: CohortGroup) -> bool:
    """Whether charts were learnt from the group, which may be a label of the question, too."""
    return group.role == "control" or is_control(group.name)


def _members(people: Cohort, group: CohortGroup, scored: pd.Index) -> np.ndarray:
    who = people.people.index[people.people["group"] == group.name]
    return np.asarray(scored.isin(who))


def _group(
    group: CohortGroup, people: Cohort, scored: pd.DataFrame, controls: CohortGroup | None
) -> dict[str, str]:
    rows = scored[_members(people, group, scored.index)]
    part = (rows["n_low"] + rows["n_high"]) / rows["n_markers"] * 100
    against = ""
    if controls is not None and group != controls:
        reference = scored[_members(people, controls, scored.index)]
        theirs = (reference["n_low"] + reference["n_high"]) / reference["n_markers"] * 100
        if len(part) > 2 and len(theirs) > 2:
            test = stats.mannwhitneyu(part, theirs)
            against = text.p_value(float(test.pvalue))
    return {
        "name": group.name,
        "n": str(len(rows)),
        "low": f"{text.fixed((rows['n_low'] / rows['n_markers']).mean() * 100, 1)} %",
        "high": f"{text.fixed((rows['n_high'] / rows['n_markers']).mean() * 100, 1)} %",
        "median": f"{text.fixed(part.median(), 1)} %",
        "rms": text.fixed(rows["rms_z"].median()),
        "p": against,
    }


def _overlap(
    deviations: pd.DataFrame, people: Cohort, groups: Sequence[CohortGroup], extreme: float
) -> list[dict[str, Any]]:
    """Markers in which most people who are no controls are extreme, the same way."""
    patients = [group for group in groups if not _healthy(group)]
    if not patients or deviations.empty:
        return []
    group_of = people.people["group"].to_dict()
    table = deviations.assign(
        group=deviations["participant_id"].map(group_of),
        low=deviations["z"] < -extreme,
        high=deviations["z"] > extreme,
    )
    share = table.groupby([*_KEY, "group"])[["low", "high"]].mean() * 100
    names = [group.name for group in groups]
    of_patients = table[table["group"].isin([group.name for group in patients])]
    most = of_patients.groupby(_KEY)[["low", "high"]].mean().reset_index()
    most = most.melt(id_vars=_KEY, var_name="side", value_name="share")
    most = most.sort_values("share", ascending=False, kind="stable").head(MOST_ROWS)
    rows = []
    for modality, region, marker, side in most[[*_KEY, "side"]].itertuples(index=False, name=None):
        cells = [
            f"{text.fixed(share[side].get((modality, region, marker, name), np.nan), 0)} %"
            for name in names
        ]
        rows.append(
            {
                "name": text.marker_name(marker, region),
                "modality": text.modality(modality),
                "side": side,
                "cells": cells,
            }
        )
    return rows


def _charts(
    run: ReportInput, deviations: pd.DataFrame, groups: Sequence[CohortGroup]
) -> list[dict[str, str]]:
    """Charts of the markers in which patients deviate most, with everybody's place."""
    curves = run.results.tables["normative/curves.tsv"]
    if curves.empty or deviations.empty or "age" not in run.people.people:
        return []
    group_of, age_of = run.people.people["group"], run.people.people["age"]
    patients = {group.name for group in groups if not _healthy(group)}
    asked = deviations[deviations["participant_id"].map(group_of.to_dict()).isin(patients)]
    if asked.empty:
        asked = deviations
    strength = asked.groupby(_KEY)["z"].agg(["mean", "count"])
    strength = (strength["mean"].abs() * np.sqrt(strength["count"])).sort_values(
        ascending=False, kind="stable"
    )
    drawn = []
    for number, (modality, region, marker) in enumerate(strength.index[:MOST_CHARTS]):
        of_chart = curves[
            (curves["modality"] == modality)
            & (curves["region"] == region)
            & (curves["marker"] == marker)
        ]
        of_marker = deviations[
            (deviations["modality"] == modality)
            & (deviations["region"] == region)
            & (deviations["marker"] == marker)
        ].set_index("participant_id")
        ages = age_of.reindex(of_marker.index).to_numpy(float)
        places = _at_average_site(of_chart, of_marker["z"].to_numpy(float), ages)
        names = group_of.reindex(of_marker.index)
        shown, said = [], []
        for group in groups:
            chosen = (names == group.name).to_numpy()
            if chosen.any():
                mean = of_marker["z"][chosen].mean()
                shown.append((group.name, group.series, ages[chosen], places[chosen]))
                said.append(f"{group.name}: mean deviation {text.fixed(mean)}")
        title = text.marker_name(marker, region)
        drawn.append(
            {
                "title": f"{text.modality(modality)}: {title}",
                "told": "; ".join(said),
                "figure": chart_figures.chart(
                    of_chart, shown, label=title, key=f"chart-{number}",
                    description=f"{title} over age with the 5th to 95th centile; {'; '.join(said)}",
                ),
            }
        )  # fmt: skip
    return drawn


def _at_average_site(curves: pd.DataFrame, z: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Where a deviation lies among the curves, both sexes together, shape (people,)."""
    names = ["p5", "p25", "p50", "p75", "p95"]
    of_age = curves.groupby("age")[names].mean()
    levels = stats.norm.ppf([0.05, 0.25, 0.5, 0.75, 0.95])
    at = np.array([np.interp(ages, of_age.index.to_numpy(float), of_age[n]) for n in names])
    places = np.empty(len(z))
    for person, score in enumerate(z):
        column = at[:, person]
        places[person] = np.interp(score, levels, column)
        for edge, inner in ((0, 1), (-1, -2)):
            if (edge == 0 and score < levels[0]) or (edge == -1 and score > levels[-1]):
                slope = (column[edge] - column[inner]) / (levels[edge] - levels[inner])
                places[person] = column[edge] + slope * (score - levels[edge])
    return places
