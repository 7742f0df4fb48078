"""Nested cross-validation of thousands of labellings of the same people at once.

Folds, scaling, Gram matrices and their eigenvectors do not depend on the labels. They are computed
once per training set; each labelling then costs a few products of matrices. The statistic is that
of scikit-learn's ``cross_val_score`` around ``GridSearchCV`` on the same folds: the mean over outer
folds of the AUC at the penalty that the inner folds chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from commissure.models.logistic import Axes, axes_of, logistic_at, logistic_path

Family = Literal["ridge", "logistic"]

#: Labellings that are worked on together: enough for full products, little enough for memory.
TOGETHER = 512


@dataclass(frozen=True)
class Division:
    """One outer fold with its inner folds.

    Attributes
    ----------
    train, test
        Row numbers of the outer division.
    inner
        Row numbers (training, test) of the inner divisions of ``train``.
    """

    train: np.ndarray
    test: np.ndarray
    inner: tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclass(frozen=True)
class Prepared:
    """A training set in its singular axes, and the people to be scored there."""

    train: np.ndarray
    test: np.ndarray
    axes: Axes
    scores: np.ndarray


def prepared(values: np.ndarray, train: np.ndarray, test: np.ndarray) -> Prepared:
    """Scale by the training people (mean 0, variance 1) and find their singular axes."""
    training = values[train]
    mean = training.mean(axis=0)
    training -= mean
    spread = np.sqrt(np.einsum("ij,ij->j", training, training) / len(training))
    spread[spread < 1e-12 * (1 + np.abs(mean))] = 1.0
    training /= spread
    axes = axes_of(training)
    scores = axes.project((values[test] - mean) / spread)
    return Prepared(train, test, Axes(axes.scores, axes.basis, None), scores)


def nested_auc(
    values: np.ndarray,
    labels: np.ndarray,
    divisions: Sequence[Division],
    penalties: Sequence[float],
    *,
    family: Family = "ridge",
) -> np.ndarray:
    """AUC of the whole nested procedure for every labelling.

    Parameters
    ----------
    values
        Shape (people, columns), without gaps.
    labels
        Ones and zeros, shape (people, labellings).
    divisions
        The folds; none may depend on the labels.
    penalties
        Ridge penalties to choose from: ``alpha`` of scikit-learn's RidgeClassifier, ``1 / C`` of
        its LogisticRegression.
    family
        ``ridge``: least squares on -1 and 1, penalty by inner mean squared error. ``logistic``:
        penalty by inner log loss.

    Returns
    -------
    numpy.ndarray
        Shape (labellings,); NaN where some outer fold has one class only.
    """
    values, labels = np.asarray(values, float), np.asarray(labels, float)
    strengths = np.asarray(penalties, float)
    score = _ridge if family == "ridge" else _logistic
    total = np.zeros(labels.shape[1])
    for division in divisions:
        outer = prepared(values, division.train, division.test)
        inner = [prepared(values, train, test) for train, test in division.inner]
        for start in range(0, labels.shape[1], TOGETHER):
            part = slice(start, start + TOGETHER)
            total[part] += score(outer, inner, labels[:, part], strengths)
    return total / len(divisions)


def _ridge(
    outer: Prepared, inner: Sequence[Prepared], labels: np.ndarray, penalties: np.ndarray
) -> np.ndarray:
    signs = 2.0 * labels - 1.0
    error = np.zeros((len(penalties), labels.shape[1]))
    for division in inner:
        mean, strength, wanted = _ridge_axes(division, signs)
        for index, penalty in enumerate(penalties):
            miss = division.scores @ (wanted / (strength + penalty))
            miss += mean - signs[division.test]
            error[index] += np.einsum("ij,ij->j", miss, miss) / len(miss)
    chosen = penalties[error.argmin(axis=0)]
    _, strength, wanted = _ridge_axes(outer, signs)
    return column_auc(labels[outer.test], outer.scores @ (wanted / (strength + chosen)))


def _ridge_axes(division: Prepared, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    training_signs = signs[division.train]
    mean = training_signs.mean(axis=0)
    strength = (division.axes.scores**2).sum(axis=0)[:, None]
    return mean, strength, division.axes.scores.T @ (training_signs - mean)


def _logistic(
    outer: Prepared, inner: Sequence[Prepared], labels: np.ndarray, penalties: np.ndarray
) -> np.ndarray:
    loss = np.zeros((len(penalties), labels.shape[1]))
    for division in inner:
        intercept, weights = logistic_path(division.axes, labels[division.train], penalties)
        y = labels[division.test]
        for index in range(len(penalties)):
            logit = division.scores @ weights[index].T + intercept[index]
            loss[index] += (np.logaddexp(0.0, logit) - y * logit).mean(axis=0)
    chosen = penalties[loss.argmin(axis=0)]
    intercept, weights = logistic_at(outer.axes, labels[outer.train], chosen)
    return column_auc(labels[outer.test], outer.scores @ weights.T + intercept)


def column_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUC of every column, ties counted half; NaN where a column has one class.

    Parameters
    ----------
    labels, scores
        Shape (people, labellings).
    """
    ones = labels.sum(axis=0)
    pairs = ones * (len(labels) - ones)
    won = (rankdata(scores, axis=0) * labels).sum(axis=0) - ones * (ones + 1) / 2
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)
