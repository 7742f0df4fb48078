"""By how much one model exceeds another on the same people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import t as student

from commissure.evaluation.auc import AucEstimate, auc_difference
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.out_of_fold import Scores, repeats_of
from commissure.models.settings import ModelSettings
from commissure.study.study import Study


def comparisons(study: Study[ModelSettings], main: str, scores: Scores) -> list[dict[str, Any]]:
    """By how much the main model exceeds each other one, by two methods.

    ``delong``: paired, over the people that both score. ``nadeau_bengio``: over the folds, with the
    variance corrected for training sets that overlap.

    Parameters
    ----------
    study
        The study.
    main
        Name of the main model.
    scores
        Out-of-fold predictions by model.
    """
    main_repeats = repeats_of(study, scores[main])
    tested_in = main_repeats[0].fold
    folds = max(2, len(np.unique(tested_in[tested_in != ""])))
    rows = []
    for name in scores:
        if name == main:
            continue
        repeats = repeats_of(study, scores[name])
        gap = auc_difference(
            [repeat.comparisons() for repeat in main_repeats],
            [repeat.comparisons() for repeat in repeats],
        )
        by_fold = np.array(_differences_by_fold(main_repeats, repeats))
        rows.append(
            {
                "model": name,
                "delong": gap.record(),
                "nadeau_bengio": nadeau_bengio_test(by_fold, 1 / (folds - 1)),
            }
        )
    return rows


def difference_to(
    name: str, study: Study[ModelSettings], main: str, scores: Scores
) -> AucEstimate | None:
    """Paired difference within site of the main model and another; None where there is none."""
    if name not in scores or name == main:
        return None
    first, second = (
        [repeat.comparisons() for repeat in repeats_of(study, scores[model])]
        for model in (main, name)
    )
    return auc_difference(first, second)


def nadeau_bengio_test(differences: np.ndarray, test_share: float) -> dict[str, float]:
    """Nadeau and Bengio's corrected t test of repeated cross-validation (2003, Mach Learn 52:239).

    Training sets overlap, so the variance over folds alone is far too small:
    ``t = mean / sqrt((1 / J + n_test / n_train) s^2)`` with ``J - 1`` degrees of freedom.

    Parameters
    ----------
    differences
        Difference between two models in each of J folds; NaN where a fold has none.
    test_share
        ``n_test / n_train``.

    Returns
    -------
    dict
        ``value ci_low ci_high p folds``; NaN with fewer than two folds.
    """
    known = np.asarray(differences, float)
    known = known[np.isfinite(known)]
    count = len(known)
    if count < 2:
        return {"value": math.nan, "ci_low": math.nan, "ci_high": math.nan, "p": math.nan,
                "folds": count}  # fmt: skip
    mean = float(known.mean())
    error = math.sqrt((1 / count + test_share) * float(known.var(ddof=1)))
    reach = float(student.ppf(0.975, count - 1)) * error
    p = 1.0 if error == 0 and mean == 0 else 2 * float(
        student.sf(abs(mean) / max(error, 1e-300), count - 1)
    )  # fmt: skip
    return {"value": mean, "ci_low": mean - reach, "ci_high": mean + reach, "p": p, "folds": count}


def _differences_by_fold(first: Sequence[HeldOut], second: Sequence[HeldOut]) -> list[float]:
    """Difference of the AUCs within site in every fold of every repeat."""
    differences = []
    for left, right in zip(first, second, strict=True):
        both = np.isfinite(left.logits) & np.isfinite(right.logits)
        for fold in np.unique(left.fold[both]):
            labels = np.where(both & (left.fold == fold), left.labels, -1)
            differences.append(
                replace(left, labels=labels).auc().value - replace(right, labels=labels).auc().value
            )
    return differences
