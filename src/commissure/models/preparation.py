"""What is done to a block before a model sees it, learnt in the training people only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from commissure.study.design import Block

#: Controls from whom the regression on head size is learnt; with fewer, all training people.
MIN_REFERENCE = 10
#: Robust standard deviations beyond which a value is brought to the limit.
FARTHEST = 5.0
#: Values with fewer than which a column has no limits.
FEWEST_FOR_LIMITS = 10
NO_LIMITS = (np.array(-np.inf), np.array(np.inf))
#: Training people of a site from whom ComBat learns it; with fewer, the site counts as unseen.
MIN_PER_SITE = 5


class Preparation(TransformerMixin, BaseEstimator):
    """Make one block comparable: head size out, gaps filled, sites aligned, scaled.

    In this order, each step learnt on the training people who have the block: residuals of volumes
    on head size (``V - b (H - mean H)``, b from the controls among them), residuals of a follow-up
    on its baseline where change is asked for, values far from all
    others (a code for what was not measured, a slip of the decimal point) to the median -+ 5 robust
    standard deviations, median for gaps, ComBat over sites (with the confounds it is to keep, never
    with the label), residuals of all columns on the confounds that are to be taken out (b from the
    controls, as for head size), mean 0 and variance 1 divided by the root of the number of columns,
    so that a person's mean square norm is 1 whatever the size of the block. Columns that do not
    vary are dropped. People without the block come out as 0.
    """

    def __init__(self, block: Block) -> None:
        self.block = block

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Preparation:
        """Learn from the people of ``X``; those with ``y`` = -1 count for head size only."""
        block, X = self.block, np.asarray(X, float)
        reference = np.zeros(len(X), dtype=bool) if y is None else _first(y) < 0
        self.limits_ = self.head_limits_ = NO_LIMITS
        self._learn_head_size(X, reference)
        self.before_ = _baseline_slopes(X[~reference], block)
        values = self._adjusted(X)
        values = values[has_block(X, block) & ~reference]
        # Gaps sort to the end. NumPy's nanmedian takes ten times as long on tables of this size.
        ordered = np.sort(values, axis=0)
        self.limits_ = _limits(ordered)
        values = np.clip(values, *self.limits_)
        rows = X[has_block(X, block) & ~reference]
        self.kept_ = np.isfinite(values).any(axis=0)
        values = values[:, self.kept_]
        self.medians_ = _medians(ordered[:, self.kept_])
        values = np.where(np.isfinite(values), values, self.medians_)
        spread = values.std(axis=0)
        varies = spread > 1e-9 * (np.abs(self.medians_) + spread)
        self.kept_[self.kept_] = varies
        self.medians_, values = self.medians_[varies], values[:, varies]
        self.combat_ = _fitted_combat(values, rows, block)
        self.removal_ = self._learnt_removal(X, reference)
        values = self._even(rows)
        self.mean_ = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        spread = values.std(axis=0) if len(values) else np.ones(values.shape[1])
        self.scale_ = np.where(spread > 0, spread, 1.0) * np.sqrt(max(1, values.shape[1]))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Prepared columns of any people, shape (people, kept columns)."""
        X = np.asarray(X, float)
        values = self._even(X)
        return np.where(has_block(X, self.block)[:, None], (values - self.mean_) / self.scale_, 0.0)

    def _even(self, X: np.ndarray) -> np.ndarray:
        """The kept columns as they are before scaling, shape (people, kept columns)."""
        values = self._harmonised(X)
        if self.removal_ is None:
            return values
        slopes, means = self.removal_
        return values - _centred_confounds(X, self.block.removed, means) @ slopes

    def _harmonised(self, X: np.ndarray) -> np.ndarray:
        values = self._adjusted(X)[:, self.kept_]
        values = np.where(np.isfinite(values), values, self.medians_)
        return _harmonised(self.combat_, values, X, self.block)

    def _learnt_removal(
        self, X: np.ndarray, reference: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Slopes of the columns on the confounds, and the means of these."""
        if not self.block.removed or not self.kept_.any():
            return None
        measured = has_block(X, self.block)
        controls = measured & reference
        people = X[controls if controls.sum() >= MIN_REFERENCE else measured]
        if len(people) < 3:
            return None
        confounds = people[:, list(self.block.removed)]
        known = np.isfinite(confounds)
        means = np.where(known, confounds, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centred = _centred_confounds(people, self.block.removed, means)
        values = self._harmonised(people)
        slopes = np.linalg.lstsq(centred, values - values.mean(axis=0), rcond=1e-10)[0]
        return slopes, means

    def _learn_head_size(self, X: np.ndarray, reference: np.ndarray) -> None:
        block = self.block
        if block.head_size is not None:
            self.head_limits_ = _limits(np.sort(X[:, [block.head_size]], axis=0))
            X = X.copy()
            columns = [block.head_size, *block.adjusted]
            low, high = _limits(np.sort(X[:, columns], axis=0))
            # Far from all others they would bend the slope, be they at the limit.
            X[:, columns] = np.where(
                (X[:, columns] < low) | (X[:, columns] > high), np.nan, X[:, columns]
            )
        self.slopes_, self.mean_head_size_ = _head_size_slopes(X, block, reference)

    def _adjusted(self, X: np.ndarray) -> np.ndarray:
        """The columns freed of head size, no value beyond the limits of the training people."""
        values = X[:, list(self.block.columns)]
        if self.block.head_size is not None:
            head = X[:, self.block.head_size]
            low, high = self.head_limits_
            head = np.where((head < low) | (head > high), np.nan, head) - self.mean_head_size_
            values = values - self.slopes_ * np.where(np.isfinite(head), head, 0.0)[:, None]
        if self.before_ is not None:
            slopes, means = self.before_
            values = values - slopes * (X[:, list(self.block.before)] - means)
        return values if self.limits_ is NO_LIMITS else np.clip(values, *self.limits_)


def _baseline_slopes(X: np.ndarray, block: Block) -> tuple[np.ndarray, np.ndarray] | None:
    """Slope of each follow-up on its baseline, and the mean baseline; None where there are none.

    By least squares over people who have both, values far from all others left out.
    """
    if not block.before:
        return None
    before, after = X[:, list(block.before)], X[:, list(block.columns)]
    for values in (before, after):
        low, high = _limits(np.sort(values, axis=0))
        values[(values < low) | (values > high)] = np.nan
    both = np.isfinite(before) & np.isfinite(after)
    count = np.maximum(both.sum(axis=0), 1)
    means = np.where(both, before, 0.0).sum(axis=0) / count
    centred = np.where(both, before - means, 0.0)
    level = np.where(both, after, 0.0).sum(axis=0) / count
    square = (centred**2).sum(axis=0)
    product = (centred * np.where(both, after - level, 0.0)).sum(axis=0)
    return np.where(square > 0, product / np.where(square > 0, square, 1.0), 0.0), means


def _centred_confounds(X: np.ndarray, columns: tuple[int, ...], means: np.ndarray) -> np.ndarray:
    """Confounds of any people about the training means; what is not known counts as the mean."""
    return np.nan_to_num(X[:, list(columns)] - means)


def has_block(X: np.ndarray, block: Block) -> np.ndarray:
    """Who has at least one value of the block."""
    return np.isfinite(X[:, list(block.columns)]).any(axis=1)


def _first(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    return y if y.ndim == 1 else y[:, 0]


def _medians(ordered: np.ndarray) -> np.ndarray:
    """Median of each column of sorted values, gaps last."""
    if not len(ordered):
        return np.zeros(ordered.shape[1])
    count = np.isfinite(ordered).sum(axis=0)
    column = np.arange(ordered.shape[1])
    return (ordered[(count - 1) // 2, column] + ordered[count // 2, column]) / 2


def _limits(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median -+ :data:`FARTHEST` robust standard deviations of each column of sorted values.

    The robust standard deviation is the interquartile range / 1.349. A column without one (most
    people have one value) or with fewer than :data:`FEWEST_FOR_LIMITS` values has no limits.
    """
    columns = ordered.shape[1]
    low, high = np.full(columns, -np.inf), np.full(columns, np.inf)
    count = np.isfinite(ordered).sum(axis=0)
    many = np.flatnonzero(count >= FEWEST_FOR_LIMITS)
    if not len(many):
        return low, high
    quarter = (count[many] - 1) // 4
    lower, upper = ordered[quarter, many], ordered[count[many] - 1 - quarter, many]
    spread = (upper - lower) / 1.349
    middle = _medians(ordered[:, many])
    varied = spread > 1e-9 * np.abs(middle)
    low[many] = np.where(varied, middle - FARTHEST * spread, -np.inf)
    high[many] = np.where(varied, middle + FARTHEST * spread, np.inf)
    return low, high


def _head_size_slopes(
    X: np.ndarray, block: Block, reference: np.ndarray
) -> tuple[np.ndarray, float]:
    slopes = np.zeros(len(block.columns))
    if block.head_size is None:
        return slopes, 0.0
    head = X[:, block.head_size]
    known = np.isfinite(head)
    rows = known & reference if (known & reference).sum() >= MIN_REFERENCE else known
    if rows.sum() < 3 or np.ptp(head[rows]) == 0:
        return slopes, 0.0
    mean = float(head[rows].mean())
    for index, column in enumerate(block.columns):
        if column not in block.adjusted:
            continue
        measured = rows & np.isfinite(X[:, column])
        if measured.sum() < 3:
            continue
        centred = head[measured] - head[measured].mean()
        if (centred**2).sum() > 0:
            slopes[index] = (
                centred @ (X[measured, column] - X[measured, column].mean()) / (centred**2).sum()
            )
    return slopes, mean


@dataclass(frozen=True)
class SiteAlignment:
    """What ComBat does to the columns of each site that it knows: a shift and a stretch.

    Attributes
    ----------
    sites
        Numbers of the sites, shape (sites,).
    shift, stretch
        Shape (sites, columns): ``value * stretch + shift``.
    slopes, means
        Of confounds whose part is kept: shape (sites, confounds, columns), added as ``confounds @
        slopes`` about their training means; None without any.
    """

    sites: np.ndarray
    shift: np.ndarray
    stretch: np.ndarray
    slopes: np.ndarray | None = None
    means: np.ndarray | None = None


def _site_numbers(rows: np.ndarray, block: Block) -> np.ndarray:
    """Number of each person's site; -1 for a site that has no column."""
    marks = rows[:, list(block.sites)]
    return np.where((marks > 0).any(axis=1), marks.argmax(axis=1), -1)


def _fitted_combat(values: np.ndarray, rows: np.ndarray, block: Block) -> SiteAlignment | None:
    """ComBat for the sites with enough people, or None where it has nothing to align."""
    if not block.sites or not values.shape[1]:
        return None
    site = _site_numbers(rows, block)
    numbers, counts = np.unique(site[site >= 0], return_counts=True)
    known = numbers[counts >= MIN_PER_SITE]
    if len(known) < 2:
        return None
    # An extra of the installation: planning refuses the option where it is not there.
    from combatlearn import ComBat

    at_known = np.isin(site, known)
    confounds, means = None, None
    if block.kept:
        kept = rows[at_known][:, list(block.kept)]
        known_values = np.isfinite(kept)
        total = np.where(known_values, kept, 0.0).sum(axis=0)
        means = total / np.maximum(known_values.sum(axis=0), 1)
        confounds = _centred_confounds(rows[at_known], block.kept, means)
    with warnings.catch_warnings():
        # A block of one column is only standardised by site; that is what is wanted of it.
        warnings.filterwarnings("ignore", message="Only one feature")
        model = ComBat(
            batch=site[at_known].astype(str),
            continuous_covariates=confounds,
            method="johnson" if confounds is None else "fortin",
        ).fit(values[at_known])
    # Each site's correction is affine in values and confounds; a few points of each tell it.
    spread = values[at_known].std(axis=0)
    low = values[at_known].mean(axis=0) - spread
    plain = _corrected(model, known, low, confounds, None)
    stretch = (_corrected(model, known, low + 2 * spread, confounds, None) - plain) / (2 * spread)
    slopes = None
    if confounds is not None:
        slopes = np.stack(
            [_corrected(model, known, low, confounds, k) - plain for k in range(len(block.kept))],
            axis=1,
        )
    return SiteAlignment(known, plain - stretch * low, stretch, slopes, means)


def _corrected(
    model: Any,
    sites: np.ndarray,
    point: np.ndarray,
    confounds: np.ndarray | None,
    moved: int | None,
) -> np.ndarray:
    """What ComBat makes of one person at each site, one of whose confounds may be 1 and not 0."""
    model.set_params(batch=sites.astype(str))
    if confounds is not None:
        told = np.zeros((len(sites), confounds.shape[1]))
        if moved is not None:
            told[:, moved] = 1.0
        model.set_params(continuous_covariates=told)
    return np.asarray(model.transform(np.tile(point, (len(sites), 1))))


def _harmonised(
    alignment: SiteAlignment | None, values: np.ndarray, rows: np.ndarray, block: Block
) -> np.ndarray:
    if alignment is None or not len(values):
        return values
    site = _site_numbers(rows, block)
    place = np.searchsorted(alignment.sites, site).clip(max=len(alignment.sites) - 1)
    known = (alignment.sites[place] == site)[:, None]
    aligned = values * alignment.stretch[place] + alignment.shift[place]
    if alignment.slopes is not None and alignment.means is not None:
        confounds = _centred_confounds(rows, block.kept, alignment.means)
        aligned += np.einsum("ik,ikc->ic", confounds, alignment.slopes[place])
    return np.where(known, aligned, values)
