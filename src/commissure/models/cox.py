"""Ridge Cox regression in the space of the singular axes, for many labellings at once.

An outcome is the time where the event happened, and minus the time where observation ended before
it. Ties are Breslow's. The objective is minus the partial log likelihood plus ``penalty / 2`` times
the squared norm of the weights; without a penalty it is that of statsmodels' ``PHReg``.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from commissure.models.logistic import Axes, Solver

#: Steps of L-BFGS, and the gradient (in units of the preconditioned axes) at which it stops.
MAX_STEPS, GRADIENT = 500, 1e-7


def null_residuals(outcomes: np.ndarray) -> np.ndarray:
    """Martingale residuals without a predictor: event minus Nelson-Aalen's cumulative hazard.

    They are the gradient of the partial likelihood at weights of zero (Therneau, Grambsch and
    Fleming 1990, Biometrika 77:147).

    Parameters
    ----------
    outcomes
        Signed times, shape (people, labellings).
    """
    people = len(outcomes)
    if not people:
        return np.zeros(outcomes.shape)
    event, time = (outcomes > 0).astype(float), np.abs(outcomes)
    first, last = (rankdata(time, method=side, axis=0).astype(int) for side in ("min", "max"))
    hazard = event / (people - first + 1)
    order = np.argsort(time, axis=0, kind="stable")
    total = np.cumsum(np.take_along_axis(hazard, order, axis=0), axis=0)
    return event - np.take_along_axis(total, last - 1, axis=0)


def cox_path(
    axes: Axes, outcomes: np.ndarray, penalties: np.ndarray, solver: Solver = "newton"
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every penalty to every labelling.

    Parameters
    ----------
    axes
        The training people.
    outcomes
        Signed times, shape (people, labellings).
    penalties
        Shape (penalties,).
    solver
        ``newton`` to the optimum; ``one_step`` makes one step from weights of zero, ridge
        regression of the null residuals.

    Returns
    -------
    intercept, weights : numpy.ndarray
        Zeros of shape (penalties, labellings), and shape (penalties, labellings, axes).
    """
    strengths = np.asarray(penalties, float)
    square = (axes.scores**2).sum(axis=0)
    events = (outcomes > 0).sum(axis=0)
    # Each event takes the covariance of those at risk: here that of everybody.
    curvature = events[:, None] / max(1, len(outcomes)) * square
    gradient = null_residuals(outcomes).T @ axes.scores
    step = gradient / (curvature + strengths[:, None, None])
    intercept = np.zeros(step.shape[:2])
    if solver == "one_step":
        return intercept, step
    weights = np.empty_like(step)
    for labelling in range(outcomes.shape[1]):
        start = None
        for index in np.argsort(-strengths):
            start = step[index, labelling] if start is None else start
            scale = np.sqrt(curvature[labelling] + strengths[index])
            start = ridge_cox(
                axes.scores, outcomes[:, labelling], strengths[index], start=start, scale=scale
            )
            weights[index, labelling] = start
    return intercept, weights


def ridge_cox(
    X: np.ndarray,
    outcome: np.ndarray,
    penalty: float,
    *,
    start: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    nonnegative: bool = False,
) -> np.ndarray:
    """Weights of one ridge Cox regression, shape (columns,).

    Parameters
    ----------
    X, outcome
        Shape (people, columns), and signed times, shape (people,).
    penalty
        Not negative.
    start, scale
        Weights to start from, and the root of the curvature along each column, for conditioning.
    nonnegative
        Keep the weights from falling below 0.
    """
    columns = X.shape[1]
    if not columns or not (outcome > 0).any():
        return np.zeros(columns)
    order = np.argsort(np.abs(outcome), kind="stable")
    X, time, event = X[order], np.abs(outcome[order]), (outcome[order] > 0).astype(float)
    first = np.searchsorted(time, time, side="left")
    last = np.searchsorted(time, time, side="right") - 1
    scale = np.ones(columns) if scale is None else scale
    start = np.zeros(columns) if start is None else start

    def loss(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        weights = scaled / scale
        risk = X @ weights
        top = risk.max()
        hazard = np.exp(risk - top)
        at_risk = np.cumsum(hazard[::-1])[::-1][first]
        value = float((event * (np.log(at_risk) + top - risk)).sum())
        cumulative = np.cumsum(event / at_risk)[last]
        gradient = X.T @ (hazard * cumulative - event) + penalty * weights
        return value + 0.5 * penalty * float(weights @ weights), gradient / scale

    bounds = [(0.0, None)] * columns if nonnegative else None
    fitted = minimize(
        loss, start * scale, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": MAX_STEPS, "ftol": 1e-15, "gtol": GRADIENT},
    )  # fmt: skip
    return np.asarray(fitted.x / scale)


def partial_loss(outcomes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Minus the partial log likelihood of risks, among the people that are given.

    Parameters
    ----------
    outcomes
        Signed times, shape (people, labellings).
    scores
        Log hazards, shape (penalties, people, labellings).

    Returns
    -------
    numpy.ndarray
        Shape (penalties, labellings).
    """
    if not outcomes.size:
        return np.zeros((scores.shape[0], outcomes.shape[1]))
    time, event = np.abs(outcomes), outcomes > 0
    order = np.argsort(time, axis=0, kind="stable")
    ranked = np.take_along_axis(scores, order[None], axis=1)
    top = ranked.max(axis=1, keepdims=True)
    total = np.cumsum(np.exp(ranked - top)[:, ::-1], axis=1)[:, ::-1]
    first = rankdata(time, method="min", axis=0).astype(int) - 1
    at_risk = np.take_along_axis(total, first[None], axis=1)
    return np.where(event, np.log(at_risk) + top - scores, 0.0).sum(axis=1)
