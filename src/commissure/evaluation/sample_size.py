"""How many people a prediction model asks for (Riley et al. 2019, Stat Med 38:1276; 2020, BMJ)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import norm

from commissure.markers.intervals import Z_95

#: Shrinkage that a model should keep: 10 % of its weights may be optimism.
SHRINKAGE = 0.9
#: Optimism of Nagelkerke's R2, and half width of the interval of the prevalence.
OPTIMISM, PREVALENCE_MARGIN = 0.05, 0.05


#: AUC and number of predictors of the modest model for which people are asked.
MODEST_AUC, MODEST_PREDICTORS = 0.70, 10


def sample_size_advice(auc: float, n: int, n_positive: int) -> dict[str, Any]:
    """Riley's numbers for this prevalence, at an AUC of 0.70 and at the one that was found.

    Parameters
    ----------
    auc
        The AUC that was found.
    n, n_positive
        People with a label, and with the positive one.

    Returns
    -------
    dict
        ``prevalence``, and in ``rows`` for each AUC ``auc``, ``predictors_carried`` by the people
        there are, and ``people_needed`` for 6, 10 and 20 predictors.
    """
    prevalence = n_positive / n
    aucs = [MODEST_AUC]
    if math.isfinite(auc) and 0.55 < auc < 0.95:
        aucs.append(round(auc, 2))
    return {
        "prevalence": prevalence,
        "rows": [
            {
                "auc": value,
                "predictors_carried": predictors_carried(value, prevalence, n),
                "people_needed": {
                    str(p): people_needed(value, prevalence, p)["needed"]
                    for p in (6, MODEST_PREDICTORS, 20)
                },
            }
            for value in aucs
        ],
    }


def cox_snell_r2(auc: float, prevalence: float) -> float:
    """Expected Cox-Snell R2 of a model with this AUC.

    The linear predictor is taken as normal in both classes with one variance, so that its distance
    is ``sqrt(2) * probit(AUC)``; the expected likelihoods are integrals over it.
    """
    apart = math.sqrt(2) * float(norm.ppf(auc))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    base = math.log(prevalence / (1 - prevalence))

    def logit(x: np.ndarray) -> np.ndarray:
        return base + apart * x - apart**2 / 2

    model = prevalence * (weights @ -np.logaddexp(0, -logit(nodes + apart)))
    model += (1 - prevalence) * (weights @ -np.logaddexp(0, logit(nodes)))
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return float(1 - math.exp(-2 * (model - null)))


def people_needed(auc: float, prevalence: float, predictors: int) -> dict[str, int]:
    """Smallest numbers of people by three of Riley's criteria.

    Parameters
    ----------
    auc
        The AUC that is expected.
    prevalence
        Share of positive people.
    predictors
        Candidate predictor parameters.

    Returns
    -------
    dict
        ``shrinkage`` (of 0.9), ``optimism`` (Nagelkerke's R2 within 0.05), ``prevalence`` (known to
        0.05) and ``needed``, the largest of them.
    """
    r2 = cox_snell_r2(auc, prevalence)
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    largest = 1 - math.exp(2 * null)

    def for_shrinkage(shrinkage: float) -> int:
        return math.ceil(predictors / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))

    needed = {
        "shrinkage": for_shrinkage(SHRINKAGE),
        "optimism": for_shrinkage(r2 / (r2 + OPTIMISM * largest)),
        "prevalence": math.ceil((Z_95 / PREVALENCE_MARGIN) ** 2 * prevalence * (1 - prevalence)),
    }
    return needed | {"needed": max(needed.values())}


def predictors_carried(auc: float, prevalence: float, people: int) -> int:
    """Candidate predictors that this many people carry at a shrinkage of 0.9."""
    r2 = cox_snell_r2(auc, prevalence)
    return max(0, math.floor(people * (SHRINKAGE - 1) * math.log(1 - r2 / SHRINKAGE)))
