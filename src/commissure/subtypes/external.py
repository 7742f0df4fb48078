"""Whether clusters differ in what they have not seen: response, cognition, time to an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import f as f_distribution
from statsmodels.duration.survfunc import survdiff

#: People of a cluster with a value, without whom it is not compared.
MIN_PER_CLUSTER = 5


@dataclass(frozen=True)
class ExternalVariable:
    """Something known of the people that no cluster has seen.

    Attributes
    ----------
    name
        What it is called.
    values
        Shape (people,); NaN where it is not known. Of two categories 0 and 1.
    events
        Of a time to an event, whether it happened: shape (people,); else None.
    """

    name: str
    values: np.ndarray
    events: np.ndarray | None = None


def external_tests(
    labels: np.ndarray,
    variables: list[ExternalVariable],
    covariates: np.ndarray,
    sites: np.ndarray,
) -> list[dict[str, Any]]:
    """Differences of clusters, each p corrected for the number of variables (Holm).

    Parameters
    ----------
    labels
        Clusters, shape (people,).
    variables
        What is compared.
    covariates
        What is taken out (severity, age, site, motion), shape (people, covariates), without gaps;
        times are compared within site instead.
    sites
        Site of each person.
    """
    rows = [
        _time(labels, variable, sites)
        if variable.events is not None
        else _number(labels, variable, covariates)
        for variable in variables
    ]
    known = sorted((row["p"], place) for place, row in enumerate(rows) if row["p"] is not None)
    corrected = 0.0
    for rank, (p, place) in enumerate(known):
        corrected = min(1.0, max(corrected, (len(known) - rank) * p))
        rows[place]["p_corrected"] = corrected
    return rows


def _number(
    labels: np.ndarray, variable: ExternalVariable, covariates: np.ndarray
) -> dict[str, Any]:
    """Analysis of covariance: partial eta squared and F test of the clusters."""
    known = np.isfinite(variable.values)
    record: dict[str, Any] = {
        "variable": variable.name, "measure": "partial eta squared", "n": int(known.sum()),
        "value": None, "p": None, "p_corrected": None, "means": {},
    }  # fmt: skip
    labels, values, covariates = labels[known], variable.values[known], covariates[known]
    numbers, counts = np.unique(labels, return_counts=True)
    if len(numbers) < 2 or counts.min() < MIN_PER_CLUSTER or np.ptp(values) == 0:
        return record
    plain = np.column_stack([np.ones(len(values)), covariates])
    member = (labels[:, None] == numbers[1:]).astype(float)
    without, rank = _residual(plain, values)
    with_clusters, full = _residual(np.column_stack([plain, member]), values)
    freedom = len(values) - full
    if full <= rank or freedom < 1 or with_clusters <= 0:
        return record
    statistic = (without - with_clusters) / (full - rank) / (with_clusters / freedom)
    slopes = np.linalg.lstsq(plain, values, rcond=None)[0]
    freed = values - (plain[:, 1:] - plain[:, 1:].mean(axis=0)) @ slopes[1:]
    return {
        **record,
        "value": float((without - with_clusters) / without),
        "p": float(f_distribution.sf(statistic, full - rank, freedom)),
        "means": {int(n) + 1: float(freed[labels == n].mean()) for n in numbers},
    }


def _residual(design: np.ndarray, values: np.ndarray) -> tuple[float, int]:
    """Residual sum of squares, and rank of the design."""
    slopes, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    return float(((values - design @ slopes) ** 2).sum()), int(rank)


def _time(labels: np.ndarray, variable: ExternalVariable, sites: np.ndarray) -> dict[str, Any]:
    """Log-rank test of the clusters, within site."""
    assert variable.events is not None
    known = np.isfinite(variable.values)
    events = variable.events[known].astype(int)
    record: dict[str, Any] = {
        "variable": variable.name, "measure": "log-rank chi squared", "n": int(known.sum()),
        "value": None, "p": None, "p_corrected": None, "means": {},
    }  # fmt: skip
    labels, times, sites = labels[known], variable.values[known], sites[known]
    numbers, counts = np.unique(labels, return_counts=True)
    if len(numbers) < 2 or counts.min() < MIN_PER_CLUSTER or events.sum() < MIN_PER_CLUSTER:
        return record
    # A site with one cluster compares nobody.
    several = [len(np.unique(labels[sites == site])) > 1 for site in sites]
    use = np.array(several)
    if not use.any():
        return record
    strata = sites[use] if len(np.unique(sites[use])) > 1 else None
    statistic, p = survdiff(times[use], events[use], labels[use], strata=strata)
    share = {int(n) + 1: float(events[labels == n].mean()) for n in numbers}
    return {**record, "value": float(statistic), "p": float(p), "means": share}
