"""Differences between groups, marker by marker, with intervals and the price of many tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from commissure.markers.effect_sizes import Effect, covariate_matrix, false_discovery, hedges_g
from commissure.markers.selection import kept_rows, measured_rows
from commissure.markers.visits import baseline_rows
from commissure.report import text
from commissure.report.cohort import Cohort
from commissure.report.plots import marker_figures
from commissure.report.results import Results, modality_order
from commissure.report.section import Content, ReportInput

Key = tuple[str, str, str]

# The volume that other volumes are adjusted for.
_HEAD: Key = ("anat", "volume", "TIV")


@dataclass(frozen=True)
class Comparison:
    """Two sets of people, and how their difference is named; positive where the first is larger."""

    name: str
    first: Sequence[str]
    second: Sequence[str]
    series: int


def person_values(results: Results) -> dict[Key, pd.Series]:
    """One value per person for every marker, of the rows that the models take too.

    Returns
    -------
    dict
        Modality, marker and region to a series indexed by ``participant_id``, in the order of the
        modalities, then of the table.
    """
    rows, _ = measured_rows(kept_rows(results.markers, results.tables["exclusions.tsv"]))
    visits = results.tables["visits.tsv"]
    rows = baseline_rows(rows, visits) if len(visits) else rows
    values: dict[Key, pd.Series] = {}
    for name in modality_order(set(rows["modality"])):
        grouped = rows[rows["modality"] == name].groupby(
            ["modality", "marker", "region"], sort=False
        )
        for key, part in grouped:
            modality, marker, region = (str(word) for word in key)
            values[modality, marker, region] = part.groupby("participant_id")["value"].mean()
    return values


def comparisons(people: Cohort) -> list[Comparison]:
    """Patients minus controls, and positive minus negative, where both sides have people."""
    control, positive, negative = (
        people.members(role) for role in ("control", "positive", "negative")
    )
    patients = people.members("positive", "negative", "other")
    pairs = []
    if control and patients:
        pairs.append(Comparison("patients − controls", patients, control, 0))
    if positive and negative:
        pairs.append(
            Comparison(f"{people.positive_name} − {people.negative_name}", positive, negative, 2)
        )
    return pairs


def compare(
    values: pd.Series, comparison: Comparison, covariates: np.ndarray | None
) -> Effect | None:
    """Standardise one difference; people without the value take no part.

    Parameters
    ----------
    values
        Indexed by person.
    covariates
        Numbers without gaps, one row per person of ``comparison.first``, then of ``second``.
    """
    first, second = (
        values.reindex(list(who)).to_numpy(float) for who in (comparison.first, comparison.second)
    )
    known = np.isfinite(np.concatenate([first, second]))
    # Of people with nothing to adjust for there is a matrix without rows.
    adjusted = covariates[known] if covariates is not None and covariates.size else None
    return hedges_g(first[np.isfinite(first)], second[np.isfinite(second)], adjusted)


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on markers by group shows."""
    results, people, settings = run.results, run.people, run.settings
    values = {
        key: series
        for key, series in person_values(results).items()
        if results.definitions.get(key[1], {}).get("role", "marker") != "confound"
    }
    adjusted_for = [name for name in settings.adjust_for if _varies(people.people, name)]
    columns = [*(["site"] if len(people.sites) > 1 else []), *adjusted_for]
    level = settings.false_discovery_rate
    tests = [_tested(pair, values, people.people, columns) for pair in comparisons(people)]
    main = main_keys(list(values), settings.main_markers)
    return {
        "comparisons": [
            {
                "name": tested.comparison.name,
                "first": len(tested.comparison.first),
                "second": len(tested.comparison.second),
                "tested": len(tested.effects),
                "marked": sum(q <= level for q in tested.q.values()),
                "series": tested.comparison.series,
            }
            for tested in tests
        ],
        "rows": [_row(key, values[key], results, tests, level) for key in values],
        "forests": _forests(main, tests),
        "panels": _panels(main, values, people, results),
        "means": _means(main, values, people, results),
        "adjusted_for": columns,
        "head": _HEAD in values,
        "declared": bool(declared_keys(list(values), settings.main_markers)),
        "level": f"{100 * level:g} %",
        "markers": len(values),
        "people": len({who for series in values.values() for who in series.index}),
        "groups": list(people.groups),
        "sites": people.sites if people.known_sites else [],
    }


def _varies(table: pd.DataFrame, name: str) -> bool:
    return name in table and len(table[name].dropna().unique()) > 1


@dataclass(frozen=True)
class ComparedMarkers:
    """One comparison over all markers: adjusted and raw effects, and the corrected p-values."""

    comparison: Comparison
    effects: Mapping[Key, Effect]
    raw: Mapping[Key, Effect | None]
    q: Mapping[Key, float]


def _tested(
    comparison: Comparison,
    values: Mapping[Key, pd.Series],
    people: pd.DataFrame,
    columns: Sequence[str],
) -> ComparedMarkers:
    """Compare two sets of people in every marker; volumes are also adjusted for the head."""
    compared = people.loc[[*comparison.first, *comparison.second]]
    base = [compared[name].to_numpy() for name in columns]
    plain = with_head = covariate_matrix(base)
    if _HEAD in values:
        with_head = covariate_matrix([*base, values[_HEAD].reindex(compared.index).to_numpy(float)])
    effects, raw = {}, {}
    for key, series in values.items():
        is_part = key[1] == "volume" and key != _HEAD
        effect = compare(series, comparison, with_head if is_part else plain)
        if effect is not None:
            effects[key], raw[key] = effect, compare(series, comparison, None)
    corrected = false_discovery(np.array([effect.p for effect in effects.values()]))
    q = {key: float(value) for key, value in zip(effects, corrected, strict=True)}
    return ComparedMarkers(comparison, effects, raw, q)


def main_keys(keys: Sequence[Key], wanted: Sequence[str]) -> list[Key]:
    """The markers that figures show: those named, as marker/region, that were measured.

    Where none of the named ones was measured (a lab's own tables), the first twelve.
    """
    return declared_keys(keys, wanted) or list(keys)[:12]


def declared_keys(keys: Sequence[Key], wanted: Sequence[str]) -> list[Key]:
    """The markers that the settings name, as marker/region, and that were measured."""
    return [key for name in wanted for key in keys if f"{key[1]}/{key[2]}" == name]


def marker_unit(key: Key, results: Results) -> str:
    """Unit of a marker as the table of markers gives it."""
    definition = results.definitions.get(key[1], {})
    return text.unit(definition.get("unit", ""))


def _row(
    key: Key,
    values: pd.Series,
    results: Results,
    tests: Sequence[ComparedMarkers],
    level: float,
) -> dict[str, Any]:
    return {
        "modality": text.capital(text.modality(key[0])),
        "marker": key[1],
        "region": key[2],
        "unit": marker_unit(key, results),
        "n": len(values),
        "cells": [_cell(key, tested, level) for tested in tests],
    }


def _cell(key: Key, tested: ComparedMarkers, level: float) -> dict[str, Any] | None:
    if key not in tested.effects:
        return None
    effect, raw, q = tested.effects[key], tested.raw[key], tested.q[key]
    return {
        "g": text.fixed(effect.g),
        "sort": effect.g,
        "interval": text.interval(effect.low, effect.high),
        "raw": text.fixed(raw.g) if raw else text.ABSENT,
        "q": text.p_value(q).removeprefix("= "),
        "q_sort": q,
        "marked": q <= level,
    }


def _forests(main: Sequence[Key], tests: Sequence[ComparedMarkers]) -> str:
    rows: list[tuple[str, list[marker_figures.Bar]]] = []
    headings, last = [], ""
    for key in main:
        bars = [
            marker_figures.Bar(effect.g, effect.low, effect.high, tested.comparison.series)
            for tested in tests
            if (effect := tested.effects.get(key))
        ]
        if bars:
            if key[0] != last:
                headings.append((len(rows), text.capital(text.modality(key[0]))))
                last = key[0]
            rows.append((text.marker_name(key[1], key[2]), bars))
    if not rows:
        return ""
    written = "; ".join(
        f"{name}: " + ", ".join(f"{text.fixed(b.value)} ({text.interval(b.low, b.high)})"
                                for b in bars)
        for name, bars in rows
    )  # fmt: skip
    names = text.listed(tested.comparison.name for tested in tests)
    return marker_figures.forest(
        rows,
        reference=0,
        label="Hedges’ g, standard deviations (95 % interval)",
        key="effects",
        description=f"Standardised differences, {names}. {written}",
        headings=headings,
    )


def _panels(
    main: Sequence[Key], values: Mapping[Key, pd.Series], people: Cohort, results: Results
) -> list[dict[str, str]]:
    site_numbers = {site: number for number, site in enumerate(people.sites)}
    panels = []
    for key in main:
        series = values[key]
        groups = []
        written = []
        for group in people.groups:
            who = people.people.index[people.people["group"] == group.name]
            measured = series[series.index.isin(who)]
            sites = people.people["site"][measured.index].map(site_numbers).to_numpy()
            if len(measured) and not (group.role in ("other", "unknown") and len(measured) < 3):
                groups.append((group.name, group.series, measured.to_numpy(float), sites))
                mean = text.number(measured.mean())
                written.append(f"{group.name} mean {mean}, {len(measured)} people")
        if not groups:
            continue
        name, unit = text.marker_name(key[1], key[2]), marker_unit(key, results)
        panels.append(
            {
                "title": name,
                "figure": marker_figures.distribution(
                    groups,
                    people.sites,
                    label=_axis(key[1], unit),
                    key=f"by-{key[0]}-{key[1]}-{key[2]}",
                    description=f"{name} by group: {'; '.join(written)}",
                ),
            }
        )
    return panels


def _means(
    main: Sequence[Key], values: Mapping[Key, pd.Series], people: Cohort, results: Results
) -> dict[str, Any]:
    rows = []
    for key in main:
        cells = []
        for group in people.groups:
            who = people.people.index[people.people["group"] == group.name]
            measured = values[key][values[key].index.isin(who)].to_numpy(float)
            if len(measured) > 1:
                spread = text.number(np.std(measured, ddof=1), 2)
                cells.append(f"{text.number(measured.mean())} ({spread}), {len(measured)}")
            else:
                cells.append(text.number(measured.mean()) + ", 1" if len(measured) else text.ABSENT)
        name = text.marker_name(key[1], key[2])
        rows.append([name, marker_unit(key, results) or text.ABSENT, *cells])
    return {"columns": [group.name for group in people.groups], "rows": rows}


def _axis(marker: str, unit: str) -> str:
    unit = unit or ("Fisher z" if marker.startswith("fc") else "")
    return f"{marker} ({unit})" if unit else marker
