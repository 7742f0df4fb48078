"""The tables beside the result: one for each question that the run asked of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commissure.report import text
from commissure.report.decision_tables import conformal_table, decision_tables
from commissure.report.metrics import with_interval
from commissure.report.table import ModelTable


def model_tables(metrics: Mapping[str, Any], main: str | None) -> list[ModelTable]:
    """Every table that ``metrics.json`` has rows for."""
    tables = (
        *decision_tables(metrics.get("decisions") or {}, metrics.get("question") or {}),
        conformal_table(metrics.get("conformal") or {}, metrics.get("question") or {}),
        _modality_value(metrics.get("modalities") or []),
        change_table(metrics.get("change") or []),
        _comparisons(metrics.get("comparisons") or [], main),
        _exclusions(metrics.get("exclusion_sensitivity") or [], main),
        _missingness(metrics.get("missingness_patterns") or [], main),
        site_classifier_table(metrics.get("site_classifier") or []),
        _learning_curve(metrics.get("learning_curve") or {}),
        _sample_size((metrics.get("sample_size") or {}).get("rows") or []),
        _stability(metrics.get("stability") or {}),
    )
    return [table for table in tables if table.rows]


def change_table(rows: Sequence[Mapping[str, Any]], most: int = 12) -> ModelTable:
    """Of which markers the change is more than retest error, the most reliable first."""
    known = [row for row in rows if text.is_number(row.get("reliability"))]
    known = sorted(known, key=lambda row: -row["reliability"])
    shown = known[:most] or list(rows)[:most]
    return ModelTable(
        "How much of the change is more than retest error",
        f"{len(shown)} of {len(rows)} markers. Reliability: the share of the spread of change that "
        "measuring the same person twice does not explain. A change counts as one person's from "
        "the detectable change on (1.96 standard errors of a difference).",
        ["Marker", "People", "Mean change", "SD", "Retest SD", "Reliability", "Detectable",
         "Beyond it"],
        [
            [
                f"{text.modality(row['modality'])}: "
                f"{text.marker_name(row['marker'], row['region'])}",
                str(row["n"]),
                *(text.number(row[key]) if text.is_number(row[key]) else text.ABSENT
                  for key in ("mean", "sd")),
                f"{text.number(row['retest_sd'])} ({row['source']})"
                if text.is_number(row["retest_sd"]) else "unknown",
                text.fixed(row["reliability"]),
                text.number(row["detectable"]) if text.is_number(row["detectable"])
                else text.ABSENT,
                text.percent(row["beyond"], 1) if text.is_number(row["beyond"]) else text.ABSENT,
            ]
            for row in shown
        ],
    )  # fmt: skip


def _modality_value(rows: Sequence[Mapping[str, Any]]) -> ModelTable:
    return ModelTable(
        "What each modality adds",
        "Shares add up to the AUC within site minus 0.5 (Shapley values: the gain from each one, "
        "averaged over all orders of adding them). They have no intervals: those "
        "that can be computed in reasonable time do not hold as often as they claim.",
        ["Modality", "Share", "Alone", "Lost without it", "Added to clinical", "Lost if shuffled"],
        [
            [
                text.capital(text.modality(row["name"])),
                *(
                    text.fixed(row[key])
                    for key in (
                        "shapley",
                        "alone",
                        "leave_one_out",
                        "added_to_clinical",
                        "permutation_importance",
                    )
                ),
            ]
            for row in rows
        ],
    )


def _comparisons(rows: Sequence[Mapping[str, Any]], main: str | None) -> ModelTable:
    return ModelTable(
        f"Is {main} better than the others?",
        "Difference in AUC within site on the same people: DeLong’s paired interval, and Nadeau "
        "and Bengio’s over the folds, corrected for training sets that overlap.",
        ["Compared with", "Difference (DeLong)", "Difference (folds)", "p (folds)"],
        [
            [
                model_name(row["model"]),
                with_interval(row["delong"]),
                with_interval(row["nadeau_bengio"]),
                text.p_value(row["nadeau_bengio"].get("p")).removeprefix("= "),
            ]
            for row in rows
        ],
    )


def model_name(name: str) -> str:
    """A model's name; that of a modality alone with the modality in words."""
    title = text.modality(name)
    return name if title == name or name == "clinical" else f"{name} ({title})"


def _exclusions(rows: Sequence[Mapping[str, Any]], main: str | None) -> ModelTable:
    return ModelTable(
        "The result under other exclusions",
        f"AUC within site of {main}, one repeat of the cross-validation in the same folds.",
        ["People", "AUC within site", "n"],
        [
            [
                text.capital(row["analysis"]),
                row["description"]
                if row.get("description", "").startswith("too few")
                else with_interval(row["auc_within_site"]),
                f"{row['n']} ({row['n_positive']})",
            ]
            for row in rows
        ],
    )


def _missingness(rows: Sequence[Mapping[str, Any]], main: str | None) -> ModelTable:
    return ModelTable(
        "The result by what people have",
        f"Predictions of {main} among people with the same modalities.",
        ["Modalities", "n", "AUC within site", "Mean prediction", "Observed"],
        [
            [
                text.capital(
                    text.listed(text.modality(name) for name in row["modalities"].split())
                ),
                f"{row['n']} ({row['n_positive']})",
                with_interval(row["auc_within_site"]),
                text.fixed(row["predicted"]),
                text.fixed(row["observed"]),
            ]
            for row in rows
        ],
    )


def site_classifier_table(rows: Sequence[Mapping[str, Any]]) -> ModelTable:
    """How well the site is told from each modality."""
    return ModelTable(
        "How much of the site is in the markers",
        "AUC of a classifier of the site in people left out; 0.5 is none. ComBat is learnt in the "
        "training people of each fold.",
        ["Modality", "As measured", "After ComBat"],
        [
            [
                text.capital(text.modality(row["modality"])),
                text.fixed(row["before"]),
                text.fixed(row["after"]),
            ]
            for row in rows
        ],
    )


def _learning_curve(curve: Mapping[str, Any]) -> ModelTable:
    return ModelTable(
        "Would more people help?",
        text.sentence(curve.get("description") or ""),
        ["Labelled training people", "AUC within site"],
        [[text.number(row["n"]), text.fixed(row["auc"])] for row in curve.get("points") or []],
    )


def _sample_size(rows: Sequence[Mapping[str, Any]]) -> ModelTable:
    return ModelTable(
        "How many people a model asks for",
        "Riley et al. (2019) at this share of labels: a shrinkage of 0.9, little optimism, a share "
        "known to 0.05.",
        ["Expected AUC", "6 predictors", "10", "20", "Carried by the people here"],
        [
            [
                text.fixed(row["auc"]),
                *(text.number(row["people_needed"][p]) for p in ("6", "10", "20")),
                text.number(row["predictors_carried"]),
            ]
            for row in rows
        ],
    )


def _stability(stability: Mapping[str, Any]) -> ModelTable:
    title = "Does it follow the same markers in other people?"
    if not stability:
        return ModelTable(title, "", [], [])
    return ModelTable(
        title,
        f"Nogueira’s index of the {stability['selected']} strongest of {stability['markers']} "
        "markers over halves of the people: 1 is always the same, 0 chance. Labels that mean "
        "nothing show what overlapping halves alone give.",
        ["", "Index"],
        [
            ["True labels", text.fixed(stability["index"])],
            ["Permuted labels, mean", text.fixed(stability["null_mean"])],
            ["Permuted labels, 95 %", text.fixed(stability["null_95"])],
        ],
    )
