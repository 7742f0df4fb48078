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

Solver = Literal["newton", "one_step"]

#: Newton stops when no coordinate moves by more than this.
TOLERANCE = 1e-8
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


def ridge_logistic(
    design: np.ndarray, labels: np.ndarray, penalty: np.ndarray, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one ridge logistic model per problem.

    Parameters
    ----------
    design
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
    columns = design.shape[-1]
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
        shared = design if design.ndim == 2 else design[part]
        mask = None if allowed is None else allowed[part]
        beta[part] = _newton(shared, labels[:, part].T, penalty[part], beta[part], mask)
    return beta[:, 0], beta[:, 1:]


def _newton(
    design: np.ndarray,
    labels: np.ndarray,
    penalty: np.ndarray,
    beta: np.ndarray,
    allowed: np.ndarray | None,
) -> np.ndarray:
    """Newton iterations with step halving; labels (problems, people), beta in and out."""
    problems, size = beta.shape
    lead = np.ones((*design.shape[:-1], 1))
    full = np.concatenate([lead, design], axis=-1)
    if allowed is not None:
        shown = np.concatenate([np.ones((problems, 1)), allowed], axis=1)
        full = full * shown[:, None, :]
    ridge = np.repeat(penalty[:, None], size, axis=1)
    ridge[:, 0] = 0.0
    beta = beta.copy()
    diagonal = np.arange(size)

    def logits(at: np.ndarray, own: np.ndarray) -> np.ndarray:
        if full.ndim == 2:
            return at @ full.T
        return np.matmul(full[own], at[:, :, None])[:, :, 0]

    def loss(logit: np.ndarray, at: np.ndarray, own: np.ndarray) -> np.ndarray:
        fit = np.logaddexp(0.0, logit) - labels[own] * logit
        return fit.sum(axis=1) + 0.5 * (ridge[own] * at**2).sum(axis=1)

    active = np.arange(problems)
    logit = logits(beta, active)
    value = loss(logit, beta, active)
    for _ in range(MAX_STEPS):
        own = full if full.ndim == 2 else full[active]
        p = sigmoid(logit)
        residual = p - labels[active]
        if own.ndim == 2:
            gradient = residual @ own
            hessian = np.matmul(own.T * (p * (1 - p))[:, None, :], own)
        else:
            gradient = np.matmul(residual[:, None, :], own)[:, 0]
            hessian = np.matmul(np.swapaxes(own, 1, 2) * (p * (1 - p))[:, None, :], own)
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


@dataclass(frozen=True)
class Axes:
    """Training people in the space of their singular vectors.

    Attributes
    ----------
    scores
        Training people, shape (people, axes).
    rotation
        Columns to axes, shape (columns, axes): ``new @ rotation`` are new people's scores.
    """

    scores: np.ndarray
    rotation: np.ndarray


def axes_of(design: np.ndarray) -> Axes:
    """Singular axes of a centred design; through the smaller of the two Gram matrices."""
    people, columns = design.shape
    if not people or not columns:
        return Axes(np.zeros((people, 0)), np.zeros((columns, 0)))
    wide = columns > people
    gram = design @ design.T if wide else design.T @ design
    value, vector = np.linalg.eigh(gram)
    kept = value > 1e-10 * max(value[-1], 1e-300)
    value, vector = value[kept], vector[:, kept]
    rotation = design.T @ (vector / np.sqrt(value)) if wide else vector
    return Axes(design @ rotation, rotation)


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
    labellings = labels.shape[1]
    if solver == "one_step":
        return _one_step(axes, labels, penalties)
    intercept, weights = ridge_logistic(
        axes.scores,
        np.tile(labels, (1, len(penalties))),
        np.repeat(np.asarray(penalties, float), labellings),
    )
    shape = (len(penalties), labellings)
    return intercept.reshape(shape), weights.reshape(*shape, -1)


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
    design: np.ndarray, labels: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge logistic regression whose weights are not below zero (Breiman 1996, stacking).

    Evidence that speaks against its own modality is noise at these sample sizes; a negative
    weight would turn it round. Columns with negative weights are dropped and the rest refitted
    until none is left.

    Parameters
    ----------
    design
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
    problems, _, columns = design.shape
    allowed = np.ones((problems, columns))
    strength = np.full(problems, float(penalty))
    intercept, weights = ridge_logistic(design, labels, strength, allowed)
    for _ in range(columns):
        again = np.flatnonzero((weights < 0).any(axis=1))
        if not len(again):
            break
        allowed[again] *= weights[again] >= 0
        intercept[again], weights[again] = ridge_logistic(
            design[again], labels[:, again], strength[again], allowed[again]
        )
    return intercept, np.maximum(weights, 0.0)
