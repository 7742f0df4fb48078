"""What clusters must not be: head size, site, motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kruskal
from sklearn.metrics import roc_auc_score

#: A cluster is told from a number with such an area under the curve, or from a site with such a V.
TOLD_AUC, TOLD_V = 0.65, 0.25
#: And with a p below.
TOLD_P = 0.01
#: Permutations of the clusters among people, for the test of the sites.
PERMUTATIONS = 999


@dataclass(frozen=True)
class Confound:
    """A measure of the people that clusters must not follow.

    Attributes
    ----------
    name
        What it is called.
    values
        Shape (people,): numbers, or words for ``site``.
    mandatory
        Whether clusters that follow it are no subtypes.
    """

    name: str
    values: np.ndarray
    mandatory: bool = True


def confound_test(
    labels: np.ndarray, confound: Confound, rng: np.random.Generator
) -> dict[str, Any]:
    """How well a confound tells the clusters.

    Returns
    -------
    dict
        ``confound measure value unbiased p n mandatory told``: of numbers the largest AUC of a
        cluster against the others, with the p of Kruskal and Wallis; of sites Cramér's V, with the
        p of a permutation. Many small sites make V large by chance: ``unbiased`` (Bergsma 2013)
        says whether they tell the clusters.
    """
    words = confound.values.dtype.kind in "OUS"
    known = np.ones(len(labels), bool) if words else np.isfinite(confound.values)
    labels, values = labels[known], confound.values[known]
    record: dict[str, Any] = {
        "confound": confound.name,
        "measure": "V" if words else "AUC",
        "value": None,
        "unbiased": None,
        "p": None,
        "n": int(known.sum()),
        "mandatory": confound.mandatory,
        "told": False,
    }
    if len(np.unique(values)) < 2 or len(np.unique(labels)) < 2:
        return record
    if words:
        value, unbiased, p = _site_v(labels, values, rng)
        told = unbiased >= TOLD_V
    else:
        value, p = _largest_auc(labels, values)
        unbiased, told = None, value >= TOLD_AUC
    return {**record, "value": value, "unbiased": unbiased, "p": p,
            "told": bool(told and p < TOLD_P)}  # fmt: skip


def _largest_auc(labels: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    areas = [float(roc_auc_score(labels == number, values)) for number in np.unique(labels)]
    areas = [max(area, 1 - area) for area in areas]
    return max(areas), float(kruskal(*(values[labels == n] for n in np.unique(labels))).pvalue)


def _site_v(
    labels: np.ndarray, sites: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    member = (labels == np.unique(labels)[:, None]).astype(float)
    at_site = (sites[:, None] == np.unique(sites)).astype(float)
    expected = member.sum(axis=1)[:, None] * at_site.sum(axis=0) / len(labels)

    def chi_square(rows: np.ndarray) -> float:
        return float((((rows @ at_site) - expected) ** 2 / expected).sum())

    measured = chi_square(member)
    drawn = [chi_square(member[:, rng.permutation(len(labels))]) for _ in range(PERMUTATIONS)]
    p = (1 + sum(value >= measured - 1e-9 for value in drawn)) / (1 + PERMUTATIONS)
    people, rows, columns = len(labels), len(member), at_site.shape[1]
    v = np.sqrt(measured / people / (min(rows, columns) - 1))
    phi = max(0.0, measured / people - (rows - 1) * (columns - 1) / (people - 1))
    rows_left = rows - (rows - 1) ** 2 / (people - 1)
    columns_left = columns - (columns - 1) ** 2 / (people - 1)
    unbiased = np.sqrt(phi / max(1e-9, min(rows_left, columns_left) - 1))
    return float(v), float(unbiased), float(p)
