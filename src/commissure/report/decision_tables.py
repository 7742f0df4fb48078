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
    """How often sets and intervals hold the outcome, of whom, and how much they leave open."""
    models = conformal.get("models") or {}
    level = text.fixed(conformal.get("level"))
    by_label = any("coverage_positive" in row for row in models.values())
    a_number = any("half_width" in row for row in models.values())
    labels = {
        f"Right for {question.get(f'{name}_name') or name}": f"coverage_{name}"
        for name in ("positive", "negative")
    } if by_label else {}  # fmt: skip
    rows = []
    for name, row in models.items():
        worst = min(
            (site for site in row.get("sites") or [] if site.get("coverage")),
            key=lambda site: site["coverage"]["value"], default=None,
        )  # fmt: skip
        rows.append([
            name,
            with_interval(row.get("coverage")),
            *(with_interval(row[key]) for key in labels.values()),
            f"{with_interval(worst['coverage'])}, {worst['site']}" if worst else text.ABSENT,
            with_interval(row.get("coverage_left_out")),
            *(
                [text.fixed(row.get("half_width"))]
                if a_number
                else [text.fixed(row[key]) for key in ("one", "both", "none")]
            ),
        ])  # fmt: skip
    what = "an interval about the prediction" if a_number else "a set of outcomes"
    return ModelTable(
        "How sure a single prediction is, at a declared certainty",
        f"Conformal sets at the level {level}: each person gets {what}. An outcome is left out of "
        "it where hardly anybody who has that outcome looks so untypical of it. Of people like "
        f"these, a share of {level} should have the true outcome in it, on average. That is no "
        "promise for one site, and none for a site that was not in training. So the table also has "
        "the site with the fewest right, and the share right with the site left out.",
        ["Model", "Right", *labels, "At the worst site", "Site left out",
         *(["Half width"] if a_number else ["One", "Several", "None"])],
        rows,
    )  # fmt: skip
