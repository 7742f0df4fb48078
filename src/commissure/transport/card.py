"""The card of a stored model: what it is, how well it did, and what its holder must know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from commissure.models.registry import FUSED_MODELS
from commissure.models.settings import ModelSettings


def model_card(
    about: Mapping[str, Any], domain: Mapping[str, Mapping[str, Any]], settings: ModelSettings
) -> str:
    """The card in Markdown.

    Parameters
    ----------
    about, domain
        As those of a :class:`~commissure.transport.stored_model.StoredModel`.
    settings
        With which the model was fitted.
    """
    unseen_sites = "not harmonised" if settings.combat == "in_fold" else "scored like all others"
    fused = FUSED_MODELS.get(about["name"])
    return "\n".join(
        [
            f"# Model card: {about['name']}",
            "",
            f"{about['record']['description']}. It gives the probability of "
            f"*{about['positive']}* against *{about['negative']}* in people like those it was "
            "trained on.",
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
            *([fused.card_warning, ""] if fused and fused.card_warning else []),
            "`model.json`, where it is there, holds the same model as plain numbers, and "
            "`scorer.py` scores people by it with NumPy alone; it does not abstain.",
            "",
            "Use: `commissure apply <this folder> <output folder of a new run, or markers.tsv>`.",
            "",
            "```json",
            json.dumps(settings.model_dump(mode="json"), indent=1, sort_keys=True),
            "```",
            "",
        ]
    )


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
    record = about["record"]
    p = record["p_permutation"]
    modalities = ", ".join(f"{name} (n = {trained['n']})" for name, trained in domain.items())
    slope, intercept = record["calibration_slope"], record["calibration_intercept"]
    return [
        "| | |",
        "|---|---|",
        f"| people | {about['n']}, of them {about['n_positive']} {about['positive']} |",
        f"| modalities | {modalities} |",
        f"| AUC within site, cross-validated | {_auc(record.get('auc_within_site'))} |",
        f"| AUC with the site left out | {_auc(record.get('auc_leave_site_out'))} |",
        f"| Brier score | {record['brier']:.3f} |",
        f"| calibration slope, intercept | {slope:.2f}, {intercept:.2f} |",
        f"| permutation p | {'n/a' if p is None else p} |",
    ]


def _auc(area: Mapping[str, Any] | None) -> str:
    """An AUC with its interval."""
    if not area or area.get("value") is None or not math.isfinite(area["value"]):
        return "n/a"
    return f"{area['value']:.2f} ({area['ci_low']:.2f} to {area['ci_high']:.2f})"
