"""Age as a model of charts takes it: one straight part, and bends that a penalty holds back."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

#: Intervals between the knots; the penalty decides how much of them is used.
INTERVALS = 8
DEGREE = 3
#: Share of the largest bend below which a direction counts as straight.
STRAIGHT = 1e-9


class AgeSpline(TransformerMixin, BaseEstimator):
    """Cubic splines of age, rewritten so that every bent column has the same penalty.

    The basis has knots at quantiles of age. Its integrated squared second derivative is
    diagonalised, so that a ridge penalty on the bent columns is the penalty of a smoothing spline
    (Eilers and Marx 1996; the mixed-model form of Wood, Generalized Additive Models, 2017, 5.8).
    The bent columns are free of the straight part over the people of ``fit`` and have a mean square
    of 1 together, so that one prior serves any range of ages.

    Parameters
    ----------
    intervals
        Between the knots, at most: repeated quantiles count once.
    """

    def __init__(self, intervals: int = INTERVALS) -> None:
        self.intervals = intervals

    def fit(self, age: np.ndarray, y: np.ndarray | None = None) -> AgeSpline:
        """Learn knots and bends from ages in years, shape (people,).

        Fewer than three ages that differ leave the straight part only, a single age leaves nothing.
        """
        age = np.asarray(age, float)
        self.low_, self.high_ = float(age.min()), float(age.max())
        self.mean_ = float(age.mean())
        self.directions_ = np.zeros((0, 0))
        self.straight_, self.scale_ = np.zeros((2, 0)), 1.0
        self.knots_ = np.zeros(0)
        if len(np.unique(age)) < 3:
            return self
        inner = np.unique(np.quantile(age, np.linspace(0, 1, self.intervals + 1))[1:-1])
        inner = inner[(inner > self.low_) & (inner < self.high_)]
        ends = np.full(DEGREE + 1, 1.0)
        self.knots_ = np.concatenate([self.low_ * ends, inner, self.high_ * ends])
        at, weights = _two_points(np.concatenate([[self.low_], inner, [self.high_]]))
        bends = self._basis(at, derivative=2)
        sizes, directions = np.linalg.eigh((bends.T * weights) @ bends)
        bent = sizes > STRAIGHT * sizes.max()
        self.directions_ = directions[:, bent] / np.sqrt(sizes[bent])
        columns = self._basis(age) @ self.directions_
        line = np.column_stack([np.ones_like(age), self._line(age)])
        self.straight_ = np.linalg.lstsq(line, columns, rcond=None)[0]
        columns = columns - line @ self.straight_
        self.scale_ = float(np.sqrt((columns**2).mean(axis=0).sum()))
        return self

    def transform(self, age: np.ndarray) -> np.ndarray:
        """Columns of any ages, shape (people, 1 + bends): the straight one first.

        Ages beyond those of ``fit`` count as the nearest of them.
        """
        check_is_fitted(self)
        age = np.clip(np.asarray(age, float), self.low_, self.high_)
        straight = self._line(age)
        if not self.knots_.size:
            return straight[:, None]
        line = np.column_stack([np.ones_like(age), straight])
        bent = (self._basis(age) @ self.directions_ - line @ self.straight_) / self.scale_
        return np.column_stack([straight, bent])

    def _line(self, age: np.ndarray) -> np.ndarray:
        span = self.high_ - self.low_
        return (age - self.mean_) / (span if span > 0 else 1.0)

    def _basis(self, age: np.ndarray, derivative: int = 0) -> np.ndarray:
        """The B-splines or a derivative of them, shape (ages, splines)."""
        count = len(self.knots_) - DEGREE - 1
        spline = BSpline(self.knots_, np.eye(count), DEGREE)
        return np.asarray(spline.derivative(derivative)(age) if derivative else spline(age))


def _two_points(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre points of each interval: exact for the square of a straight line."""
    middle, half = (knots[1:] + knots[:-1]) / 2, np.diff(knots) / 2
    at = middle[:, None] + half[:, None] * np.array([-1, 1]) / np.sqrt(3)
    return at.ravel(), np.repeat(half, 2)
