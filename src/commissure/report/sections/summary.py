"""The first screen in words: what was asked, of whom, what came out, and what it cannot show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from commissure.report import text as words
from commissure.report.cohort import Cohort
from commissure.report.results import Results, modality_order
from commissure.report.sections.models import (
    area_words,
    best_baseline,
    chance_limit,
    fitted,
    main_model,
)
from commissure.report.sections.people import totals

# People for a shrinkage of 0.9 in a logistic model of ten predictors at a prevalence of 30 % and an
# AUC of 0.70 (Riley et al. 2019, Stat Med 38:1276).
_RILEY_PEOPLE = 810


def summary(
    results: Results,
    people: Cohort,
    *,
    falsified: Mapping[str, Any],
    recovered: Mapping[str, Any],
    flagged: int,
) -> dict[str, Any]:
    """Everything that the first section shows: sentences, key numbers and limits."""
    return {
        "asked": _asked(results, people),
        "who": _who(results, people, flagged),
        "found": _found(results, people),
        "checks": _checks(falsified),
        "truth": _truth(recovered),
        "limits": _limits(results, people, falsified, recovered),
        "numbers": _numbers(results, people, falsified),
    }


def _asked(results: Results, people: Cohort) -> str:
    modalities = modality_order(set(results.markers["modality"]) & set(words.MODALITY_WORDS))
    means = words.listed(words.modality(name) for name in modalities) or "the markers"
    if not fitted(results):
        return (
            f"This run measured markers from {means}. A classifier of {people.positive} against "
            f"{people.negative} patients was not fitted."
        )
    return (
        f"Can {people.positive} patients be told from {people.negative} ones, by {means}, in "
        "people the model has not seen?"
    )


def _who(results: Results, people: Cohort, flagged: int) -> str:
    n = len(people.people)
    if not n:
        return "No participants were found."
    groups = words.listed(f"{group.n} {group.name}" for group in people.groups)
    text = f"{words.count(n, 'person', 'people')} went in ({groups})"
    if people.known_sites:
        text += f", from {words.count_words(len(people.sites), 'site')}"
    counts = totals(results.tables["completeness.tsv"])
    wanted = sum(counts.values())
    if wanted:
        text += (
            f". Of {wanted} products expected from their images, {counts['present']} "
            f"({words.percent(counts['present'], wanted)}) are there, {counts['missing']} could "
            f"not be computed and {counts['failed']} failed"
        )
    if results.quality:
        verb = "breaks" if flagged == 1 else "break"
        text += f"; {words.count(flagged, 'scan')} {verb} a quality limit"
    return text + "."


def _found(results: Results, people: Cohort) -> list[str]:
    metrics = results.metrics
    if not fitted(results):
        reason = metrics.get("reason") or "the run left no result of the fusion step"
        return [words.sentence(f"no classifier was fitted: {words.without_paths(reason)}")]
    name = main_model(metrics)
    model = metrics["models"][name]
    area = model.get("auc_within_site") or {}
    n, positive = model.get("n", 0), model.get("n_positive", 0)
    p = model.get("p_permutation")
    kind = f" ({area['interval']})" if area.get("interval") else ""
    text = (
        f"Within a site, the model “{name}” ranks a {people.positive} above a {people.negative} "
        f"patient with a probability (AUC) of {area_words(area)}, the 95 % interval{kind} in "
        f"brackets; 0.50 is chance. It rests on {n} people, {positive} of them {people.positive}"
    )
    if words.is_number(p):
        text += f"; p {words.p_value(p)} by permutation, with labels shuffled within site"
    told = [text + "."]
    away = model.get("auc_leave_site_out") or {}
    if words.is_number(away.get("value")):
        told.append(f"On a site that it was not trained on it reaches {area_words(away)}.")
    rival = best_baseline(metrics)
    if rival:
        best = metrics["models"][rival]["auc_within_site"]
        told.append(f"The best baseline without markers, “{rival}”, reaches {area_words(best)}.")
    return told


def _checks(falsified: Mapping[str, Any]) -> str:
    rows = falsified["rows"]
    if not rows:
        return ""
    text = f"{falsified['held']} of {len(rows)} attempts to prove the result wrong left it standing"
    if falsified["failed"]:
        names = words.listed(f"“{row['name']}”" for row in falsified["failed"])
        text += f"; it did not survive {names}"
    if falsified["open"]:
        text += f"; {falsified['open']} could not be decided"
    return text + "."


def _truth(recovered: Mapping[str, Any]) -> str:
    if not recovered.get("known"):
        return ""
    each = words.listed(f"{m['r']} for {m['name']}" for m in recovered["modalities"])
    short = len({row["key"] for row in recovered["shortfalls"]})
    total = len({row["key"] for row in recovered["rows"]})
    return (
        f"The truth of these people is known. Between true and recovered markers the median "
        f"correlation is {each}; {short} of {total} markers fall short of what was expected of "
        "them."
    )


def _limits(
    results: Results,
    people: Cohort,
    falsified: Mapping[str, Any],
    recovered: Mapping[str, Any],
) -> list[str]:
    limits = []
    if recovered.get("known"):
        limits.append(
            "These people are simulated: the page shows whether the software finds what was "
            "planted, and says nothing about patients."
        )
    if not fitted(results):
        limits.append("Without a fitted model nothing here speaks to prediction.")
        return limits
    metrics = results.metrics
    model = metrics["models"][main_model(metrics)]
    area = model.get("auc_within_site") or {}
    value, low, high = area.get("value"), area.get("ci_low"), area.get("ci_high")
    n, positive = int(model.get("n") or 0), int(model.get("n_positive") or 0)
    if words.is_number(low) and words.is_number(high):
        shuffled = model.get("p_permutation")
        if low <= 0.5 <= high and words.is_number(shuffled) and shuffled < 0.05:
            limits.append(
                f"The interval from {words.interval(low, high)} contains 0.50, although shuffling "
                f"the labels gives p {words.p_value(shuffled)}: with so few people the two can "
                "disagree, and neither alone is to be relied upon."
            )
        elif low <= 0.5 <= high:
            limits.append(
                f"The interval from {words.interval(low, high)} contains 0.50: these data do not "
                "show that the model knows anything about resistance, nor that it does not."
            )
        elif high - low > 0.2:
            limits.append(
                f"The interval from {words.interval(low, high)} is too wide to say how good "
                "the model is."
            )
    sites = (metrics.get("question") or {}).get("sites") or {}
    by_chance = chance_limit(
        [(s["n_positive"], s["n"] - s["n_positive"]) for s in sites.values()]
        or [(positive, n - positive)]
    )
    if by_chance and not words.is_number(model.get("p_permutation")):
        limits.append(
            f"With {positive} and {n - positive} people, a classifier that knows nothing exceeds "
            f"{words.fixed(by_chance)} in one of twenty studies; the labels were not shuffled to "
            "see by how much."
        )
    if n < _RILEY_PEOPLE:
        limits.append(
            f"{n} people are few: a model of only ten predictors with an AUC of 0.70 asks for "
            f"about {_RILEY_PEOPLE} (Riley et al. 2019, Stat Med 38:1276)."
        )
    rival = best_baseline(metrics)
    if rival and words.is_number(value):
        best = metrics["models"][rival]["auc_within_site"]["value"]
        if best >= value:
            limits.append(
                f"The baseline “{rival}” does as well ({words.fixed(best)} against "
                f"{words.fixed(value)}): no gain from the images is shown."
            )
        elif words.is_number(low) and low <= best:
            limits.append(
                f"The interval reaches down to the baseline “{rival}” ({words.fixed(best)}): a "
                "gain from the images is not established."
            )
    away = (model.get("auc_leave_site_out") or {}).get("value")
    if len(sites) == 1 or not people.known_sites:
        limits.append("All people come from one site: nothing is known about another scanner.")
    elif words.is_number(away) and words.is_number(value) and value - away > 0.1:
        limits.append(
            f"On a left-out site the AUC falls from {words.fixed(value)} to {words.fixed(away)}: "
            "the model may not carry over to other scanners."
        )
    elif not words.is_number(away):
        limits.append("No result on a left-out site is available.")
    if falsified["failed"]:
        limits.append(
            f"{words.sentence(words.count_words(len(falsified['failed']), 'check'))[:-1]} of the "
            "falsification failed; read that section before using any number of this page."
        )
    indeterminate = (metrics.get("question") or {}).get("n_indeterminate") or 0
    if indeterminate:
        limits.append(
            f"{words.count(indeterminate, 'patient')} with an unclear label took no part: clear "
            "cases are easier than those met in care."
        )
    slope = model.get("calibration_slope")
    if words.is_number(slope) and not math.isclose(slope, 1, abs_tol=0.3):
        too = "too extreme" if slope < 1 else "too timid"
        limits.append(
            f"The predicted probabilities are {too} (calibration slope {words.fixed(slope)}, "
            "1 is right): they are not to be read as risks."
        )
    return limits


def _numbers(
    results: Results, people: Cohort, falsified: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Key numbers: value, what it is, and a remark."""
    out = [
        (
            str(len(people.people)),
            "people",
            words.listed(f"{group.n} {group.name}" for group in people.groups),
        )
    ]
    counts = totals(results.tables["completeness.tsv"])
    wanted = sum(counts.values())
    if wanted:
        out.append(
            (words.percent(counts["present"], wanted), "of expected products are there",
             f"{counts['missing']} missing, {counts['failed']} failed")
        )  # fmt: skip
    if fitted(results):
        name = main_model(results.metrics)
        area = results.metrics["models"][name].get("auc_within_site") or {}
        out.append(
            (words.fixed(area.get("value")), "AUC within site",
             f"95 % interval {words.interval(area.get('ci_low'), area.get('ci_high'))}; model "
             f"“{name}”")
        )  # fmt: skip
    rows = falsified["rows"]
    if rows:
        names = words.some([row["name"] for row in falsified["failed"]], 2) or "none"
        undecided = f", {falsified['open']} not decided" if falsified["open"] else ""
        out.append(
            (f"{falsified['held']} of {len(rows)}", "falsification checks passed",
             f"{names} failed{undecided}")
        )  # fmt: skip
    return out
