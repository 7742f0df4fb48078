"""The card of a stored model: what it is, how well it did, and what its holder must know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from commissure.evaluation.measures.registry import MEASURES
from commissure.models.registry import FUSED_MODELS
from commissure.models.settings import ModelSettings

#: What stands in the card of an estimator by its path that is no weighted sum.
HOLDS_PEOPLE = (
    "An estimator by its import path may hold the prepared markers of its training people (support "
    "vectors, neighbours, leaves): share it as you would them."
)


def model_card(
    about: Mapping[str, Any],
    domain: Mapping[str, Mapping[str, Any]],
    settings: ModelSettings,
    *,
    plain: bool,
) -> str:
    """The card in Markdown.

    Parameters
    ----------
    about, domain
        As those of a :class:`~commissure.transport.stored_model.StoredModel`.
    settings
        With which the model was fitted.
    plain
        Whether it is stored as plain numbers too.
    """
    unseen_sites = "not harmonised" if settings.combat == "in_fold" else "scored like all others"
    fused = FUSED_MODELS.get(about["name"])
    return "\n".join(
        [
            f"# Model card: {about['name']}",
            "",
            f"{about['record']['description']}. It gives {_what(about)} in people like those it "
            "was trained on.",
            "",
            *_numbers(about, domain),
            "",
            "The numbers are those of the procedure in cross-validation; the stored model was "
            "fitted on everybody and has not been tested itself. It is no medical device and "
            "decides nothing about a person.",
            "",
            *_recalibration(about.get("recalibration") or (0.0, 1.0)),
            "It abstains where a person has none of its modalities, or lies outside of the "
            f"training people. People of a site that was not in training are {unseen_sites}.",
            "",
            f"It keeps one-way digests of the markers of {about['n_recognisable']} of its "
            f"{about['n_trained']} training people (controls included): `commissure apply` knows "
            "them again and takes no score of theirs for a prediction. A digest holds no name, and "
            "no marker can be found from it; but whoever holds a person's markers can see by it "
            "whether the model was trained on that person.",
            "",
            *_sets(about.get("conformal")),
            *([fused.card_warning, ""] if fused and fused.card_warning else []),
            *([HOLDS_PEOPLE, ""] if about["name"] in settings.estimators() and not plain else []),
            "`model.json` holds the same model as plain numbers, and `scorer.py` scores people by "
            "it with NumPy alone; it does not abstain."
            if plain
            else "There is no `model.json`: this model is no sum of weighted markers, and only "
            "Commissure can score people by it.",
            "",
            "Use: `commissure apply <this folder> <output folder of a new run, or markers.tsv>`.",
            "",
            "```json",
            json.dumps(settings.model_dump(mode="json"), indent=1, sort_keys=True),
            "```",
            "",
        ]
    )


def _what(about: Mapping[str, Any]) -> str:
    """What the model says of a person."""
    kind = about["kind"]
    if kind == "binary":
        return f"the probability of *{about['positive']}* against *{about['negative']}*"
    if kind == "classes":
        return f"the probabilities of {', '.join(f'*{name}*' for name in about['classes'])}"
    name = about["outcome"]["name"]
    if kind == "time_to_event":
        return f"the log hazard (0: the mean training person) of what *{name}* is the time to"
    unit, covariates = about["outcome"]["unit"], about["outcome"]["covariates"]
    freed = f", given {', '.join(covariates.values())}" if covariates else ""
    return f"the expected *{name}*{f' in {unit}' if unit else ''}{freed}"


def _sets(conformal: Mapping[str, Any] | None) -> list[str]:
    """What conformal sets of new people promise."""
    if not conformal:
        return []
    training = conformal["training"]
    held = [
        f"{100 * training[key]['value']:.0f} % {where}"
        for key, where in (
            ("coverage", "of the training people when they were left out"),
            ("coverage_left_out", "where their whole site was left out"),
        )
        if training.get(key)
    ]
    return [
        f"With each score goes a conformal set or interval at the level {conformal['level']:g}, on "
        "average over people drawn as these were; it is no promise for one site. It held the "
        f"outcome in {', '.join(held)}.",
        "",
    ]


def _recalibration(again: Sequence[float]) -> list[str]:
    """What was done to the logits of the estimator, if anything."""
    intercept, slope = again
    if (intercept, slope) == (0.0, 1.0):
        return []
    flat = " They did not follow the labels: everybody gets the same probability." * (slope == 0)
    return [
        f"Its logits are recalibrated by the out-of-fold predictions: intercept {intercept:.3f}, "
        f"slope {slope:.3f}.{flat} The numbers above are those before that.",
        "",
    ]


def _numbers(about: Mapping[str, Any], domain: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The table of the people and of the cross-validated results."""
    record, measure = about["record"], MEASURES[about["kind"]]
    p = record["p_permutation"]
    modalities = ", ".join(f"{name} (n = {trained['n']})" for name, trained in domain.items())
    among = ""
    if "n_positive" in about:
        among = f", of them {about['n_positive']} {about['positive']}"
    if "n_events" in about:
        among = f", {about['n_events']} events"
    numbers = [
        (title, record[key])
        for key, title in (
            ("brier", "Brier score"), ("log_loss", "log loss"), ("mae", "mean absolute error"),
            ("calibration_slope", "calibration slope"),
            ("calibration_intercept", "calibration intercept"),
        )
        if record.get(key) is not None
    ]  # fmt: skip
    return [
        "| | |",
        "|---|---|",
        f"| people | {about['n']}{among} |",
        f"| modalities | {modalities} |",
        f"| {measure.name} within site, cross-validated | "
        f"{_auc(record.get(f'{measure.key}_within_site'))} |",
        f"| {measure.name} with the site left out | "
        f"{_auc(record.get(f'{measure.key}_leave_site_out'))} |",
        *(f"| {title} | {value:.3f} |" for title, value in numbers),
        f"| permutation p | {'n/a' if p is None else p} |",
    ]


def _auc(area: Mapping[str, Any] | None) -> str:
    """An AUC, or what stands in its place, with its interval."""
    if not area or area.get("value") is None or not math.isfinite(area["value"]):
        return "n/a"
    return f"{area['value']:.2f} ({area['ci_low']:.2f} to {area['ci_high']:.2f})"
