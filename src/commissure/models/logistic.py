"""Ridge logistic regression for many labellings and penalties at once.

Folds, imputation, scaling and singular vectors do not depend on the labels. A permutation test
asks for hundreds of labellings of the same people, so all of them go through one batched Newton
iteration in the space of the singular vectors; the observed labels are one column among them.
The objective is that of scikit-learn with ``C = 1 / penalty``: the sum of the log losses plus
``penalty / 2`` times the squared norm of the weights, the intercept free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg.blas import dsyrk

Solver = Literal["newton", "one_step"]

#: Newton stops when no coordinate moves by more than this.
TOLERANCE = 1e-8
#: Newton by conjugate gradients stops when the loss can fall by about half of this.
DECREMENT = 1e-18
MAX_STEPS = 60
#: Numbers in the stack of Hessians that is held at once (64 MB).
STACK = 8_000_000


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Probability of a logit, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logit))


def base_logit(labels: np.ndarray) -> np.ndarray:
    """Logit of the share of ones in each column, half a person added to either side."""
    ones = labels.sum(axis=0)
    return np.log((ones + 0.5) / (len(labels) - ones + 0.5))


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
    chunk = max(1, STACK // max((columns + 1) ** 2, people * (columns + 1)))
    for start in range(0, len(todo), chunk):
        part = todo[start : start + chunk]
        shared = X if X.ndim == 2 else X[part]
        mask = None if allowed is None else allowed[part]
        beta[part] = _newton(shared, labels[:, part].T, penalty[part], beta[part], mask)
    return beta[:, 0], beta[:, 1:]


def _newton(
    X: np.ndarray,
    labels: np.ndarray,
    penalty: np.ndarray,
    beta: np.ndarray,
    allowed: np.ndarray | None,
) -> np.ndarray:
    """Newton iterations with step halving; labels (problems, people), beta in and out."""
    problems, size = beta.shape
    lead = np.ones((*X.shape[:-1], 1))
    full = np.concatenate([lead, X], axis=-1)
    if allowed is not None:
        shown = np.concatenate([np.ones((problems, 1)), allowed], axis=1)
        full = full * shown[:, None, :]
    ridge = np.repeat(penalty[:, None], size, axis=1)
    ridge[:, 0] = 0.0
    beta = beta.copy()
    diagonal = np.arange(size)

    def logits(coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if full.ndim == 2:
            return coefficients @ full.T
        return np.matmul(full[rows], coefficients[:, :, None])[:, :, 0]

    def loss(logit: np.ndarray, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
        fit = np.logaddexp(0.0, logit) - labels[rows] * logit
        return fit.sum(axis=1) + 0.5 * (ridge[rows] * coefficients**2).sum(axis=1)

    active = np.arange(problems)
    logit = logits(beta, active)
    value = loss(logit, beta, active)
    for _ in range(MAX_STEPS):
        predictors = full if full.ndim == 2 else full[active]
        p = sigmoid(logit)
        gradient, hessian = _derivatives(predictors, p - labels[active], p * (1 - p))
        gradient += ridge[active] * beta[active]
        hessian[:, diagonal, diagonal] += ridge[active] + 1e-12
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        now = beta[active]
        scale = np.ones((len(active), 1))
        for _ in range(30):
            trial = now - scale * step
            new_logit = logits(trial, active)
            new_value = loss(new_logit, trial, active)
            worse = new_value > value + 1e-10 * (1 + np.abs(value))
            if not worse.any():
                break
            scale[worse] *= 0.5
        beta[active] = trial
        going = np.abs(scale * step).max(axis=1) > TOLERANCE * (1 + np.abs(trial).max(axis=1))
        if not going.any():
            break
        active, logit, value = active[going], new_logit[going], new_value[going]
    return beta


def _derivatives(
    X: np.ndarray, residual: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of the log loss of each problem, without the penalty."""
    if X.ndim == 2:
        return residual @ X, np.matmul(X.T * weight[:, None, :], X)
    gradient = np.matmul(residual[:, None, :], X)[:, 0]
    return gradient, np.matmul(np.swapaxes(X, 1, 2) * weight[:, None, :], X)


@dataclass(frozen=True)
class Axes:
    """Training people in the space of their singular vectors.

    Attributes
    ----------
    scores
        Training people, shape (people, axes).
    basis
        From columns to axes, shape (columns, axes); with ``training`` from training people to axes,
        shape (people, axes).
    training
        The training people where they are fewer than the columns, else None: what leads to the
        axes is then never written out for every column.
    """

    scores: np.ndarray
    basis: np.ndarray
    training: np.ndarray | None = None

    def project(self, new: np.ndarray) -> np.ndarray:
        """Scores of people on the axes, from their columns."""
        return new @ self.basis if self.training is None else (new @ self.training.T) @ self.basis

    def column_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the columns, shape (columns, models), from those of the axes."""
        of_training = self.basis @ weights.T
        return of_training if self.training is None else self.training.T @ of_training


def axes_of(X: np.ndarray) -> Axes:
    """Singular axes of centred columns; through the smaller of the two Gram matrices."""
    people, columns = X.shape
    if not people or not columns:
        return Axes(np.zeros((people, 0)), np.zeros((columns, 0)))
    wide = columns > people
    # The lower triangle is all that eigh reads; BLAS sees the rows of numpy as columns.
    gram = dsyrk(1.0, X.T, trans=int(wide), lower=1)
    value, vector = np.linalg.eigh(gram, UPLO="L")
    kept = value > 1e-10 * max(value[-1], 1e-300)
    value, vector = value[kept], vector[:, kept]
    if wide:
        return Axes(vector * np.sqrt(value), vector / np.sqrt(value), X)
    return Axes(X @ vector, vector)


def logistic_path(
    axes: Axes, labels: np.ndarray, penalties: np.ndarray, solver: Solver = "newton"
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every penalty to every labelling.

    Parameters
    ----------
    axes
        The training people.
    labels
        Shape (people, labellings).
    penalties
        Shape (penalties,).
    solver
        ``newton`` to the optimum; ``one_step`` makes the first Newton step from the base rate,
        which is ridge regression and costs two products of matrices for all labellings together.

    Returns
    -------
    intercept, weights : numpy.ndarray
        Shapes (penalties, labellings) and (penalties, labellings, axes).
    """
    if solver == "one_step":
        return _one_step(axes, labels, penalties)
    strengths = np.asarray(penalties, float)
    size = (len(strengths), labels.shape[1])
    intercept, weights = np.empty(size), np.empty((*size, axes.scores.shape[1]))
    start = None
    # From the strongest penalty down: each solution is a good start for the next.
    for index in np.argsort(-strengths):
        start = logistic_at(axes, labels, np.full(size[1], strengths[index]), start)
        intercept[index], weights[index] = start
    return intercept, weights


def logistic_at(
    axes: Axes,
    labels: np.ndarray,
    penalty: np.ndarray,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit every labelling at a penalty of its own, all of them in the same products.

    Newton's method; its linear systems are solved by conjugate gradients, preconditioned by the
    diagonal that the Hessian has on these axes if everybody weighs the same. Nothing is factorised.

    Parameters
    ----------
    axes, labels
        The training people, and shape (people, labellings).
    penalty
        Shape (labellings,), positive.
    start
        Intercepts and weights to start from, as they are returned.

    Returns
    -------
    intercept, weights : numpy.ndarray
        Shapes (labellings,) and (labellings, axes). A labelling with one class gets its smoothed
        base rate and zero weights.
    """
    people, labellings = labels.shape
    full = np.column_stack([np.ones(people), axes.scores])
    square = (full**2).sum(axis=0)[:, None]
    beta = np.zeros((full.shape[1], labellings))
    if start is None:
        beta[0] = base_logit(labels)
    else:
        beta[0], beta[1:] = start[0], start[1].T
    ones = labels.sum(axis=0)
    active = np.flatnonzero((ones > 0) & (ones < people))
    y, ridge, coefficients = labels[:, active], _ridges(penalty[active], len(beta)), beta[:, active]
    p = sigmoid(full @ coefficients)
    gradient = full.T @ (p - y) + ridge * coefficients
    for _ in range(MAX_STEPS):
        weight = p * (1 - p)
        metric = square * weight.mean(axis=0) + ridge
        going = (gradient**2 / metric).sum(axis=0) > DECREMENT
        if not going.all():
            beta[:, active] = coefficients
            if not going.any():
                break
            active, y, ridge, coefficients = (
                active[going],
                y[:, going],
                ridge[:, going],
                coefficients[:, going],
            )
            weight, metric, gradient = weight[:, going], metric[:, going], gradient[:, going]
        step = _newton_step(full, weight, ridge, metric, gradient)
        step, p, gradient = _shortened(full, y, ridge, coefficients, step, gradient)
        coefficients = coefficients + step
    beta[:, active] = coefficients
    return beta[0], beta[1:].T


def _ridges(penalty: np.ndarray, size: int) -> np.ndarray:
    ridge = np.repeat(penalty[None, :], size, axis=0)
    ridge[0] = 1e-12
    return ridge


def _shortened(
    full: np.ndarray,
    y: np.ndarray,
    ridge: np.ndarray,
    coefficients: np.ndarray,
    step: np.ndarray,
    gradient: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The step, halved where it leads over the bottom; probabilities and gradient at its end."""
    slope = (gradient * step).sum(axis=0)
    for _ in range(30):
        p = sigmoid(full @ (coefficients + step))
        gradient = full.T @ (p - y) + ridge * (coefficients + step)
        # The loss is convex: a slope that rises steeply at the end has gone over the bottom.
        over = (gradient * step).sum(axis=0) > 0.5 * np.abs(slope)
        if not over.any():
            break
        step[:, over] *= 0.5
        slope[over] *= 0.5
    return step, p, gradient


def _newton_step(
    full: np.ndarray,
    weight: np.ndarray,
    ridge: np.ndarray,
    metric: np.ndarray,
    gradient: np.ndarray,
) -> np.ndarray:
    """Solve the Newton systems of all columns by preconditioned conjugate gradients."""
    step = np.zeros_like(gradient)
    rest = -gradient
    lead = rest / metric
    size = first = (rest * lead).sum(axis=0)
    # Exact enough for convergence of order 1.5: the closer, the more digits.
    wanted = np.clip(first, 1e-16, 1e-3) * first
    for _ in range(len(gradient)):
        image = full.T @ (weight * (full @ lead)) + ridge * lead
        length = size / np.maximum((lead * image).sum(axis=0), 1e-300)
        step += length * lead
        rest -= length * image
        scaled = rest / metric
        size, before = (rest * scaled).sum(axis=0), size
        if (size <= wanted).all():
            break
        lead = scaled + (size / np.maximum(before, 1e-300)) * lead
    return step


def _one_step(
    axes: Axes, labels: np.ndarray, penalties: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    base = base_logit(labels)
    p = sigmoid(base)
    gradient = (labels - p).T @ axes.scores
    # The axes are orthogonal to each other and to the constant, so the Hessian is diagonal.
    curvature = (p * (1 - p))[:, None] * (axes.scores**2).sum(axis=0)
    weights = gradient / (curvature + np.asarray(penalties, float)[:, None, None])
    return np.repeat(base[None, :], len(penalties), axis=0), weights


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
