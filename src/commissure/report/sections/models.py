"""What the models reached, beside what needs no image at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.report import text
from commissure.report.cohort import Cohort
from commissure.report.measured_models import measured_models
from commissure.report.metrics import (
    KINDS,
    fitted,
    main_model,
    value_and_interval,
    with_interval,
)
from commissure.report.model_tables import model_tables
from commissure.report.outcome_words import outcome_words
from commissure.report.plots import marker_figures, prediction_figures
from commissure.report.results import Results
from commissure.report.section import Content, ReportInput
from commissure.study.splits import CV

_KIND_TITLES = {
    "fusion": "All modalities together",
    "modality": "One modality alone",
    "index": "Indices and deviations, measured by controls",
    "baseline": "Baselines: what images must beat",
}
_AREAS = ("auc_within_site", "auc_leave_site_out", "auc_pooled")

# The marker of importance.tsv that stands for all that a modality says.
_EVIDENCE = "evidence"


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on models shows."""
    results, people, metrics = run.results, run.people, run.results.metrics
    cautions = [
        text.sentence(text.without_paths(caution)) for caution in metrics.get("cautions", [])
    ]
    if not fitted(metrics):
        reason = metrics.get("reason") or "the run left no fusion/metrics.json"
        return {
            "fitted": False,
            "reason": text.sentence(text.without_paths(reason)),
            "cautions": cautions,
        }
    models = metrics["models"]
    main = main_model(metrics)
    others = sorted({model.get("kind", "") for model in models.values()} - set(KINDS))
    shared = {
        "fitted": True,
        "cautions": cautions,
        "importance": _importance(results.tables["fusion/importance.tsv"], main),
        "settings": [
            (key, text.value(value)) for key, value in (metrics.get("settings") or {}).items()
        ],
    }
    words = outcome_words(metrics)
    if words is not None:
        measured = measured_models(metrics, words, _KIND_TITLES)
        return {**shared, "measured": measured, "tables": measured["tables"]}
    return {
        **shared,
        "measured": None,
        "main": main,
        "interval": (models[main].get("auc_within_site") or {}).get("interval"),
        "rows": [
            {"kind": _KIND_TITLES.get(kind, kind), **_row(name, model, name == main)}
            for kind in [*KINDS, *others]
            for name, model in models.items()
            if model.get("kind") == kind
        ],
        "forest": _forest(models),
        "curves": _curves(results, people, main),
        "tables": model_tables(metrics, main),
        "positive": people.positive_name,
        "negative": people.negative_name,
    }


def _row(name: str, model: Mapping[str, Any], main: bool) -> dict[str, Any]:
    return {
        "name": name,
        "description": text.without_paths(model.get("description") or ""),
        "main": main,
        "areas": [value_and_interval(model.get(key)) for key in _AREAS],
        "area_sort": [(model.get(key) or {}).get("value") for key in _AREAS],
        "brier": text.fixed(model.get("brier"), 3),
        "slope": text.fixed(model.get("calibration_slope")),
        "intercept": text.fixed(model.get("calibration_intercept")),
        "p": text.p_value(model.get("p_permutation")).removeprefix("= "),
        "pairs": [_pairs(model.get(key), model.get("n")) for key in _AREAS],
        "n": model.get("n", text.ABSENT),
        "positive": model.get("n_positive", text.ABSENT),
    }


def _pairs(area: Mapping[str, Any] | None, scored: int | None) -> str:
    """How many pairs an AUC compares, and of how many people where not of all who are scored."""
    if not area or not text.is_number(area.get("pairs")):
        return ""
    pairs = text.count(area["pairs"], "pair")
    return pairs if area["n_compared"] == scored else f"{pairs} of {area['n_compared']} people"


def _forest(models: Mapping[str, Mapping[str, Any]]) -> str:
    rows: list[tuple[str, list[marker_figures.Bar]]] = []
    headings = []
    for kind in KINDS:
        first = len(rows)
        for name, model in models.items():
            bars = [
                bar
                for series, key in ((2, _AREAS[0]), (1, _AREAS[1]))
                if (bar := _bar(model.get(key) or {}, series))
            ]
            if model.get("kind") == kind and bars:
                rows.append((name, bars))
        if len(rows) > first:
            headings.append((first, _KIND_TITLES[kind]))
    if not rows:
        return ""
    written = "; ".join(
        f"{name} {' and '.join(with_interval(models[name].get(key)) for key in _AREAS[:2])}"
        for name, _ in rows
    )
    return marker_figures.forest(
        rows,
        reference=0.5,
        label="area under the curve (95 % interval); 0.5 is chance",
        key="areas",
        description=f"AUC within site and on a left-out site. {written}",
        limits=(0.0, 1.0),
        headings=headings,
    )


def _bar(area: Mapping[str, Any], series: int) -> marker_figures.Bar | None:
    if not text.is_number(area.get("value")):
        return None
    low, high = area.get("ci_low"), area.get("ci_high")
    if not (text.is_number(low) and text.is_number(high)):
        low = high = None
    return marker_figures.Bar(area["value"], low, high, series)


def person_probabilities(table: pd.DataFrame, model: str, label: str) -> np.ndarray:
    """Mean probability of each person with a label under one model, over the repeats.

    Predictions for a left-out site are not mixed in.

    Returns
    -------
    numpy.ndarray
        Shape (people,), empty where the model scored nobody of the label.
    """
    rows = table[
        (table["model"] == model) & (table["scheme"] == CV) & (table["label"] == label)
    ].dropna(subset=["probability"])
    return rows.groupby("participant_id")["probability"].mean().to_numpy(float)


def _curves(results: Results, people: Cohort, main: str | None) -> dict[str, Any] | None:
    """The curves that ``metrics.json`` holds of the main model and of the best baseline."""
    curves = results.metrics.get("curves") or {}
    if main is None or main not in curves:
        return None
    rival = results.metrics.get("best_baseline")
    drawn = [main] if rival is None or rival not in curves else [main, rival]
    areas = [(name, text.fixed(curves[name]["roc"]["auc"])) for name in drawn]
    return {
        "people": curves[main]["n"],
        "positive": curves[main]["n_positive"],
        "main": main,
        "areas": areas,
        "roc": prediction_figures.roc_figure(
            [(series, curves[name]["roc"]) for series, name in zip((2, 1), drawn, strict=False)],
            key="roc",
            description="Receiver operating characteristic: "
            + text.listed(f"{name} has an area of {value}" for name, value in areas),
        ),
        "calibration": _calibration(results, people, main, curves[main]["calibration"]),
        "decision": _decision(results.metrics.get("decision_curve") or {}, main),
    }


def _calibration(
    results: Results, people: Cohort, main: str, groups: Sequence[Mapping[str, Any]]
) -> str:
    table = results.tables["fusion/predictions.tsv"]
    written = "; ".join(
        f"predicted {text.fixed(group['predicted'])}, observed {text.fixed(group['observed'])} of "
        f"{group['n']} people"
        for group in groups
    )
    return prediction_figures.calibration_figure(
        groups,
        [person_probabilities(table, main, label) for label in (people.negative, people.positive)],
        key="calibration",
        description=f"Calibration of {main}: {written}",
    )


def _decision(curve: Mapping[str, Any], main: str) -> str:
    if main not in curve:
        return ""
    thresholds = curve["threshold"]
    return prediction_figures.decision_figure(
        thresholds,
        curve,
        model=main,
        key="decision",
        description=f"Net benefit of {main} over threshold probabilities from {thresholds[0]:g} to "
        f"{thresholds[-1]:g}, beside treating everyone and treating no one",
    )


def _importance(table: pd.DataFrame, main: str | None, most: int = 15) -> dict[str, Any] | None:
    """The markers that one model follows most, and the weight of each modality in the main one.

    Marker weights are of the first model of the table that has any; a fused model may weigh only
    modalities (its rows name the marker ``evidence``).
    """
    whole = table["marker"] == _EVIDENCE
    markers = table[~whole]
    if len(markers):
        markers = markers[markers["model"] == markers["model"].iloc[0]]
    shares = table[whole & (table["model"] == main)]
    if markers.empty and shares.empty:
        return None
    return {
        "model": markers["model"].iloc[0] if len(markers) else "",
        "main": main,
        "of": len(markers),
        "rows": [
            {
                "modality": text.modality(row["modality"]),
                "name": text.marker_name(row["marker"], row["region"]),
                "weight": text.fixed(row["weight"]),
            }
            for row in markers.head(most).to_dict("records")
        ],
        "shares": [
            f"{text.modality(row['modality'])} {text.percent(row['weight'], 1)}"
            for row in shares.to_dict("records")
        ],
    }
