"""What the models reached, beside what needs no image at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.report import text as words
from commissure.report.cohort import Cohort
from commissure.report.plots import marker_figures as figures
from commissure.report.plots import prediction_figures as model_figures
from commissure.report.results import Results

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("fusion", "modality", "baseline")
_KIND_WORDS = {
    "fusion": "All modalities together",
    "modality": "One modality alone",
    "baseline": "Baselines: what images must beat",
}
_AREAS = (
    ("auc_within_site", "within site"),
    ("auc_leave_site_out", "left-out site"),
    ("auc_pooled", "pooled"),
)

# The scheme of predictions.tsv in which a whole site is left out of training.
_LEFT_OUT = "leave_site_out"
# The marker of importance.tsv that stands for all that a modality says.
_EVIDENCE = "evidence"


def fitted(results: Results) -> bool:
    """Whether the run has a fitted model."""
    return results.metrics.get("status") == "fitted" and bool(results.metrics.get("models"))


def main_model(metrics: Mapping[str, Any]) -> str | None:
    """The model that the summary speaks of: the one declared as primary, else the first fusion.

    It is chosen by its place, never by its result.
    """
    models = metrics.get("models", {})
    for place in (metrics, metrics.get("question", {}), metrics.get("settings", {})):
        declared = place.get("primary") or place.get("primary_model")
        if declared in models:
            return declared
    for kind in KINDS[:2]:
        for name, model in models.items():
            if model.get("kind") == kind:
                return name
    return next(iter(models), None)


def best_baseline(metrics: Mapping[str, Any]) -> str | None:
    """The baseline with the highest AUC within site."""
    found = {
        name: model["auc_within_site"]["value"]
        for name, model in metrics.get("models", {}).items()
        if model.get("kind") == "baseline"
        and words.is_number((model.get("auc_within_site") or {}).get("value"))
    }
    return max(found, key=lambda name: found[name]) if found else None


def chance_limit(sites: Sequence[tuple[int, int]]) -> float | None:
    """AUC within site that a classifier knowing nothing exceeds in one of twenty studies.

    From the variance of the Mann-Whitney statistic without ties, (n1 + n0 + 1) / (12 n1 n0) in
    each site, sites weighted by their pairs n1 n0, in the normal approximation.

    Parameters
    ----------
    sites
        People with the positive and with the negative label, per site.
    """
    pairs = sum(n1 * n0 for n1, n0 in sites)
    if not pairs:
        return None
    variance = sum(n1 * n0 * (n1 + n0 + 1) / 12 for n1, n0 in sites) / pairs**2
    return min(1.0, 0.5 + 1.6448536 * math.sqrt(variance))


def area_words(area: Mapping[str, Any] | None) -> str:
    """An AUC with its interval: ``0.66 (0.48 to 0.82)``."""
    if not area or not words.is_number(area.get("value")):
        return words.ABSENT
    low, high = area.get("ci_low"), area.get("ci_high")
    if not (words.is_number(low) and words.is_number(high)):
        return words.fixed(area["value"])
    return f"{words.fixed(area['value'])} ({words.interval(low, high)})"


def _area_parts(area: Mapping[str, Any] | None) -> tuple[str, str]:
    """An AUC and its interval apart, for a cell of two lines."""
    value, _, rest = area_words(area).partition(" (")
    return value, rest.removesuffix(")")


def models(results: Results, people: Cohort) -> dict[str, Any]:
    """Everything that the section on models shows."""
    metrics = results.metrics
    cautions = [words.sentence(words.without_paths(text)) for text in metrics.get("cautions", [])]
    if not fitted(results):
        reason = metrics.get("reason") or "the run left no fusion/metrics.json"
        return {
            "fitted": False,
            "reason": words.sentence(words.without_paths(reason)),
            "cautions": cautions,
        }
    own = metrics["models"]
    question = metrics.get("question", {})
    main = main_model(metrics)
    return {
        "fitted": True,
        "cautions": cautions,
        "main": main,
        "interval": (own[main].get("auc_within_site") or {}).get("interval"),
        "rows": [
            {"kind": _KIND_WORDS.get(kind, kind), **_row(name, own[name], name == main)}
            for kind in [*KINDS, *sorted({m.get("kind", "") for m in own.values()} - set(KINDS))]
            for name in own
            if own[name].get("kind") == kind
        ],
        "forest": _forest(own),
        "curves": _curves(results, people, main),
        "importance": _importance(results.tables["fusion/importance.tsv"], main),
        "tables": _tables(metrics, main),
        "sites": [
            {
                "site": site,
                "n": counts.get("n", 0),
                "positive": counts.get("n_positive", 0),
                "share": words.percent(counts.get("n_positive", 0), counts.get("n", 0)),
            }
            for site, counts in (question.get("sites") or {}).items()
        ],
        "positive": question.get("positive", people.positive),
        "negative": question.get("negative", people.negative),
        "settings": [
            (key, _setting(value)) for key, value in (metrics.get("settings") or {}).items()
        ],
    }


def _setting(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        return words.listed(f"{key}: {_setting(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return words.listed(_setting(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.number(value, 4) if words.is_number(value) else words.without_paths(value)


def _row(name: str, model: Mapping[str, Any], main: bool) -> dict[str, Any]:
    return {
        "name": name,
        "description": words.without_paths(model.get("description") or ""),
        "main": main,
        "areas": [_area_parts(model.get(key)) for key, _ in _AREAS],
        "area_sort": [(model.get(key) or {}).get("value") for key, _ in _AREAS],
        "brier": words.fixed(model.get("brier"), 3),
        "slope": words.fixed(model.get("calibration_slope")),
        "intercept": words.fixed(model.get("calibration_intercept")),
        "p": words.p_value(model.get("p_permutation")).removeprefix("= "),
        "n": model.get("n", words.ABSENT),
        "positive": model.get("n_positive", words.ABSENT),
        "modalities": words.listed(model.get("modalities") or []),
    }


def _forest(own: Mapping[str, Mapping[str, Any]]) -> str:
    rows: list[tuple[str, list[figures.Bar]]] = []
    headings = []
    for kind in KINDS:
        first = len(rows)
        for name, model in own.items():
            if model.get("kind") != kind:
                continue
            bars = []
            for series, (key, _) in ((2, _AREAS[0]), (1, _AREAS[1])):
                area = model.get(key) or {}
                if words.is_number(area.get("value")):
                    low, high = area.get("ci_low"), area.get("ci_high")
                    known = words.is_number(low) and words.is_number(high)
                    bars.append(
                        figures.Bar(
                            area["value"], low if known else None, high if known else None, series
                        )
                    )
            if bars:
                rows.append((name, bars))
        if len(rows) > first:
            headings.append((first, _KIND_WORDS[kind]))
    if not rows:
        return ""
    told = "; ".join(
        f"{name} {' and '.join(area_words(own[name].get(key)) for key, _ in _AREAS[:2])}"
        for name, _ in rows
    )
    return figures.forest(
        rows,
        reference=0.5,
        label="area under the curve (95 % interval); 0.5 is chance",
        key="areas",
        description=f"AUC within site and on a left-out site. {told}",
        limits=(0.0, 1.0),
        headings=headings,
    )


def person_predictions(
    table: pd.DataFrame, model: str, positive: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Outcome and mean out-of-fold probability of each person under one model.

    Repeats of the cross-validation are averaged per person, so that everyone counts once;
    predictions for a left-out site are not mixed in.

    Returns
    -------
    tuple of numpy.ndarray or None
        Outcomes (0 or 1) and probabilities, shape (people,); None where the model has none, or
        only one outcome occurs.
    """
    own = table[
        (table["model"] == model) & (table["scheme"] != _LEFT_OUT) & table["probability"].notna()
    ]
    by_person = own.groupby("participant_id")
    score = by_person["probability"].mean().to_numpy(float)
    outcome = (by_person["label"].first() == positive).to_numpy(int)
    if len(set(outcome)) < 2:
        return None
    return outcome, score


def _curves(results: Results, people: Cohort, main: str | None) -> dict[str, Any] | None:
    table = results.tables["fusion/predictions.tsv"]
    own = person_predictions(table, main, people.positive) if main else None
    if own is None or main is None:
        return None
    outcome, score = own
    lines = [(main, 2, outcome, score)]
    rival = best_baseline(results.metrics)
    if rival and (other := person_predictions(table, rival, people.positive)):
        lines.append((rival, 1, *other))
    areas = [(name, words.fixed(model_figures.area(o, s))) for name, _, o, s in lines]
    proper = bool(((score >= 0) & (score <= 1)).all())
    return {
        "people": len(outcome),
        "positive": int(outcome.sum()),
        "main": main,
        "rival": rival if len(lines) > 1 else "",
        "areas": areas,
        "roc": model_figures.roc_curve(
            lines,
            key="roc",
            description="Receiver operating characteristic: "
            + words.listed(f"{name} has an area of {value}" for name, value in areas),
        ),
        "calibration": model_figures.calibration_curve(
            outcome,
            score,
            key="calibration",
            description=f"Calibration of {main}: "
            + "; ".join(
                f"predicted {words.fixed(p)}, observed {words.fixed(o)} of {n} people"
                for p, o, _, _, n in model_figures.calibration_bins(outcome, score)
            ),
        )
        if proper
        else "",
        "decision": model_figures.decision_curve(
            outcome,
            score,
            key="decision",
            description=f"Net benefit of {main} over threshold probabilities from 0.1 to 0.6, "
            "beside treating everyone and treating no one",
        )
        if proper
        else "",
    }


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
                "modality": words.modality(row["modality"]),
                "name": words.marker_name(row["marker"], row["region"]),
                "weight": words.fixed(row["weight"]),
            }
            for row in markers.head(most).to_dict("records")
        ],
        "shares": [
            f"{words.modality(row['modality'])} {words.percent(row['weight'], 1)}"
            for row in shares.to_dict("records")
        ],
    }


def _tables(metrics: Mapping[str, Any], main: str | None) -> list[dict[str, Any]]:
    """What stands beside the result: one table a question; empty ones are left out."""
    tables = []

    def add(title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if rows:
            tables.append({"title": title, "note": note, "head": head, "rows": rows})

    add(
        "What each modality adds",
        "Shares add up to the AUC within site minus 0.5 (Shapley values: the gain from each one, "
        "averaged over all orders of adding them). Intervals by bootstrap of the people.",
        ["Modality", "Share", "Alone", "Lost without it", "Added to clinical", "Lost if shuffled"],
        [
            [words.capital(words.modality(row["name"])), area_words(row["shapley"]),
             area_words(row["alone"]), area_words(row["leave_one_out"]),
             area_words(row["added_to_clinical"]), words.fixed(row["permutation_importance"])]
            for row in metrics.get("modalities") or []
        ],
    )  # fmt: skip
    add(
        f"Is {main} better than the others?",
        "Difference in AUC within site on the same people: DeLong’s paired interval, and Nadeau "
        "and Bengio’s over the folds, corrected for training sets that overlap.",
        ["Compared with", "Difference (DeLong)", "Difference (folds)", "p (folds)"],
        [
            [row["model"], area_words(row["delong"]), area_words(row["nadeau_bengio"]),
             words.p_value(row["nadeau_bengio"].get("p")).removeprefix("= ")]
            for row in metrics.get("comparisons") or []
        ],
    )  # fmt: skip
    add(
        "The result under other exclusions",
        f"AUC within site of {main}, one repeat of the cross-validation in the same folds.",
        ["People", "AUC within site", "n"],
        [
            [words.capital(row["analysis"]),
             row["description"] if row.get("description", "").startswith("too few")
             else area_words(row["auc_within_site"]), f"{row['n']} ({row['n_positive']})"]
            for row in metrics.get("exclusion_sensitivity") or []
        ],
    )  # fmt: skip
    add(
        "The result by what people have",
        f"Predictions of {main} among people with the same modalities.",
        ["Modalities", "n", "AUC within site", "Mean prediction", "Observed"],
        [
            [row["modalities"], f"{row['n']} ({row['n_positive']})",
             area_words(row["auc_within_site"]), words.fixed(row["predicted"]),
             words.fixed(row["observed"])]
            for row in metrics.get("missingness_patterns") or []
        ],
    )  # fmt: skip
    add(
        "How much of the site is in the markers",
        "AUC of a classifier of the site in people left out; 0.5 is none. ComBat is learnt in the "
        "training people of each fold.",
        ["Modality", "As measured", "After ComBat"],
        [
            [words.capital(words.modality(row["modality"])), words.fixed(row["before"]),
             words.fixed(row["after"])]
            for row in metrics.get("site_classifier") or []
        ],
    )  # fmt: skip
    curve = metrics.get("learning_curve") or {}
    add(
        "Would more people help?",
        words.sentence(curve.get("description") or ""),
        ["Labelled training people", "AUC within site"],
        [[words.number(row["n"]), words.fixed(row["auc"])] for row in curve.get("points") or []],
    )
    advice = (metrics.get("sample_size") or {}).get("rows") or []
    add(
        "How many people a model asks for",
        "Riley et al. (2019) at this share of labels: a shrinkage of 0.9, little optimism, a share "
        "known to 0.05.",
        ["Expected AUC", "6 predictors", "10", "20", "Carried by the people here"],
        [
            [words.fixed(row["auc"]),
             *(words.number(row["people_needed"][p]) for p in ("6", "10", "20")),
             words.number(row["predictors_carried"])]
            for row in advice
        ],
    )  # fmt: skip
    stable = metrics.get("stability")
    if stable:
        add(
            "Does it follow the same markers in other people?",
            f"Nogueira’s index of the {stable['selected']} strongest of {stable['markers']} "
            "markers over halves of the people: 1 is always the same, 0 chance. Labels that mean "
            "nothing show what overlapping halves alone give.",
            ["", "Index"],
            [["True labels", words.fixed(stable["index"])],
             ["Permuted labels, mean", words.fixed(stable["null_mean"])],
             ["Permuted labels, 95 %", words.fixed(stable["null_95"])]],
        )  # fmt: skip
    return tables


def falsification(results: Results) -> dict[str, Any]:
    """The checks that tried to prove the classifier wrong, with their verdicts."""
    checks: Sequence[Mapping[str, Any]] = results.falsification.get("checks", [])
    rows = []
    for check in checks:
        passed = check.get("passed")
        rows.append(
            {
                "name": str(check.get("name", "")).replace("_", " "),
                "question": words.without_paths(check.get("question") or ""),
                "value": _told(check.get("value")),
                "expected": words.limit(_told(check.get("expected"))),
                "verdict": "not decided" if passed is None else "held" if passed else "failed",
                "description": words.sentence(words.without_paths(check.get("description") or "")),
            }
        )
    return {
        "rows": rows,
        "held": sum(row["verdict"] == "held" for row in rows),
        "failed": [row for row in rows if row["verdict"] == "failed"],
        "open": sum(row["verdict"] == "not decided" for row in rows),
    }


def _told(value: Any) -> str:
    if words.is_number(value):
        return words.number(value)
    if value is None or value == "":
        return words.ABSENT
    return _setting(value)
