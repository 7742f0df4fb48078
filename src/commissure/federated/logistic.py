"""A logistic model of people at several sites, and its AUC within site.

Equal to the same computation on pooled people: the model to the tolerance of the iteration, an AUC
within site to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from commissure.errors import DatasetError
from commissure.federated.allowed import Message
from commissure.federated.coordinator import Moments, moments
from commissure.federated.federation import Federation, added, names_of

#: Relative change of the log likelihood at which the model is found, and steps until then.
CONVERGED, MOST_STEPS = 1e-12, 50
#: Folds of people, where a site can have them.
MOST_FOLDS = 5


@dataclass(frozen=True)
class Logistic:
    """A logistic model of standardised markers: intercept first, and the sites that it is of."""

    coefficients: np.ndarray
    scale: Moments
    sites: tuple[str, ...]


def logistic(
    federation: Federation, scale: Moments, *, ridge: float = 1.0, of: Sequence[str] | None = None,
    without: Mapping[str, int] | None = None,
) -> Logistic:  # fmt: skip
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
    without
        As :func:`~commissure.federated.coordinator.moments` takes it.

    Raises
    ------
    DatasetError
        It does not converge, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    names = tuple(federation.sites if of is None else of)
    folds: Mapping[str, Any] = without or {}
    width = len(scale.mean) + 1
    penalty = np.full(width, ridge)
    penalty[0] = 0.0
    beta, step = np.zeros(width), np.zeros(width)
    best = float("-inf")
    for _ in range(MOST_STEPS):
        answers = federation.ask(
            "gradient", of=names, coefficients=beta + step, centre=scale.mean, scale=scale.sd,
            **folds,
        )  # fmt: skip
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
    return _within(answers, permutations)


def auc_of_folds(
    federation: Federation,
    models: Sequence[Logistic],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> WithinSite:
    """AUC within site of people whom a model has not seen, each fold by its own model.

    All sites answer one request, so that their sum is all that has to be known.

    Parameters
    ----------
    federation
        The sites.
    models
        As :func:`folds_left_out` gives them.
    permutations
        How often each site shuffles the labels of each fold.
    seed
        Of the shuffles.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    answers = federation.ask(
        "wins", coefficients=np.array([model.coefficients for model in models]),
        centre=np.array([model.scale.mean for model in models]),
        scale=np.array([model.scale.sd for model in models]),
        permutations=permutations, seed=seed,
    )  # fmt: skip
    return _within(answers, permutations)


def _within(answers: Sequence[Message], permutations: int) -> WithinSite:
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


def folds_left_out(federation: Federation, *, ridge: float = 1.0) -> list[Logistic]:
    """For each fold of people, drawn at each site, a model of all others at all sites.

    Raises
    ------
    DatasetError
        The people of a site are too few for two folds, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    folds = next((n for n in range(MOST_FOLDS, 1, -1) if _room_for(federation, n)), 0)
    if not folds:
        raise DatasetError(
            "the sites", found="one has too few people to leave some out",
            wanted="people for two folds at every site", mend="Leave that site out",
        )  # fmt: skip
    models = []
    for number in range(folds):
        without = {"without": number, "folds": folds}
        scale = moments(federation, without=without)
        models.append(logistic(federation, scale, ridge=ridge, without=without))
    return models


def _room_for(federation: Federation, folds: int) -> bool:
    """Whether every site has the people for so many folds."""
    return all(
        len(names_of(
            federation.ask(
                "count", of_kind="sums", few_are_left_out=True, folds=folds, without=number
            )
        )) == len(federation.sites)
        for number in range(folds)
    )  # fmt: skip
