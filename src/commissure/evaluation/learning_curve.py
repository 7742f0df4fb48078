"""Whether more people would help: the learning curve, and Riley's advice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.evaluation.auc import area, compared_pairs
from commissure.evaluation.sample_size import people_needed, predictors_carried
from commissure.evaluation.settings import EvaluationSettings
from commissure.models.registry import ModelSpec, fit_models
from commissure.study.design import Design
from commissure.study.splits import MIN_TRAINING, Fold

#: Shares of the training people in the learning curve, and draws of each.
SHARES, DRAWS = (0.3, 0.45, 0.6, 0.8, 1.0), 3


def learning_curve(
    design: Design,
    y: np.ndarray,
    spec: ModelSpec,
    folds: Sequence[Fold],
    settings: EvaluationSettings,
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
        found = []
        size = 0.0
        for draw in range(DRAWS if share < 1 else 1):
            logits, cell = np.full(len(y), np.nan), np.full(len(y), "", dtype="U160")
            for fold in folds:
                seeds = [settings.seed, 15, draw, int(100 * share)]
                rng = np.random.default_rng(np.random.SeedSequence(seeds))
                kept = [fold.train[y[fold.train] < 0]]
                for label in (0, 1):
                    own = fold.train[y[fold.train] == label]
                    kept.append(rng.permutation(own)[: max(MIN_TRAINING, round(share * len(own)))])
                rows = np.sort(np.concatenate(kept))
                size = float((y[rows] >= 0).sum())
                model = fit_models([spec], design.values[rows], y[rows], settings=settings)[
                    spec.name
                ]
                test = fold.test[y[fold.test] >= 0]
                logits[test] = model.logits(design.values[test])[:, 0]
                cell[test] = np.char.add(f"{fold.name}\t", design.sites[test])
            found.append(area([compared_pairs(y, logits, cell)]).value)
        points.append({"n": size, "auc": float(np.mean(found)), "sd": float(np.std(found))})
    return {"points": points, **followed_curve(points)}


def followed_curve(points: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Fit ``1 - AUC = a + b n^-c`` to the points of a learning curve."""
    from scipy.optimize import curve_fit

    n = np.array([one["n"] for one in points])
    error = 1 - np.array([one["auc"] for one in points])
    told: dict[str, Any] = {"auc_asymptote": None, "people_needed": None}
    if not np.isfinite(error).all() or len(set(n.tolist())) < 4:
        return told | {"description": "too few sizes could be fitted"}
    if error.min() > 0.45 or np.polyfit(np.log(n), error, 1)[0] > -0.01:
        return told | {
            "description": "the curve does not rise with people, so it cannot say how many are "
            "needed"
        }
    try:
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a + b * n**-c, n, error, p0=(error.min() / 2, 1.0, 0.5),
            bounds=((0, 0, 0.2), (0.5, 50, 2.0)), maxfev=5000,
        )  # fmt: skip
    except RuntimeError:
        return told | {"description": "no curve could be laid through the points"}
    needed = math.ceil((b / 0.02) ** (1 / c))
    told = {"auc_asymptote": float(1 - a), "people_needed": needed}
    if needed > 100 * n.max():
        return told | {
            "people_needed": None,
            "description": "the curve is too flat to say how many people are needed",
        }
    return told | {
        "description": f"with endless people like these the AUC would approach {1 - a:.2f}; about "
        f"{needed} labelled people bring it within 0.02 of that. {len(points)} points fix three "
        "numbers: take it as an order of magnitude"
    }


def sample_advice(auc: float, y: np.ndarray) -> dict[str, Any]:
    """Riley's numbers for this prevalence, at an AUC of 0.70 and at the one that was found."""
    n, positive = int((y >= 0).sum()), int((y == 1).sum())
    prevalence = positive / n
    at = [0.70]
    if math.isfinite(auc) and 0.55 < auc < 0.95:
        at.append(round(auc, 2))
    return {
        "prevalence": prevalence,
        "rows": [
            {
                "auc": value,
                "predictors_carried": predictors_carried(value, prevalence, n),
                "people_needed": {str(p): people_needed(value, prevalence, p)["needed"]
                           for p in (6, 10, 20)},
            }
            for value in at
        ],
    }  # fmt: skip
