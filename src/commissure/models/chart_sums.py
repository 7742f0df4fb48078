"""What reference charts learn from: sums over people, who may be in several places.

:class:`~commissure.models.charts.ReferenceCharts` asks for these sums in turn and sees no person.
Added over places, they are those of everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import (
    Posterior,
    WeightedSums,
    pair_products,
    weighted_sums,
)
from commissure.models.sinh_arcsinh import ShapeSums, shape_sums

#: Limits of the log variance, against a marker whose residuals vanish.
FARTHEST_LOG_VARIANCE = 6.0
#: A squared residual counts as at most so many variances when the variance is learnt.
LARGEST_SQUARE = 20.0
#: Groups of columns whose prior has a width of its own; -1 has none.
FREE, BENDS, SITES, OF_SEX, LEVELS = -1, 0, 1, 2, 3
#: Straight columns: without a prior in the mean, as :data:`LEVELS` in the log variance.
SLOPES = -2


@dataclass(frozen=True)
class People:
    """People as charts take them.

    Attributes
    ----------
    age
        Years, shape (people,).
    female
        1 for women, 0 for men, NaN where it is not known.
    site
        Words, shape (people,).
    head_size
        In any unit, the same for everybody; NaN or None where it is not known.
    """

    age: np.ndarray
    female: np.ndarray
    site: np.ndarray
    head_size: np.ndarray | None = None

    def __len__(self) -> int:
        """How many they are."""
        return len(self.age)

    def some(self, chosen: np.ndarray) -> Self:
        """Those of a mask or of numbers."""
        return replace(
            self, age=self.age[chosen], female=self.female[chosen], site=self.site[chosen],
            head_size=None if self.head_size is None else self.head_size[chosen],
        )  # fmt: skip

    def at_no_site(self) -> Self:
        """The same people, their site not said."""
        return replace(self, site=np.full(len(self), "", dtype=object))


@dataclass(frozen=True)
class ChartScale:
    """On what scale people and markers are seen.

    Attributes
    ----------
    age
        The columns of age.
    sites
        Names of the sites, sorted.
    head_mean, head_spread
        Of head size.
    centre, spread
        Of each marker, shape (markers,).
    charted
        Which markers have a chart, shape (markers,).
    counts
        People who have each marker, shape (markers,).
    """

    age: AgeSpline
    sites: Sequence[str]
    head_mean: float
    head_spread: float
    centre: np.ndarray
    spread: np.ndarray
    charted: np.ndarray
    counts: np.ndarray

    def columns(self, people: People) -> tuple[np.ndarray, np.ndarray]:
        """What the regressions see of people, shape (people, columns), and the columns' groups."""
        age = self.age.transform(people.age)
        sex = np.nan_to_num(np.asarray(people.female, float) - 0.5)[:, None]
        head = np.zeros(len(people))
        if people.head_size is not None:
            head = np.nan_to_num((people.head_size - self.head_mean) / self.head_spread)
        sites = people.site.astype(str)[:, None] == np.array(self.sites, dtype=object)[None]
        parts = [
            (np.ones((len(people), 1)), FREE), (sex, SLOPES), (head[:, None], FREE),
            (age[:, :1], SLOPES), (age[:, 1:], BENDS), (sites.astype(float), SITES),
            (sex * age, OF_SEX),
        ]  # fmt: skip
        groups = np.concatenate([np.full(part.shape[1], group) for part, group in parts])
        return np.hstack([part for part, _ in parts]), groups


class ChartSums(Protocol):
    """Sums over people. Log variances are told by coefficients of shape (markers, columns)."""

    def mean_sums(self, log_variance: np.ndarray) -> WeightedSums:
        """Of the regression of the mean."""

    def level(self, mean: Posterior, log_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared residuals of each marker, and how many people have it."""

    def variance_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray
    ) -> WeightedSums:
        """Of the regression of the log variance.

        ``log_variance`` are the coefficients under which the mean was learnt, ``level`` those
        that squared residuals are compared with.
        """

    def shape_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray, shape: np.ndarray
    ) -> ShapeSums:
        """Of the fit of the shape, arguments as in :meth:`variance_sums`."""


class SumsOfPeople:
    """The sums of people who are here.

    Parameters
    ----------
    values
        Their markers, shape (people, markers); NaN where there is none.
    people
        Who they are, all with an age.
    scale
        On what scale they are seen.
    """

    def __init__(self, values: np.ndarray, people: People, scale: ChartScale) -> None:
        known = np.isfinite(values) & scale.charted
        centred = (np.where(known, values, 0.0) - scale.centre) / scale.spread
        self._known, self._scaled = known, np.where(known, centred, 0.0)
        self._columns, _ = scale.columns(people)
        self._products = pair_products(self._columns)
        self._last: tuple[Posterior, np.ndarray, np.ndarray, np.ndarray] | None = None

    def mean_sums(self, log_variance: np.ndarray) -> WeightedSums:
        """Of the regression of the mean."""
        weights = np.exp(-self._log_variance(log_variance)) * self._known
        return weighted_sums(self._columns, self._products, weights, self._scaled)

    def level(self, mean: Posterior, log_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared residuals of each marker, and how many people have it."""
        residuals, leverage = self._residuals(mean, log_variance)
        squares = residuals**2 / (1 - leverage)
        return (squares * self._known).sum(axis=0), self._known.sum(axis=0)

    def variance_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray
    ) -> WeightedSums:
        """Of the regression of the log variance."""
        residuals, leverage = self._residuals(mean, log_variance)
        squares, expected = residuals**2 / (1 - leverage), self._log_variance(level)
        relative = np.clip(squares * np.exp(-expected), 0, LARGEST_SQUARE)
        return weighted_sums(
            self._columns, self._products, self._known * (1 - leverage) / 2, expected + relative - 1
        )

    def shape_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray, shape: np.ndarray
    ) -> ShapeSums:
        """Of the fit of the shape."""
        residuals, leverage = self._residuals(mean, log_variance)
        left = residuals / np.sqrt(np.exp(self._log_variance(level)) * (1 - leverage))
        return shape_sums(np.where(self._known, left, 0.0), self._known, shape)

    def _log_variance(self, coefficients: np.ndarray) -> np.ndarray:
        return np.clip(
            self._columns @ coefficients.T, -FARTHEST_LOG_VARIANCE, FARTHEST_LOG_VARIANCE
        )

    def _residuals(
        self, mean: Posterior, log_variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the mean leaves, and the leverage of each value: (people, markers)."""
        last = self._last
        # It is asked for in every step of the shape, and costs more than the rest.
        if last is None or last[0] is not mean or last[1] is not log_variance:
            weights = np.exp(-self._log_variance(log_variance)) * self._known
            leverage = np.clip(mean.variances(self._products) * weights, 0.0, 0.8)
            residuals = self._scaled - mean.means(self._columns)
            last = self._last = (mean, log_variance, residuals, leverage)
        return last[2], last[3]
