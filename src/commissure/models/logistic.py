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

#: Newton by conjugate gradients stops when the loss can fall by about half of this.
DECREMENT = 1e-18
MAX_STEPS = 60
#: Numbers whose losses are summed at once, which a processor's cache holds.
TOGETHER = 32_768


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Probability of a logit, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logit))


def base_logit(labels: np.ndarray) -> np.ndarray:
    """Logit of the share of ones in each column, half a person added to either side."""
    ones = labels.sum(axis=0)
    return np.log((ones + 0.5) / (len(labels) - ones + 0.5))


def log_loss(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Sum of the log losses of each column.

    ``log(1 + exp(s)) - y s``, with one logarithm for a block of people: the product of their
    ``1 + exp(-|s|)``, each between 1 and 2, cannot overflow.

    Parameters
    ----------
    labels, logits
        Shape (people, columns).

    Returns
    -------
    numpy.ndarray
        Shape (columns,).
    """
    people, columns = logits.shape
    total = np.zeros(columns)
    step = max(1, min(512, TOGETHER // max(1, columns)))
    for start in range(0, people, step):
        logit = logits[start : start + step]
        size = np.abs(logit)
        total += 0.5 * size.sum(axis=0)
        total += ((0.5 - labels[start : start + step]) * logit).sum(axis=0)
        np.exp(np.negative(size, out=size), out=size)
        size += 1.0
        total += np.log(np.multiply.reduce(size, axis=0))
    return total


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
