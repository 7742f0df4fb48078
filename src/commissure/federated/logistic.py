"""A logistic model of people at several sites, and its AUC within site.

Equal to the same computation on pooled people: the model to the tolerance of the iteration, an AUC
within site to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from commissure.errors import DatasetError
from commissure.federated.coordinator import Moments, moments
from commissure.federated.federation import Federation, added

#: Relative change of the log likelihood at which the model is found, and steps until then.
CONVERGED, MOST_STEPS = 1e-12, 50


@dataclass(frozen=True)
class Logistic:
    """A logistic model of standardised markers: intercept first, and the sites that it is of."""

    coefficients: np.ndarray
    scale: Moments
    sites: tuple[str, ...]


def logistic(
    federation: Federation, scale: Moments, *, ridge: float = 1.0, of: Sequence[str] | None = None
) -> Logistic:
    """Logistic regression by Newton's method: a round for each step.

    Parameters
    ----------
    federation
        The sites.
    scale
        What markers are standardised by.
    ridge
        Penalty: half of it times the squared coefficients, the intercept left free.
    of
        Sites that take part; all by default.

    Raises
    ------
    DatasetError
        It does not converge, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    names = tuple(federation.sites if of is None else of)
    width = len(scale.mean) + 1
    penalty = np.full(width, ridge)
    penalty[0] = 0.0
    beta, step = np.zeros(width), np.zeros(width)
    best = float("-inf")
    for _ in range(MOST_STEPS):
        answers = federation.ask(
            "gradient", of=names, coefficients=beta + step, centre=scale.mean, scale=scale.sd
        )
        tried = beta + step
        value = float(added(answers, "value") - 0.5 * penalty @ tried**2)
        if value < best - CONVERGED * abs(best):
            step = step / 2
            continue
        near = np.isfinite(best) and value - best <= CONVERGED * abs(value)
        beta, best = tried, value
        gradient = added(answers, "gradient") - penalty * beta
        hessian = added(answers, "hessian") + np.diag(penalty)
        if near:
            return Logistic(beta, scale, names)
        step = linalg.solve(hessian + 1e-12 * np.eye(width), gradient, assume_a="pos")
    raise DatasetError(
        "the logistic model", found=f"it did not converge in {MOST_STEPS} rounds",
        wanted="a model", mend="Take a larger --ridge",
    )  # fmt: skip


@dataclass(frozen=True)
class WithinSite:
    """AUC of pairs of one site, added over the sites; p of shuffled labels; NaN without pairs."""

    auc: float
    pairs: int
    p: float


def auc_within_site(
    federation: Federation,
    models: Sequence[tuple[str, Logistic]],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> WithinSite:
    """AUC within site of models, each applied to one site.

    Parameters
    ----------
    federation
        The sites.
    models
        A site, and the model that is applied there.
    permutations
        How often each site shuffles its labels.
    seed
        Of the shuffles.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    answers = [
        federation.ask(
            "wins", of=[name], coefficients=model.coefficients, centre=model.scale.mean,
            scale=model.scale.sd, permutations=permutations, seed=seed,
        )[0]
        for name, model in models
    ]  # fmt: skip
    compared = float(added(answers, "compared"))
    if not compared:
        return WithinSite(float("nan"), 0, float("nan"))
    won = added(answers, "won")
    beyond = int((won[1:] >= won[0]).sum())
    return WithinSite(float(won[0] / compared), int(compared), (beyond + 1) / (permutations + 1))


def left_out(federation: Federation, *, ridge: float = 1.0) -> list[tuple[str, Logistic]]:
    """For each site a model of all others, with their means and spreads alone.

    Raises
    ------
    DatasetError
        With the site left out fewer than two others remain, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    models = []
    for name in list(federation.sites):
        others = [other for other in federation.sites if other != name]
        scale = moments(federation, of=others)
        models.append((name, logistic(federation, scale, ridge=ridge, of=others)))
    return models
