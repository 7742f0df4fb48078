"""The main result at each site, and among people of each sex and age."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from commissure.evaluation.auc import AucEstimate, auc, newcombe_interval
from commissure.evaluation.calibration import slope_and_intercept
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.meta_analysis import SiteAuc, random_effects
from commissure.evaluation.null_distribution import NullDistribution, auc_within_site
from commissure.markers.intervals import Z_95
from commissure.models.logistic import sigmoid
from commissure.models.settings import ModelSettings
from commissure.study.splits import CV, LEAVE_SITE_OUT
from commissure.study.study import Study

#: People of each label without whom no slope of calibration is given.
FEWEST_FOR_SLOPE = 5
#: Values of a column of the people from which it is divided into thirds.
THIRDS, MOST_CATEGORIES = 3, 5


def results_by_site(
    study: Study[ModelSettings],
    repeats: Sequence[HeldOut],
    left_out: HeldOut | None,
    null: NullDistribution | None,
) -> dict[str, Any]:
    """The main result at each site, and what it says of sites in general.

    Parameters
    ----------
    study
        The study.
    repeats
        Predictions of the main model in each repeat of the cross-validation.
    left_out
        Those with the site left out; None where no site can be.
    null
        The permutation test of the main model.

    Returns
    -------
    dict
        For the schemes ``cv`` and ``leave_site_out``, where there are any, ``sites`` (``site n
        n_positive auc predicted observed calibration_slope calibration_intercept``) and
        ``random_effects`` (:class:`commissure.evaluation.meta_analysis.RandomEffects`).
    """
    away = None if null is None else null.left_out
    schemes: dict[str, tuple[Sequence[HeldOut], float]] = {
        CV: (repeats, 1.0 if null is None else null.widening(len(repeats)))
    }
    if left_out is not None:
        schemes[LEAVE_SITE_OUT] = ([left_out], 1.0 if away is None else away.widening(1))
    return {
        scheme: _of_scheme(study, held, widening) for scheme, (held, widening) in schemes.items()
    }


def results_by_group(
    study: Study[ModelSettings], repeats: Sequence[HeldOut], null: NullDistribution | None
) -> list[dict[str, Any]]:
    """The main result among people of each sex and of each third of the ages.

    Parameters
    ----------
    study, repeats, null
        As for :func:`results_by_site`.

    Returns
    -------
    list of dict
        ``by`` (the column), ``group``, ``n n_positive auc_within_site predicted observed
        calibration_slope calibration_intercept``. Empty where the people have neither column.
    """
    people = study.people
    if "participant_id" not in people:
        return []
    people = people.set_index("participant_id").reindex(study.design.participants)
    rows = []
    for column in ("sex", "age"):
        if column not in people:
            continue
        for group, members in _groups(people[column], study.labelled).items():
            parts = _among(repeats, members)
            area = auc_within_site([part.comparisons() for part in parts], null)
            record = {"auc_within_site": area.record(), **_calibration(parts)}
            rows.append({"by": column, "group": group, **_counts(parts), **record})
    return rows


def _of_scheme(
    study: Study[ModelSettings], repeats: Sequence[HeldOut], widening: float
) -> dict[str, Any]:
    rows, estimates = [], []
    for site in sorted(set(study.design.sites[study.labelled].tolist()), key=_by_number):
        parts = _among(repeats, study.design.sites == site)
        counts = _counts(parts)
        if not counts["n"]:
            continue
        area = _site_auc(parts, counts)
        rows.append({"site": site, **counts, "auc": area.record(), **_calibration(parts)})
        negative = counts["n"] - counts["n_positive"]
        estimates.append(SiteAuc(area.value, counts["n_positive"], negative))
    return {"sites": rows, "random_effects": random_effects(estimates, widening).record()}


def _by_number(site: str) -> tuple[list[int], str]:
    """Sites in the order of the numbers in their names: 2 before 10."""
    return [int(digits) for digits in re.findall(r"\d+", site)], site


def _site_auc(parts: Sequence[HeldOut], counts: Mapping[str, int]) -> AucEstimate:
    """AUC of the people of one site, with an interval for any number of them."""
    area = auc([part.comparisons() for part in parts])
    if not math.isfinite(area.value):
        return area
    positive = counts["n_positive"]
    low, high = newcombe_interval(area.value, positive, counts["n"] - positive)
    return replace(area, ci_low=low, ci_high=high, standard_error=(high - low) / (2 * Z_95),
                   interval="Newcombe")  # fmt: skip


def _among(repeats: Sequence[HeldOut], members: np.ndarray) -> list[HeldOut]:
    """The predictions of some of the people."""
    return [replace(held, labels=np.where(members, held.labels, -2)) for held in repeats]


def _counts(parts: Sequence[HeldOut]) -> dict[str, int]:
    scored = _scored(parts[0])
    return {"n": int(scored.sum()), "n_positive": int((parts[0].labels[scored] == 1).sum())}


def _scored(held: HeldOut) -> np.ndarray:
    return (held.labels >= 0) & np.isfinite(held.logits)


def _calibration(parts: Sequence[HeldOut]) -> dict[str, float]:
    """Mean prediction, share of the positive label, slope and intercept: means over the repeats."""
    predicted, slopes, intercepts = [], [], []
    for held in parts:
        scored = _scored(held)
        y, logit = held.labels[scored], held.logits[scored]
        if not len(y):
            continue
        p = sigmoid(logit)
        predicted.append(float(p.mean()))
        if 0 < y.sum() < len(y):
            slope, intercept = slope_and_intercept(y, p)
            intercepts.append(intercept)
            if min(y.sum(), (1 - y).sum()) >= FEWEST_FOR_SLOPE:
                slopes.append(slope)
    scored = _scored(parts[0])
    return {
        "predicted": _mean(predicted),
        "observed": float((parts[0].labels[scored] == 1).mean()) if scored.any() else math.nan,
        "calibration_slope": _mean(slopes),
        "calibration_intercept": _mean(intercepts),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _groups(column: pd.Series, labelled: np.ndarray) -> dict[str, np.ndarray]:
    """Who belongs to each category, or to each third of the labelled people's numbers."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
    distinct = column[labelled].dropna().nunique()
    if distinct <= MOST_CATEGORIES:
        text = column.map(lambda value: "" if pd.isna(value) else str(value)).to_numpy(str)
        return {name: text == name for name in sorted(set(text[labelled]) - {""})}
    known = numbers[labelled & np.isfinite(numbers)]
    if len(known) < labelled.sum() / 2:
        return {}
    cuts = np.quantile(known, np.arange(1, THIRDS) / THIRDS)
    third = np.digitize(numbers, cuts)
    ends = [known.min(), *cuts, known.max()]
    return {
        f"{ends[part]:.3g} to {ends[part + 1]:.3g}": np.isfinite(numbers) & (third == part)
        for part in range(THIRDS)
    }
