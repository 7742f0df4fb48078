"""Differences between groups, marker by marker, with intervals and the price of many tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.markers.effect_sizes import Effect, covariate_matrix, false_discovery, hedges_g
from commissure.markers.selection import earliest_visits, kept_rows, measured_rows
from commissure.report import text as words
from commissure.report.cohort import Cohort
from commissure.report.plots import marker_figures as figures
from commissure.report.results import Results, modality_order
from commissure.report.settings import ReportSettings

if TYPE_CHECKING:
    import pandas as pd

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
    rows = earliest_visits(rows)
    found: dict[Key, pd.Series] = {}
    for name in modality_order(set(rows["modality"])):
        grouped = rows[rows["modality"] == name].groupby(
            ["modality", "marker", "region"], sort=False
        )
        for key, part in grouped:
            modality, marker, region = (str(word) for word in key)
            found[modality, marker, region] = part.groupby("participant_id")["value"].mean()
    return found


def comparisons(people: Cohort) -> list[Comparison]:
    """Patients minus controls, and positive minus negative, where both sides have people."""
    control, positive, negative = (
        people.members(role) for role in ("control", "positive", "negative")
    )
    patients = people.members("positive", "negative", "other")
    out = []
    if control and patients:
        out.append(Comparison("patients − controls", patients, control, 0))
    if positive and negative:
        out.append(Comparison(f"{people.positive} − {people.negative}", positive, negative, 2))
    return out


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
    own = None if covariates is None else covariates[known]
    return hedges_g(first[np.isfinite(first)], second[np.isfinite(second)], own)


def differences(results: Results, people: Cohort, settings: ReportSettings) -> dict[str, Any]:
    """Everything that the section on markers by group shows."""
    values = {
        key: series
        for key, series in person_values(results).items()
        if results.definitions.get(key[1], {}).get("role", "marker") != "confound"
    }
    pairs = comparisons(people)
    table = people.people
    adjusted = [
        name
        for name in settings.adjust_for
        if name in table and len(table[name].dropna().unique()) > 1
    ]
    columns = [*(["site"] if len(people.sites) > 1 else []), *adjusted]
    heads = values.get(_HEAD)
    effects: dict[tuple[int, Key], tuple[Effect, Effect | None]] = {}
    for at, pair in enumerate(pairs):
        own = table.loc[[*pair.first, *pair.second]]
        base = [own[name].to_numpy() for name in columns]
        plain = covariate_matrix(base)
        sized = plain
        if heads is not None:
            sized = covariate_matrix([*base, heads.reindex(own.index).to_numpy(float)])
        for key, series in values.items():
            is_part = key[1] == "volume" and key != _HEAD
            effect = compare(series, pair, sized if is_part else plain)
            if effect is not None:
                effects[at, key] = effect, compare(series, pair, None)
    q = {}
    for at in range(len(pairs)):
        keys = [key for other, key in effects if other == at]
        corrected = false_discovery(np.array([effects[at, key][0].p for key in keys]))
        q.update({(at, key): float(value) for key, value in zip(keys, corrected, strict=True)})
    main = main_keys(list(values), settings.main_markers)
    level = settings.false_discovery_rate
    return {
        "comparisons": [
            {
                "name": pair.name,
                "first": len(pair.first),
                "second": len(pair.second),
                "tested": sum(other == at for other, _ in effects),
                "marked": sum(q[other, key] <= level for other, key in q if other == at),
                "series": pair.series,
            }
            for at, pair in enumerate(pairs)
        ],
        "rows": [_row(key, values[key], results, effects, q, len(pairs), level) for key in values],
        "forests": _forests(main, pairs, effects),
        "panels": _panels(main, values, people, results),
        "means": _means(main, values, people, results),
        "adjusted_for": columns,
        "head": heads is not None,
        "level": f"{100 * level:g} %",
        "markers": len(values),
        "people": len({who for series in values.values() for who in series.index}),
        "groups": list(people.groups),
        "sites": people.sites if people.known_sites else [],
    }


def main_keys(keys: Sequence[Key], wanted: Sequence[str]) -> list[Key]:
    """The markers that figures show: those named, as marker/region, that were measured.

    Where none of the named ones was measured (a lab's own tables), the first twelve.
    """
    found = [key for name in wanted for key in keys if f"{key[1]}/{key[2]}" == name]
    return found or list(keys)[:12]


def marker_unit(key: Key, results: Results) -> str:
    """Unit of a marker as the table of markers gives it."""
    definition = results.definitions.get(key[1], {})
    return words.unit(definition.get("unit", ""))


def _row(
    key: Key,
    values: pd.Series,
    results: Results,
    effects: Mapping[tuple[int, Key], tuple[Effect, Effect | None]],
    q: Mapping[tuple[int, Key], float],
    n_pairs: int,
    level: float,
) -> dict[str, Any]:
    cells: list[dict[str, Any] | None] = []
    for at in range(n_pairs):
        found = effects.get((at, key))
        if found is None:
            cells.append(None)
            continue
        own, raw = found
        cells.append(
            {
                "g": words.fixed(own.g),
                "sort": own.g,
                "interval": words.interval(own.low, own.high),
                "raw": words.fixed(raw.g) if raw else words.ABSENT,
                "q": words.p_value(q[at, key]).removeprefix("= "),
                "q_sort": q[at, key],
                "marked": q[at, key] <= level,
            }
        )
    return {
        "modality": key[0],
        "marker": key[1],
        "region": key[2],
        "unit": marker_unit(key, results),
        "n": len(values),
        "cells": cells,
    }


def _forests(
    main: Sequence[Key],
    pairs: Sequence[Comparison],
    effects: Mapping[tuple[int, Key], tuple[Effect, Effect | None]],
) -> str:
    rows: list[tuple[str, list[figures.Bar]]] = []
    headings, last = [], ""
    for key in main:
        bars = []
        for at, pair in enumerate(pairs):
            if found := effects.get((at, key)):
                own = found[0]
                bars.append(figures.Bar(own.g, own.low, own.high, pair.series))
        if bars:
            if key[0] != last:
                headings.append((len(rows), words.capital(words.modality(key[0]))))
                last = key[0]
            rows.append((words.marker_name(key[1], key[2]), bars))
    if not rows:
        return ""
    told = "; ".join(
        f"{name}: " + ", ".join(f"{words.fixed(b.value)} ({words.interval(b.low, b.high)})"
                                for b in bars)
        for name, bars in rows
    )  # fmt: skip
    names = words.listed(pair.name for pair in pairs)
    return figures.forest(
        rows,
        reference=0,
        label="Hedges’ g, standard deviations (95 % interval)",
        key="effects",
        description=f"Standardised differences, {names}. {told}",
        headings=headings,
    )


def _panels(
    main: Sequence[Key], values: Mapping[Key, pd.Series], people: Cohort, results: Results
) -> list[dict[str, str]]:
    sites = {site: at for at, site in enumerate(people.sites)}
    panels = []
    for key in main:
        series = values[key]
        groups = []
        told = []
        for group in people.groups:
            who = people.people.index[people.people["group"] == group.name]
            own = series[series.index.isin(who)]
            place = np.array([sites[people.people["site"][person]] for person in own.index])
            if len(own) and not (group.role in ("other", "unknown") and len(own) < 3):
                groups.append((group.name, group.series, own.to_numpy(float), place))
                told.append(f"{group.name} mean {words.number(own.mean())}, {len(own)} people")
        if not groups:
            continue
        name, unit = words.marker_name(key[1], key[2]), marker_unit(key, results)
        panels.append(
            {
                "title": name,
                "figure": figures.distribution(
                    groups,
                    people.sites,
                    label=_axis(key[1], unit),
                    key=f"by-{key[0]}-{key[1]}-{key[2]}",
                    description=f"{name} by group: {'; '.join(told)}",
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
            own = values[key][values[key].index.isin(who)].to_numpy(float)
            if len(own) > 1:
                spread = words.number(np.std(own, ddof=1), 2)
                cells.append(f"{words.number(own.mean())} ({spread}), {len(own)}")
            else:
                cells.append(words.number(own.mean()) + ", 1" if len(own) else words.ABSENT)
        name = words.marker_name(key[1], key[2])
        rows.append([name, marker_unit(key, results) or words.ABSENT, *cells])
    return {"columns": [group.name for group in people.groups], "rows": rows}


def _axis(marker: str, unit: str) -> str:
    unit = unit or ("Fisher z" if marker.startswith("fc") else "")
    return f"{marker} ({unit})" if unit else marker
