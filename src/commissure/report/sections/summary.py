"""The first section: what was asked, of whom, what came out, and what it cannot show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from commissure.evaluation.sample_size import MODEST_AUC, MODEST_PREDICTORS
from commissure.modalities import MODALITIES
from commissure.report import text
from commissure.report.cohort import Cohort
from commissure.report.metrics import (
    fitted,
    main_model,
    people_needed,
    with_interval,
)
from commissure.report.outcome_words import OutcomeWords, outcome_words
from commissure.report.results import Results, modality_order
from commissure.report.section import Content, ReportInput
from commissure.report.sections.people import totals


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the first section shows: sentences, key numbers and limits."""
    results, people = run.results, run.people
    falsified, recovered = below["falsification"], below.get("recovery")
    return {
        "asked": _asked(results, people),
        "who": _who(results, people, len(below["quality"]["flagged"])),
        "found": _found(results, people),
        "checks": _checks(falsified),
        "truth": _truth(recovered) if recovered else "",
        "limits": _limits(results, people, falsified, simulated=recovered is not None),
        "numbers": _numbers(results, people, falsified),
    }


def _asked(results: Results, people: Cohort) -> str:
    known = {*MODALITIES, "table"}
    modalities = modality_order(set(results.markers["modality"]) & known)
    means = text.listed(text.modality(name) for name in modalities) or "the markers"
    words = outcome_words(results.metrics)
    if words is not None and fitted(results.metrics):
        return words.asked(results.metrics["question"], means)
    if words is not None:
        return f"This run measured markers from {means}. No model of the outcome was fitted."
    if not fitted(results.metrics):
        return (
            f"This run measured markers from {means}. A classifier of {people.positive_people} "
            f"against {people.negative_people} was not fitted."
        )
    return (
        f"Can {people.positive_people} be told from {people.negative_people}, by {means}, in "
        "people the model has not seen?"
    )


def _who(results: Results, people: Cohort, flagged: int) -> str:
    n = len(people.people)
    if not n:
        return "No participants were found."
    groups = text.listed(f"{group.n} {group.name}" for group in people.groups)
    sentence = f"{text.count(n, 'person', 'people')} went in ({groups})"
    if people.known_sites:
        sentence += f", from {text.count_words(len(people.sites), 'site')}"
    counts = totals(results.tables["completeness.tsv"])
    expected = sum(counts.values())
    if expected:
        sentence += (
            f". Of {expected} products expected from their images, {counts['present']} "
            f"({text.percent(counts['present'], expected)}) are there, {counts['missing']} could "
            f"not be computed and {counts['failed']} failed"
        )
    if results.quality or results.tool_quality:
        verb = "breaks" if flagged == 1 else "break"
        sentence += f"; {text.count(flagged, 'scan')} {verb} a quality limit"
    return sentence + "."


def _found(results: Results, people: Cohort) -> list[str]:
    metrics = results.metrics
    if not fitted(metrics):
        reason = metrics.get("reason") or "the run left no result of the fusion step"
        return [text.sentence(f"no classifier was fitted: {text.without_paths(reason)}")]
    name = main_model(metrics)
    model = metrics["models"][name]
    words = outcome_words(metrics)
    if words is not None:
        return _measured(metrics, name, words)
    area = model.get("auc_within_site") or {}
    n, positive = model.get("n", 0), model.get("n_positive", 0)
    p = model.get("p_permutation")
    kind = f" ({area['interval']})" if area.get("interval") else ""
    sentence = (
        f"Within a site, the model “{name}” ranks one of the {people.positive_people} above one "
        f"of the {people.negative_people} with a probability (AUC) of {with_interval(area)}, the "
        f"95 % interval{kind} in brackets; 0.50 is chance. It rests on {n} people, {positive} of "
        f"them {people.positive_name}"
    )
    if text.is_number(p):
        sentence += f"; p {text.p_value(p)} by permutation, with labels shuffled within site"
    sentences = [sentence + "."]
    left_out = model.get("auc_leave_site_out") or {}
    if text.is_number(left_out.get("value")):
        sentences.append(
            f"On a site that it was not trained on it reaches {with_interval(left_out)}."
        )
    rival = metrics.get("best_baseline")
    if rival:
        best = metrics["models"][rival]["auc_within_site"]
        sentences.append(
            f"The best baseline without markers, “{rival}”, reaches {with_interval(best)}."
        )
    return sentences


def _measured(metrics: Mapping[str, Any], name: str | None, words: OutcomeWords) -> list[str]:
    """What came out, where the outcome is no pair of labels."""
    model, question = metrics["models"][name], metrics["question"]
    sentence = (
        f"Within a site, the model “{name}” {words.reached(question, model)}; the 95 % interval is "
        f"in brackets. The result is of {words.people(question)}"
    )
    p = model.get("p_permutation")
    if text.is_number(p):
        sentence += f"; p {text.p_value(p)} by permutation, with outcomes shuffled within site"
    sentences = [sentence + "."]
    left_out = model.get(f"{words.key}_leave_site_out") or {}
    if text.is_number(left_out.get("value")):
        sentences.append(
            f"On a site that it was not trained on, the {words.name} is {with_interval(left_out)}."
        )
    rival = metrics.get("best_baseline")
    if rival:
        best = metrics["models"][rival][f"{words.key}_within_site"]
        sentences.append(
            f"The best baseline without markers, “{rival}”, reaches {with_interval(best)}."
        )
    return sentences


def _checks(falsified: Content) -> str:
    rows = falsified["rows"]
    if not rows:
        return ""
    sentence = (
        f"{falsified['held']} of {len(rows)} attempts to prove the result wrong left it standing"
    )
    if falsified["failed"]:
        names = text.listed(f"“{row['name']}”" for row in falsified["failed"])
        sentence += f"; it did not survive {names}"
    if falsified["open"]:
        sentence += f"; {falsified['open']} could not be decided"
    return sentence + "."


def _truth(recovered: Content) -> str:
    each = text.listed(f"{m['r']} for {m['name']}" for m in recovered["modalities"])
    short = len({row["key"] for row in recovered["shortfalls"]})
    total = len({row["key"] for row in recovered["rows"]})
    return (
        f"The truth of these people is known. Between true and recovered markers the median "
        f"correlation is {each}; {short} of {total} markers fall short of what was expected of "
        "them."
    )


def _limits(results: Results, people: Cohort, falsified: Content, *, simulated: bool) -> list[str]:
    limits = []
    if simulated:
        limits.append(
            "These people are simulated: the page shows whether the software finds what was "
            "planted, and says nothing about patients."
        )
    if not fitted(results.metrics):
        return [*limits, "Without a fitted model nothing here speaks to prediction."]
    metrics = results.metrics
    model = metrics["models"][main_model(metrics)]
    words = outcome_words(metrics)
    key, chance = (words.key, words.chance) if words else ("auc", 0.5)
    limits += _limits_of_interval(model, key, chance)
    limits += _limits_of_size(metrics, model)
    limits += _limits_of_baseline(metrics, model, key)
    limits += _limits_of_sites(metrics, model, people, words.name if words else "AUC", key)
    if falsified["failed"]:
        failed = text.sentence(text.count_words(len(falsified["failed"]), "check"))[:-1]
        limits.append(
            f"{failed} of the falsification failed; read that section before using any number of "
            "this page."
        )
    indeterminate = (metrics.get("question") or {}).get("n_indeterminate") or 0
    if indeterminate:
        limits.append(
            f"{text.count(indeterminate, 'patient')} with an unclear label took no part: clear "
            "cases are easier than those met in care."
        )
    slope = model.get("calibration_slope")
    if text.is_number(slope) and not math.isclose(slope, 1, abs_tol=0.3):
        too = "too extreme" if slope < 1 else "too timid"
        limits.append(
            f"The predicted {words.predicted if words else 'probabilities'} are {too} (calibration "
            f"slope {text.fixed(slope)}, 1 is right): they are not to be taken at their word."
        )
    return limits


def _limits_of_interval(model: Mapping[str, Any], key: str, chance: float) -> Iterator[str]:
    area, p = model.get(f"{key}_within_site") or {}, model.get("p_permutation")
    low, high = area.get("ci_low"), area.get("ci_high")
    if not (text.is_number(low) and text.is_number(high)):
        return
    interval, shuffled = text.interval(low, high), "labels" if key == "auc" else "outcomes"
    if low <= chance <= high and text.is_number(p) and p < 0.05:
        yield (
            f"The interval from {interval} contains {chance:.2f}, although shuffling the "
            f"{shuffled} gives p {text.p_value(p)}: with so few people the two can disagree, and "
            "neither alone is to be relied upon."
        )
    elif low <= chance <= high:
        yield (
            f"The interval from {interval} contains {chance:.2f}: these data do not show that the "
            "model knows anything about the outcome, nor that it does not."
        )
    elif high - low > 0.2:
        yield f"The interval from {interval} is too wide to say how good the model is."


def _limits_of_size(metrics: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[str]:
    n = int(model.get("n") or 0)
    needed = people_needed(metrics, predictors=MODEST_PREDICTORS, auc=MODEST_AUC)
    if needed is not None and n < needed:
        yield (
            f"{n} people are few: a model of only {MODEST_PREDICTORS} predictors with an AUC of "
            f"{MODEST_AUC:.2f} asks for about {needed} (Riley et al. 2019, Stat Med 38:1276)."
        )


def _limits_of_baseline(
    metrics: Mapping[str, Any], model: Mapping[str, Any], key: str
) -> Iterator[str]:
    area = model.get(f"{key}_within_site") or {}
    value, low = area.get("value"), area.get("ci_low")
    rival = metrics.get("best_baseline")
    if not (rival and text.is_number(value)):
        return
    best = metrics["models"][rival][f"{key}_within_site"]["value"]
    if best >= value:
        yield (
            f"The baseline “{rival}” does as well ({text.fixed(best)} against "
            f"{text.fixed(value)}): no gain from the images is shown."
        )
    elif text.is_number(low) and low <= best:
        yield (
            f"The interval reaches down to the baseline “{rival}” ({text.fixed(best)}): a gain "
            "from the images is not established."
        )


def _limits_of_sites(
    metrics: Mapping[str, Any], model: Mapping[str, Any], people: Cohort, name: str, key: str
) -> Iterator[str]:
    sites = (metrics.get("question") or {}).get("sites") or {}
    within = (model.get(f"{key}_within_site") or {}).get("value")
    left_out = (model.get(f"{key}_leave_site_out") or {}).get("value")
    if len(sites) == 1 or not people.known_sites:
        yield "All people come from one site: nothing is known about another scanner."
    elif not text.is_number(left_out):
        yield "No result on a left-out site is available."
    elif text.is_number(within) and within - left_out > 0.1:
        yield (
            f"On a left-out site the {name} falls from {text.fixed(within)} to "
            f"{text.fixed(left_out)}: the model may not carry over to other scanners."
        )


def _of_pairs(area: Mapping[str, Any]) -> str:
    """Of how many pairs of people an AUC is, where that is known."""
    if not text.is_number(area.get("pairs")) or not area["pairs"]:
        return ""
    return f"; {area['pairs']} pairs of {area['n_compared']} people"


def _numbers(results: Results, people: Cohort, falsified: Content) -> list[tuple[str, str, str]]:
    """Key numbers: value, what it is, and a remark."""
    numbers = [
        (
            str(len(people.people)),
            "people",
            text.listed(f"{group.n} {group.name}" for group in people.groups),
        )
    ]
    counts = totals(results.tables["completeness.tsv"])
    expected = sum(counts.values())
    if expected:
        numbers.append(
            (
                text.percent(counts["present"], expected),
                "of expected products are there",
                f"{counts['missing']} missing, {counts['failed']} failed",
            )
        )
    if fitted(results.metrics):
        name = main_model(results.metrics)
        words = outcome_words(results.metrics)
        key, measure = (words.key, words.name) if words else ("auc", "AUC")
        area = results.metrics["models"][name].get(f"{key}_within_site") or {}
        interval = text.interval(area.get("ci_low"), area.get("ci_high"))
        numbers.append(
            (
                text.fixed(area.get("value")),
                f"{measure} within site",
                f"95 % interval {interval}; model “{name}”" + _of_pairs(area),
            )
        )
    rows = falsified["rows"]
    if rows:
        names = text.some([row["name"] for row in falsified["failed"]], 2) or "none"
        undecided = f", {falsified['open']} not decided" if falsified["open"] else ""
        numbers.append(
            (
                f"{falsified['held']} of {len(rows)}",
                "falsification checks passed",
                f"{names} failed{undecided}",
            )
        )
    return numbers
