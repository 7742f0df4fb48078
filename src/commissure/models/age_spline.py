"""Age as a model of charts takes it: one straight part, and bends that a penalty holds back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

#: Intervals between the knots; the penalty decides how much of them is used.
INTERVALS = 8
DEGREE = 3
#: Share of the largest bend below which a direction counts as straight.
STRAIGHT = 1e-9
#: What a fitted spline consists of.
_LEARNT = ("low", "high", "mean", "knots", "directions", "straight", "scale")


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
    knots
        Years, in order, the lowest and the highest age included; None takes them from the people.
    """

    def __init__(self, intervals: int = INTERVALS, knots: np.ndarray | None = None) -> None:
        self.intervals = intervals
        self.knots = knots

    def fit(self, age: np.ndarray, y: np.ndarray | None = None) -> AgeSpline:
        """Learn knots and bends from ages in years, shape (people,).

        Fewer than three ages that differ leave the straight part only, a single age leaves nothing.
        """
        age = np.asarray(age, float)
        if self.knots is None:
            inner = np.unique(np.quantile(age, np.linspace(0, 1, self.intervals + 1))[1:-1])
            self._lay_knots(float(age.min()), float(age.max()), inner, len(np.unique(age)) > 2)
        else:
            self._lay_knots(self.knots[0], self.knots[-1], np.asarray(self.knots[1:-1]), True)
        self.mean_ = float(age.mean())
        if not self.directions_.size:
            return self
        columns = self._basis(age) @ self.directions_
        line = np.column_stack([np.ones_like(age), self._line(age)])
        self.straight_ = np.linalg.lstsq(line, columns, rcond=None)[0]
        columns = columns - line @ self.straight_
        self.scale_ = float(np.sqrt((columns**2).mean(axis=0).sum()))
        return self

    def summed_columns(self, age: np.ndarray) -> np.ndarray:
        """What :meth:`fit_products` takes cross-products of, shape (people, 2 + splines).

        Parameters
        ----------
        age
            Years, within the knots that were given.
        """
        knots = np.asarray(self.knots, float)
        self._lay_knots(knots[0], knots[-1], knots[1:-1], True)
        return np.column_stack([np.ones_like(age), age - self.low_, self._basis(age)])

    def fit_products(self, products: np.ndarray) -> AgeSpline:
        """Learn from cross-products of :meth:`summed_columns`, which add up over places.

        Parameters
        ----------
        products
            Shape (2 + splines, 2 + splines).
        """
        knots = np.asarray(self.knots, float)
        self._lay_knots(knots[0], knots[-1], knots[1:-1], True)
        people, beyond = products[0, 0], products[0, 1] / products[0, 0]
        self.mean_ = float(self.low_ + beyond)
        span = self.high_ - self.low_
        line = np.array([[1.0, -beyond / span], [0.0, 1 / span]])
        of_line = line.T @ products[:2, :2] @ line
        with_line = line.T @ products[:2, 2:] @ self.directions_
        self.straight_ = np.linalg.solve(of_line, with_line)
        bent = np.einsum("ik,ij,jk->k", self.directions_, products[2:, 2:], self.directions_)
        left = bent - (self.straight_ * with_line).sum(axis=0)
        self.scale_ = float(np.sqrt(left.sum() / people))
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learnt, for :meth:`of_arrays` elsewhere."""
        return {name: np.asarray(getattr(self, name + "_")) for name in _LEARNT}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """A spline that was learnt elsewhere."""
        spline = cls()
        for name in _LEARNT:
            value = np.asarray(arrays[name], float)
            setattr(spline, name + "_", value if value.ndim else float(value))
        return spline

    def _lay_knots(self, low: float, high: float, inner: np.ndarray, bends: bool) -> None:
        """Knots, and the directions in which a curve between them bends."""
        self.low_, self.high_ = float(low), float(high)
        self.directions_ = np.zeros((0, 0))
        self.straight_, self.scale_ = np.zeros((2, 0)), 1.0
        self.knots_ = np.zeros(0)
        if not bends:
            return
        inner = inner[(inner > self.low_) & (inner < self.high_)]
        ends = np.full(DEGREE + 1, 1.0)
        self.knots_ = np.concatenate([self.low_ * ends, inner, self.high_ * ends])
        at, weights = _two_points(np.concatenate([[self.low_], inner, [self.high_]]))
        of_bends = self._basis(at, derivative=2)
        sizes, directions = np.linalg.eigh((of_bends.T * weights) @ of_bends)
        bent = sizes > STRAIGHT * sizes.max()
        self.directions_ = directions[:, bent] / np.sqrt(sizes[bent])

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
