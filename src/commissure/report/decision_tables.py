"""What decisions at a threshold come to, with a sentence for each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commissure.report import text
from commissure.report.metrics import with_interval
from commissure.report.table import ModelTable

# Key in metrics.json, what the number is called, and what it says; {positive} and {negative} are
# the labels, {threshold} the declared one.
_MEASURES = (
    ("sensitivity", "Sensitivity",
     "Share of the people with the label {positive} who are taken for it."),
    ("specificity", "Specificity",
     "Share of the people with the label {negative} who are taken for it."),
    ("balanced_accuracy", "Balanced accuracy", "Mean of these two; 0.50 is chance."),
    ("positive_predictive_value", "Positive predictive value",
     "Share with the label {positive} among those taken for it; by chance {prevalence}."),
    ("negative_predictive_value", "Negative predictive value",
     "Share with the label {negative} among those taken for it; by chance {others}."),
    ("net_benefit", "Net benefit",
     "{positive} found, less false alarms weighed by the odds of the threshold, per person; taking "
     "nobody for it is 0, taking everybody {all}."),
    ("average_precision", "AUPRC",
     "Mean positive predictive value over all thresholds (average precision); by chance "
     "{prevalence}."),
    ("predicted", "Mean prediction", "Mean predicted probability; right is {prevalence}."),
    ("brier", "Brier score",
     "Mean squared error of the probability; {constant} is reached by saying {prevalence} of "
     "everybody."),
    ("calibration_slope", "Calibration slope",
     "1 is right, below 1 probabilities are too extreme."),
    ("calibration_intercept", "Calibration intercept",
     "0 is right, below 0 probabilities are too high."),
)  # fmt: skip


# The same of those who are taken for positive in the sample, at the declared prevalence.
_UNSHIFTED = (
    ("positive_predictive_value", "Positive predictive value, odds as they are",
     "The same where the people taken for it are those of the table above."),
    ("negative_predictive_value", "Negative predictive value, odds as they are",
     "The same where the people taken for it are those of the table above."),
    ("net_benefit", "Net benefit, odds as they are",
     "The same where the people taken for it are those of the table above."),
)  # fmt: skip


def decision_tables(
    decisions: Mapping[str, Any], question: Mapping[str, Any]
) -> tuple[ModelTable, ...]:
    """A table at the share of the sample, and one at the declared prevalence where there is one."""
    models = decisions.get("models") or {}
    if not models:
        return ()
    tables = []
    for where in ("sample", "declared"):
        told = {name: model[where] for name, model in models.items() if model[where]}
        if told:
            tables.append(_table(where, told, decisions, question))
    return tuple(tables)


def _table(
    where: str,
    told: Mapping[str, Mapping[str, Any]],
    decisions: Mapping[str, Any],
    question: Mapping[str, Any],
) -> ModelTable:
    first = next(iter(told.values()))
    share = text.fixed(first["prevalence"])
    sample = where == "sample"
    title = (
        f"Decisions in the people of this study (share {share})"
        if sample
        else f"Decisions where the prevalence is {share}"
    )
    words = {
        "positive": question.get("positive_name") or "positive",
        "negative": question.get("negative_name") or "negative",
        "prevalence": share,
        "others": text.fixed(1 - first["prevalence"]),
        "constant": text.fixed(first["prevalence"] * (1 - first["prevalence"])),
        "all": text.fixed(first["net_benefit_all"]),
    }
    return ModelTable(
        title,
        f"{_threshold(decisions, told)} {_prevalence(sample, decisions)} All sites together; "
        "means over the repeats, of people left out of training. Intervals are Wilson’s and take "
        "predictions as given.",
        ["", *told, "What it says"],
        [
            [name, *(with_interval(_record(model[key])) for model in told.values()),
             text.capital(sentence.format(**words))]
            for key, name, sentence in _MEASURES
        ]
        + [
            [name, *(text.fixed(model["unshifted"][key]) for model in told.values()), sentence]
            for key, name, sentence in (() if sample else _UNSHIFTED)
        ],
    )  # fmt: skip


def _record(number: Any) -> Mapping[str, Any]:
    return number if isinstance(number, Mapping) else {"value": number}


def _threshold(decisions: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> str:
    if decisions["threshold"] != "youden":
        return (
            "A person is taken for positive from a predicted probability of "
            f"{decisions['threshold']:g} on."
        )
    cuts = text.listed(f"{name} {text.fixed(model['threshold'])}" for name, model in told.items())
    return (
        "A person is taken for positive from the probability on that is best by Youden’s index "
        f"among the training people; its mean is {cuts}."
    )


def _prevalence(sample: bool, decisions: Mapping[str, Any]) -> str:
    if not sample:
        return (
            "The odds of each prediction are multiplied by the ratio of the prior odds, and people "
            "count by how common their label is there: that holds where only the prevalence "
            "differs from this study."
        )
    if decisions["prevalence"] is None:
        return (
            "No prevalence is declared (fusion.prevalence): predictive values, net benefit and "
            "AUPRC are those of this study’s share, which follows from who was recruited."
        )
    return "The share follows from who was recruited; the declared prevalence is below."


def conformal_table(conformal: Mapping[str, Any], question: Mapping[str, Any]) -> ModelTable:
    """Coverage of the sets of labels, and how often they name one."""
    models = conformal.get("models") or {}
    positive = question.get("positive_name") or "positive"
    negative = question.get("negative_name") or "negative"
    level = text.fixed(conformal.get("level"))
    return ModelTable(
        "How often a person gets one label, at a declared certainty",
        f"Conformal sets at the level {level}: a label is left out of a person’s set where few "
        f"people of that label are as untypical. {level} of the people of each label should have "
        "it in their set; that holds for new people like these, not at another site.",
        ["Model", f"Right for {positive}", f"Right for {negative}", "One label", "Both", "None"],
        [
            [name, with_interval(row["coverage_positive"]), with_interval(row["coverage_negative"]),
             *(text.fixed(row[key]) for key in ("one", "both", "none"))]
            for name, row in models.items()
        ],
    )  # fmt: skip
