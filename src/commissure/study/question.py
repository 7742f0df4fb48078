"""How many people carry which label, and whether models can be fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from commissure.study.labels.vocabulary import CONTROL, INDETERMINATE
from commissure.study.settings import StudySettings


def question_counts(
    people: pd.DataFrame, labels: pd.DataFrame, settings: StudySettings
) -> dict[str, Any]:
    """Count the people by label and site, as ``question`` in metrics.json.

    Parameters
    ----------
    people
        ``participant_id site``.
    labels
        ``participant_id label reason`` of the same people in the same order.
    settings
        The two labels.
    """
    label, site = labels["label"].to_numpy(str), people["site"].to_numpy(str)
    positive = label == settings.label.positive
    labelled = positive | (label == settings.label.negative)
    return {
        "positive": settings.label.positive,
        "negative": settings.label.negative,
        "positive_name": settings.label.shown(settings.label.positive),
        "negative_name": settings.label.shown(settings.label.negative),
        "positive_people": settings.label.people(settings.label.positive),
        "negative_people": settings.label.people(settings.label.negative),
        "n": int(labelled.sum()),
        "n_positive": int(positive.sum()),
        "n_indeterminate": int((label == INDETERMINATE).sum()),
        "n_controls": int((label == CONTROL).sum()),
        "sites": {
            name: {
                "n": int((labelled & (site == name)).sum()),
                "n_positive": int((positive & (site == name)).sum()),
            }
            for name in sorted(set(site[labelled]))
        },
    }


def why_unfittable(
    question: Mapping[str, Any], labels: pd.DataFrame, settings: StudySettings
) -> str:
    """One sentence on why nothing can be fitted, or an empty text."""
    positive, negative = question["n_positive"], question["n"] - question["n_positive"]
    wanted = max(settings.min_per_class, settings.outer_folds)
    sites = question["sites"]
    if min(positive, negative) >= wanted:
        if any(_has_both(site) for site in sites.values()):
            return ""
        return (
            f"None of the {len(sites)} sites has people of both labels: whatever tells "
            f"{question['positive']} from {question['negative']} may be the site."
        )
    reason = (
        f"{positive} {question['positive']} and {negative} {question['negative']} among "
        f"{len(labels)} people are too few: {wanted} of each are needed"
    )
    unclear = labels.loc[labels["label"] == INDETERMINATE, "reason"]
    if len(unclear):
        common = unclear.value_counts().index[0]
        reason += f" ({len(unclear)} people are indeterminate, most often because {common})"
    return reason + "."


def uneven_sites(question: Mapping[str, Any]) -> list[str]:
    """A sentence on the people who cannot be compared within their site, if there are any."""
    alone = [site["n"] for site in question["sites"].values() if not _has_both(site)]
    if not alone or len(alone) == len(question["sites"]):
        return []
    return [f"{sum(alone)} of {question['n']} people are at sites with one label only: the AUC "
            "within site says nothing of them."]  # fmt: skip


def _has_both(site: Mapping[str, int]) -> bool:
    return 0 < site["n_positive"] < site["n"]
