"""Whether more people would help: AUC by the number of training people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from commissure.evaluation.held_out import held_out
from commissure.models.registry import ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.splits import MIN_TRAINING, Fold, drawn_people
from commissure.study.study import Study

#: Shares of the training people in the learning curve, and draws of each.
SHARES, DRAWS = (0.3, 0.45, 0.6, 0.8, 1.0), 3


def learning_curve(
    study: Study[ModelSettings], spec: ModelSpec, folds: Sequence[Fold]
) -> dict[str, Any]:
    """AUC within site by the number of training people, and how many more would help.

    The models are fitted in full, so that the last point is the study's own in its first repeat.
    The points are followed by ``1 - AUC = a + b n^-c``.

    Returns
    -------
    dict
        ``points`` (``n auc sd``), ``auc_asymptote`` (AUC with endless people), ``people_needed``
        (people from whom the AUC is within 0.02 of it, None where the curve does not say),
        ``description``.
    """
    points = []
    for share in SHARES:
        aucs = []
        size = 0.0
        for draw in range(DRAWS if share < 1 else 1):
            smaller = [replace(fold, train=_drawn(study, fold, share, draw)) for fold in folds]
            size = float((study.y[smaller[-1].train] >= 0).sum())
            aucs.append(held_out(study, spec, smaller).auc().value)
        points.append({"n": size, "auc": float(np.mean(aucs)), "sd": float(np.std(aucs))})
    return {"points": points, **followed_curve(points)}


def followed_curve(points: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Fit ``1 - AUC = a + b n^-c`` to the points of a learning curve."""
    n = np.array([point["n"] for point in points])
    error = 1 - np.array([point["auc"] for point in points])
    unknown: dict[str, Any] = {"auc_asymptote": None, "people_needed": None}
    if not np.isfinite(error).all() or len(set(n.tolist())) < 4:
        return unknown | {"description": "too few sizes could be fitted"}
    if error.min() > 0.45 or np.polyfit(np.log(n), error, 1)[0] > -0.01:
        return unknown | {
            "description": "the curve does not rise with people, so it cannot say how many are "
            "needed"
        }
    try:
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a + b * n**-c, n, error, p0=(error.min() / 2, 1.0, 0.5),
            bounds=((0, 0, 0.2), (0.5, 50, 2.0)), maxfev=5000,
        )  # fmt: skip
    except RuntimeError:
        return unknown | {"description": "no curve could be laid through the points"}
    needed = math.ceil((b / 0.02) ** (1 / c))
    asymptote = float(1 - a)
    if needed > 100 * n.max():
        return {
            "auc_asymptote": asymptote,
            "people_needed": None,
            "description": "the curve is too flat to say how many people are needed",
        }
    return {
        "auc_asymptote": asymptote,
        "people_needed": needed,
        "description": f"with endless people like these the AUC would approach {1 - a:.2f}; about "
        f"{needed} labelled people bring it within 0.02 of that. {len(points)} points fix three "
        "numbers: take it as an order of magnitude",
    }


def _drawn(study: Study[ModelSettings], fold: Fold, share: float, draw: int) -> np.ndarray:
    """Rows of a share of the training people of each label, and of all reference people.

    Families are undivided: relatives of whom one is drawn would teach more than strangers do.
    """
    y = study.y
    seeds = [study.settings.seed, 15, draw, int(100 * share)]
    rng = np.random.default_rng(np.random.SeedSequence(seeds))
    labelled = fold.train[y[fold.train] >= 0]
    people = drawn_people(
        labelled, y[labelled], lambda size: max(MIN_TRAINING, round(share * size)), rng,
        study.design.families,
    )  # fmt: skip
    return np.sort(np.concatenate([fold.train[y[fold.train] < 0], people]))
