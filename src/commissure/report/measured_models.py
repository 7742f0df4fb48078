"""What the section on models shows of an outcome that is no pair of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text
from commissure.report.metrics import KINDS, main_model, value_and_interval, with_interval
from commissure.report.model_tables import ModelTable, change_table, site_classifier_table
from commissure.report.outcome_words import OutcomeWords
from commissure.report.plots import marker_figures


def measured_models(
    metrics: Mapping[str, Any], words: OutcomeWords, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Everything that the template shows.

    Parameters
    ----------
    metrics
        ``metrics.json`` of a run with fitted models.
    words
        The words for its outcome.
    titles
        Title of each kind of model.
    """
    models, question = metrics["models"], metrics.get("question", {})
    main = main_model(metrics)
    curves = (metrics.get("curves") or {}).get(main) or {}
    return {
        "words": words,
        "main": main,
        "question": words.people(question),
        "interval": (models[main].get(f"{words.key}_within_site") or {}).get("interval"),
        "rows": [
            _row(name, model, words, main=name == main)
            for kind in KINDS
            for name, model in models.items()
            if model.get("kind") == kind
        ],
        "forest": _forest(models, words, titles),
        "figures": words.figures(question, curves, str(main)) if curves else [],
        "tables": _tables(metrics, words, str(main)),
        "sites": [
            (site, words.by_site(counts)) for site, counts in (question.get("sites") or {}).items()
        ],
    }


def _row(name: str, model: Mapping[str, Any], words: OutcomeWords, *, main: bool) -> dict[str, Any]:
    keys = [f"{words.key}_{where}" for where in ("within_site", "leave_site_out", "pooled")]
    return {
        "name": name,
        "main": main,
        "description": text.without_paths(model.get("description") or ""),
        "areas": [value_and_interval(model.get(key)) for key in keys],
        "area_sort": [(model.get(key) or {}).get("value") for key in keys],
        "p": text.p_value(model.get("p_permutation")).removeprefix("= "),
        "cells": [_cell(model.get(key)) for _, key in words.columns],
        "n": model.get("n", text.ABSENT),
    }


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return text.fixed(value) if text.is_number(value) else text.ABSENT


def _forest(
    models: Mapping[str, Mapping[str, Any]], words: OutcomeWords, titles: Mapping[str, str]
) -> str:
    rows: list[tuple[str, list[marker_figures.Bar]]] = []
    headings = []
    keys = ((2, f"{words.key}_within_site"), (1, f"{words.key}_leave_site_out"))
    for kind in KINDS:
        first = len(rows)
        for name, model in models.items():
            bars = [
                marker_figures.Bar(value["value"], value["ci_low"], value["ci_high"], series)
                for series, key in keys
                if text.is_number((value := model.get(key) or {}).get("value"))
            ]
            if model.get("kind") == kind and bars:
                rows.append((name, bars))
        if len(rows) > first:
            headings.append((first, titles[kind]))
    if not rows:
        return ""
    return marker_figures.forest(
        rows,
        reference=words.chance,
        label=f"{words.name} (95 % interval); {words.chance:g} is chance",
        key="measures",
        description=f"{words.name} within site and on a left-out site. "
        + "; ".join(f"{name} {with_interval(models[name].get(keys[0][1]))}" for name, _ in rows),
        limits=words.limits,
        headings=headings,
    )


def _tables(metrics: Mapping[str, Any], words: OutcomeWords, main: str) -> list[ModelTable]:
    comparisons = ModelTable(
        f"Is {main} better than the others?",
        f"Difference in {words.name} within site on the same people: paired interval, and Nadeau "
        "and Bengio’s over the folds, corrected for training sets that overlap.",
        ["Compared with", "Difference (paired)", "Difference (folds)", "p (folds)"],
        [
            [row["model"], with_interval(row["paired"]), with_interval(row["nadeau_bengio"]),
             text.p_value(row["nadeau_bengio"].get("p")).removeprefix("= ")]
            for row in metrics.get("comparisons") or []
        ],
    )  # fmt: skip
    exclusions = ModelTable(
        "The result under other exclusions",
        f"{words.name} within site of {main}, one repeat of the cross-validation.",
        ["People", f"{words.name} within site", "n"],
        [
            [text.capital(row["analysis"]), with_interval(row[f"{words.key}_within_site"]),
             str(row["n"])]
            for row in metrics.get("exclusion_sensitivity") or []
        ],
    )  # fmt: skip
    sites = site_classifier_table(metrics.get("site_classifier") or [])
    change = change_table(metrics.get("change") or [])
    return [table for table in (comparisons, exclusions, change, sites) if table.rows]
