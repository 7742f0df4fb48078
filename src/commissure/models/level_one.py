"""Ridge logistic regression on few columns, for many problems at once: calibration and stacking.

Every problem has evidence and labels of its own, so nothing is shared but the number of people.
Problems go through Newton's method side by side, as many as a processor's cache holds. The
objective is that of :mod:`commissure.models.logistic`.
"""

from __future__ import annotations

import numpy as np

from commissure.models.logistic import MAX_STEPS, base_logit, sigmoid

#: Newton stops when no coordinate moves by more than this.
TOLERANCE = 1e-8
#: Numbers of the columns that are worked on at once (1 MB).
TOGETHER = 131_072


def intercept_at(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Intercept that brings the mean probability of each column to its share of ones.

    Parameters
    ----------
    labels, logits
        Shape (people, labellings); the logits enter with the slope 1.

    Returns
    -------
    numpy.ndarray
        Shape (labellings,).
    """
    intercept = np.zeros(labels.shape[1])
    for _ in range(MAX_STEPS):
        p = sigmoid(logits + intercept)
        step = (labels - p).sum(axis=0) / np.maximum((p * (1 - p)).sum(axis=0), 1e-12)
        intercept += np.clip(step, -2, 2)
        if (np.abs(step) < 1e-10).all():
            break
    return intercept


def ridge_logistic(
    X: np.ndarray, labels: np.ndarray, penalty: np.ndarray, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one ridge logistic model per problem.

    Parameters
    ----------
    X
        Shape (people, columns), shared by all problems, or (problems, people, columns).
    labels
        Zeros and ones, shape (people, problems).
    penalty
        Shape (problems,), positive.
    allowed
        Shape (problems, columns); weights that are not allowed stay zero.

    Returns
    -------
    intercept, weights : numpy.ndarray
        Shapes (problems,) and (problems, columns). A problem with one class gets its smoothed
        base rate and zero weights.
    """
    people, problems = labels.shape
    columns = X.shape[-1]
    beta = np.zeros((problems, columns + 1))
    beta[:, 0] = base_logit(labels)
    ones = labels.sum(axis=0)
    todo = np.flatnonzero((ones > 0) & (ones < people))
    if not columns:
        beta[todo, 0] = np.log(ones[todo] / (people - ones[todo]))
        return beta[:, 0], beta[:, 1:]
    chunk = max(1, TOGETHER // (people * (columns + 1)))
    for start in range(0, len(todo), chunk):
        part = todo[start : start + chunk]
        of_part = X[None] if X.ndim == 2 else X[part]
        mask = None if allowed is None else allowed[part] > 0
        beta[part] = _newton(
            np.ascontiguousarray(np.moveaxis(of_part, 2, 0)),
            np.ascontiguousarray(labels[:, part].T),
            penalty[part],
            beta[part],
            mask,
        )
    return beta[:, 0], beta[:, 1:]


def _newton(
    columns: np.ndarray,
    labels: np.ndarray,
    penalty: np.ndarray,
    beta: np.ndarray,
    allowed: np.ndarray | None,
) -> np.ndarray:
    """Newton iterations with step halving; beta in and out.

    Parameters
    ----------
    columns
        Shape (columns, problems or 1, people).
    labels
        Shape (problems, people).
    penalty, beta
        Shapes (problems,) and (problems, 1 + columns).
    allowed
        Shape (problems, columns), or None.
    """
    problems, size = beta.shape
    ridge = np.repeat(penalty[:, None], size, axis=1)
    ridge[:, 0] = 0.0
    free = np.ones((problems, size), dtype=bool)
    if allowed is not None:
        free[:, 1:] = allowed
    result = beta.copy()
    active = np.arange(problems)
    p, gradient = _ends(columns, labels, ridge, free, beta)
    for _ in range(MAX_STEPS):
        hessian = _hessian(columns, p * (1 - p), ridge, free)
        step = -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        slope = (gradient * step).sum(axis=1)
        for _ in range(30):
            p, gradient = _ends(columns, labels, ridge, free, beta + step)
            # The loss is convex: a slope that rises steeply at the end has gone over the bottom.
            over = (gradient * step).sum(axis=1) > 0.5 * np.abs(slope)
            if not over.any():
                break
            step[over] *= 0.5
            slope[over] *= 0.5
        beta = beta + step
        result[active] = beta
        going = np.abs(step).max(axis=1) > TOLERANCE * (1 + np.abs(beta).max(axis=1))
        if not going.any():
            break
        if not going.all():
            active, labels, ridge, free = active[going], labels[going], ridge[going], free[going]
            beta, p, gradient = beta[going], p[going], gradient[going]
            columns = columns[:, going] if columns.shape[1] > 1 else columns
    return result


def _ends(
    columns: np.ndarray, labels: np.ndarray, ridge: np.ndarray, free: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (problems, people) and gradient (problems, 1 + columns) at some weights."""
    logit = beta[:, 1, None] * columns[0] + beta[:, :1]
    for at in range(1, len(columns)):
        logit += beta[:, at + 1, None] * columns[at]
    p = sigmoid(logit)
    residual = p - labels
    gradient = ridge * beta
    gradient[:, 0] += residual.sum(axis=1)
    for at, column in enumerate(columns, 1):
        gradient[:, at] += np.vecdot(residual, column)
    return p, np.where(free, gradient, 0.0)


def _hessian(
    columns: np.ndarray, weight: np.ndarray, ridge: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Hessian of the loss, shape (problems, 1 + columns, 1 + columns)."""
    problems, size = ridge.shape
    hessian = np.zeros((problems, size, size))
    hessian[:, 0, 0] = weight.sum(axis=1)
    for at, column in enumerate(columns, 1):
        weighted = weight * column
        hessian[:, at, 0] = hessian[:, 0, at] = weighted.sum(axis=1)
        for other in range(at, size):
            product = np.vecdot(weighted, columns[other - 1])
            hessian[:, at, other] = hessian[:, other, at] = product
    hessian *= free[:, :, None] & free[:, None, :]
    diagonal = np.arange(size)
    hessian[:, diagonal, diagonal] += ridge + 1e-12
    return hessian


def nonnegative_logistic(
    X: np.ndarray, labels: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge logistic regression whose weights are not below zero (Breiman 1996, stacking).

    Evidence that speaks against its own modality is noise at these sample sizes; a negative
    weight would turn it round. Columns with negative weights are dropped and the rest refitted
    until none is left.

    Parameters
    ----------
    X
        Shape (problems, people, columns).
    labels
        Shape (people, problems).
    penalty
        The same for all problems.

    Returns
    -------
    intercept, weights : numpy.ndarray
        Shapes (problems,) and (problems, columns).
    """
    problems, _, columns = X.shape
    allowed = np.ones((problems, columns))
    strength = np.full(problems, float(penalty))
    if columns == 1:
        # The loss is convex: the weight has the sign that its slope has without a weight.
        allowed[:, 0] = np.vecdot(X[:, :, 0], (labels - labels.mean(axis=0)).T) >= 0
        intercept, weights = np.zeros(problems), np.zeros((problems, 1))
        for some, values in ((allowed[:, 0] > 0, X), (allowed[:, 0] == 0, X[:, :, :0])):
            intercept[some], weights[some, : values.shape[2]] = ridge_logistic(
                values[some], labels[:, some], strength[some]
            )
        return intercept, np.maximum(weights, 0.0)
    intercept, weights = ridge_logistic(X, labels, strength, allowed)
    for _ in range(columns):
        again = np.flatnonzero((weights < 0).any(axis=1))
        if not len(again):
            break
        allowed[again] *= weights[again] >= 0
        intercept[again], weights[again] = ridge_logistic(
            X[again], labels[:, again], strength[again], allowed[again]
        )
    return intercept, np.maximum(weights, 0.0)
