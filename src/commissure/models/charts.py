"""Reference charts: where a person stands among healthy people of their age, sex and site.

Bayesian linear regression in closed form, for the mean and for the logarithm of the variance, with
a sinh-arcsinh shape of what is left: no sampler, all markers together. The parts that the data may
or may not need (bends over age, bends of one sex, sites) have priors whose widths are learnt by
evidence maximisation (MacKay 1992, Neural Computation 4, 415), so that a site's offset is drawn
towards that of all sites by as much as sites differ. Warped Bayesian linear regression: Fraza et
al. 2021 (NeuroImage 245, 118715); sites as random effects: Bayer et al. 2022 (NeuroImage 264,
119699). Mean and variance take turns as in Rigby and Stasinopoulos 2005 (Applied Statistics 54,
507).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from commissure.errors import DatasetError
from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import Posterior, learnt_posterior, pair_products
from commissure.models.sinh_arcsinh import fitted_shapes, normal_scores, values_of_scores

#: Turns of mean and variance; six change no score by more than .002 on real tables.
TURNS = 8
#: Controls who have a marker, without whom it has no chart.
MIN_CONTROLS = 20
#: Limits of the log variance, against a marker whose residuals vanish.
FARTHEST_LOG_VARIANCE = 6.0
#: A squared residual counts as at most so many variances when the variance is learnt.
LARGEST_SQUARE = 20.0
#: Groups of columns whose prior has a width of its own; -1 has none.
FREE, BENDS, SITES, OF_SEX, LEVELS = -1, 0, 1, 2, 3
#: Straight columns: without a prior in the mean, as :data:`LEVELS` in the log variance.
SLOPES = -2
#: By group the standard deviation at which the width of a prior starts, in standard deviations of
#: people (mean) or in log variance, and as how many columns this counts beside those that are
#: there. It decides where controls are few or of one site. Medians over 210 FreeSurfer markers of
#: 22 sites (FCON1000; benchmarks/normative prints them).
MEAN_PRIORS = {BENDS: (0.2, 1.0), SITES: (0.55, 1.0), OF_SEX: (0.1, 1.0)}
VARIANCE_PRIORS = {
    BENDS: (0.15, 1.0), SITES: (0.25, 1.0), OF_SEX: (0.1, 1.0), LEVELS: (0.15, 1.0),
}  # fmt: skip


@dataclass(frozen=True)
class SiteOffset:
    """What a site's controls say of it, in standard deviations of all people.

    Attributes
    ----------
    mean, variance
        Offset of the mean and how sure it is, shape (markers,).
    log_variance, log_variance_variance
        The same of the log variance.
    controls
        How many there were.
    """

    mean: np.ndarray
    variance: np.ndarray
    log_variance: np.ndarray
    log_variance_variance: np.ndarray
    controls: int = 0


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


class ReferenceCharts(BaseEstimator):
    """Charts of many markers, learnt from controls.

    Parameters
    ----------
    adjusted
        Which markers are freed of head size: a mask of shape (markers,), or None for none.
    min_controls
        Controls with a marker, without whom it has no chart: its scores are NaN.

    Attributes
    ----------
    charted_
        Which markers have a chart, shape (markers,).
    sites_
        The sites that were learnt, sorted.
    low_age_, high_age_
        Years of the youngest and the oldest control: nobody beyond has a score.
    """

    def __init__(self, adjusted: np.ndarray | None = None, min_controls: int = MIN_CONTROLS):
        self.adjusted = adjusted
        self.min_controls = min_controls

    def fit(self, values: np.ndarray, people: People) -> ReferenceCharts:
        """Learn from controls.

        Parameters
        ----------
        values
            Their markers, shape (people, markers); NaN where there is none.
        people
            Who they are. Those without an age are left out.

        Raises
        ------
        DatasetError
            Fewer controls with an age than ``min_controls``.
        """
        values = np.asarray(values, float)
        aged = np.isfinite(people.age)
        if aged.sum() < self.min_controls:
            raise DatasetError(
                "reference charts",
                found=f"{int(aged.sum())} controls with an age",
                wanted=f"{self.min_controls} at least",
                mend="Add controls or a reference table, or lower normative.min_controls",
            )
        values, people = values[aged], people.some(aged)
        self._standardise(values, people)
        known = np.isfinite(values) & self.charted_
        scaled = np.where(known, (np.where(known, values, 0.0) - self.centre_) / self.spread_, 0.0)
        self.age_ = AgeSpline().fit(people.age)
        self.sites_ = sorted(set(people.site.astype(str)))
        columns, self.groups_ = self._columns(people)
        residuals, log_variance, leverage = self._turns(scaled, columns, known)
        left = residuals / np.sqrt(np.exp(log_variance) * (1 - leverage))
        self.shape_ = fitted_shapes(np.where(known, left, np.nan))
        self.site_offsets_: dict[str, SiteOffset] = {}
        return self

    def scores(self, values: np.ndarray, people: People) -> np.ndarray:
        """Deviations in standard deviations of healthy people, shape (people, markers).

        What is not known of the mean (few controls of that age, a site without controls) widens
        what is expected, what is not known of the variance is allowed for by Student's t.
        NaN for a marker that is not there or has no chart, and for people without an age or
        outside the ages of the controls.
        """
        values = np.asarray(values, float)
        aged = self.within_ages(people.age)
        scores = np.full(values.shape, np.nan)
        if not aged.any():
            return scores
        people = people.some(aged)
        mean, variance, log_variance, degrees = self._expected(people)
        left = (values[aged] - self.centre_) / self.spread_ - mean
        shaped = normal_scores(left / np.sqrt(np.exp(log_variance) + variance), self.shape_)
        scores[aged] = _normal_of_t(shaped, degrees)
        scores[:, ~self.charted_] = np.nan
        return scores

    def centiles(
        self, people: People, scores: Sequence[float], *, average_site: bool = False
    ) -> np.ndarray:
        """The marker's value at given scores, shape (scores, people, markers).

        Parameters
        ----------
        people
            Of whom it is asked.
        scores
            Deviations, in standard deviations.
        average_site
            Whether at a site that lies where sites lie on average, and not at that of the people.
        """
        if average_site:
            people = people.at_no_site()
        mean, variance, log_variance, degrees = self._expected(people, unseen=not average_site)
        spread = np.sqrt(np.exp(log_variance) + variance)
        curves = [
            mean + spread * values_of_scores(_t_of_normal(score, degrees), self.shape_)
            for score in scores
        ]
        values = np.array(curves) * self.spread_ + self.centre_
        values[..., ~self.charted_] = np.nan
        return values

    def within_ages(self, age: np.ndarray) -> np.ndarray:
        """Whose age lies among those of the controls, shape (people,)."""
        check_is_fitted(self)
        with np.errstate(invalid="ignore"):
            return np.asarray((age >= self.low_age_) & (age <= self.high_age_))

    def known_site(self, site: str) -> bool:
        """Whether controls of a site were learnt from, at ``fit`` or later."""
        return site in self.sites_ or site in self.site_offsets_

    def learn_site(self, site: str, values: np.ndarray, people: People) -> SiteOffset:
        """Learn a site from its own controls, the rest of the charts as they are.

        In closed form: the offset's posterior under the spread of sites. Deviations of the site's
        people are then known to the extent that its controls tell, see :meth:`offset_sd`.

        Parameters
        ----------
        site
            Its name; a site of ``fit`` keeps what was learnt then.
        values, people
            Its controls. Those without an age, or outside the ages of the charts, do not count.
        """
        if site in self.sites_:
            return self.site_offsets_.get(site, self._unseen())
        values = np.asarray(values, float)
        aged = self.within_ages(people.age)
        values, people = values[aged], people.some(aged)
        offset = self._unseen()
        if len(people):
            mean, variance, log_variance, _ = self._expected(people.at_no_site(), unseen=False)
            left = (values - self.centre_) / self.spread_ - mean
            offset = self._site_posterior(left, variance, log_variance, offset)
        self.site_offsets_[site] = offset
        return offset

    def offset_sd(self, controls: int) -> np.ndarray:
        """How far off the mean deviation of a new site's people may lie, shape (markers,).

        Standard deviation of the offset's posterior, in standard deviations of people.

        Parameters
        ----------
        controls
            Of that site.
        """
        unseen, typical = self._unseen(), np.exp(self.variance_.coefficients[:, 0])
        return np.asarray(np.sqrt(1 / (typical / unseen.variance + controls)))

    def _site_posterior(
        self,
        left: np.ndarray,
        variance: np.ndarray,
        log_variance: np.ndarray,
        prior: SiteOffset,
    ) -> SiteOffset:
        known = np.isfinite(left)
        left = np.where(known, left, 0.0)
        shift = np.zeros(left.shape[1])
        precision = known.sum(axis=0) / 2 + 1 / prior.log_variance_variance
        for _ in range(TURNS):
            weights = known / (np.exp(log_variance + shift) + variance)
            certainty = weights.sum(axis=0) + 1 / prior.variance
            mean = (weights * left).sum(axis=0) / certainty
            squares = (left - mean) ** 2 * weights / (1 - weights / certainty)
            squares = np.clip(squares, 0, LARGEST_SQUARE)
            shift = (known * (shift + squares - 1)).sum(axis=0) / 2 / precision
        return SiteOffset(mean, 1 / certainty, shift, 1 / precision, int(known.any(axis=1).sum()))

    def _unseen(self) -> SiteOffset:
        """A site of which nothing is known."""
        nothing = np.zeros(len(self.centre_))
        return SiteOffset(
            nothing, 1 / self.mean_.penalties[:, SITES],
            nothing, 1 / self.variance_.penalties[:, SITES],
        )  # fmt: skip

    def _standardise(self, values: np.ndarray, people: People) -> None:
        known = np.isfinite(values)
        counts = known.sum(axis=0)
        filled = np.where(known, values, 0.0)
        mean = filled.sum(axis=0) / np.maximum(counts, 1)
        spread = np.sqrt(
            (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(counts, 1)
        )
        varies = spread > 1e-9 * (np.abs(mean) + spread)
        self.charted_ = (counts >= self.min_controls) & varies
        self.centre_ = np.where(self.charted_, mean, 0.0)
        self.spread_ = np.where(self.charted_, spread, 1.0)
        self.counts_ = counts
        self.low_age_, self.high_age_ = float(people.age.min()), float(people.age.max())
        self.head_mean_, self.head_spread_ = 0.0, 1.0
        head = people.head_size
        if head is not None and np.isfinite(head).sum() > 2 and np.nanstd(head) > 0:
            self.head_mean_, self.head_spread_ = float(np.nanmean(head)), float(np.nanstd(head))

    def _columns(self, people: People) -> tuple[np.ndarray, np.ndarray]:
        """What the regressions see of people, shape (people, columns), and the columns' groups."""
        age = self.age_.transform(people.age)
        sex = np.nan_to_num(np.asarray(people.female, float) - 0.5)[:, None]
        head = np.zeros(len(people))
        if people.head_size is not None:
            head = np.nan_to_num((people.head_size - self.head_mean_) / self.head_spread_)
        sites = people.site.astype(str)[:, None] == np.array(self.sites_, dtype=object)[None]
        parts = [
            (np.ones((len(people), 1)), FREE), (sex, SLOPES), (head[:, None], FREE),
            (age[:, :1], SLOPES), (age[:, 1:], BENDS), (sites.astype(float), SITES),
            (sex * age, OF_SEX),
        ]  # fmt: skip
        groups = np.concatenate([np.full(part.shape[1], group) for part, group in parts])
        return np.hstack([part for part, _ in parts]), groups

    def _turns(
        self, scaled: np.ndarray, columns: np.ndarray, known: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and log variance in turn; residuals, log variance and leverage of the controls."""
        markers = scaled.shape[1]
        products = pair_products(columns)
        without_head = self._shut_columns(np.ones(markers, dtype=bool))
        shut = without_head if self.adjusted is None else self._shut_columns(~self.adjusted)
        mean = Posterior.start(markers, self.groups_, MEAN_PRIORS)
        variance = Posterior.start(
            markers, np.where(self.groups_ == SLOPES, LEVELS, self.groups_), VARIANCE_PRIORS
        )
        log_variance = np.zeros(scaled.shape)
        for turn in range(TURNS):
            weights = np.exp(-log_variance) * known
            mean = learnt_posterior(
                mean, columns, products, weights, scaled, shut, rounds=3 if turn else 10
            )
            residuals = scaled - mean.means(columns)
            leverage = np.clip(mean.variances(products) * weights, 0.0, 0.8)
            squares = residuals**2 / (1 - leverage)
            if not turn:
                level = (squares * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
                log_variance = np.broadcast_to(
                    np.log(np.where(self.charted_, level, 1.0)), scaled.shape
                )
            relative = np.clip(squares * np.exp(-log_variance), 0, LARGEST_SQUARE)
            variance = learnt_posterior(
                variance, columns, products, known * (1 - leverage) / 2,
                log_variance + relative - 1, without_head, rounds=2 if turn else 5,
            )  # fmt: skip
            log_variance = np.clip(
                variance.means(columns), -FARTHEST_LOG_VARIANCE, FARTHEST_LOG_VARIANCE
            )
        self.mean_, self.variance_ = mean, variance
        return residuals, log_variance, leverage

    def _shut_columns(self, unadjusted: np.ndarray) -> np.ndarray:
        """Which columns are not seen by which marker, shape (markers, columns)."""
        shut = np.zeros((len(unadjusted), len(self.groups_)), dtype=bool)
        shut[:, 2] = unadjusted
        return shut

    def _expected(
        self, people: People, *, unseen: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean, its variance, log variance and its degrees of freedom, each (people, markers)."""
        columns, _ = self._columns(people)
        products = pair_products(columns)
        mean, variance = self.mean_.means(columns), self.mean_.variances(products)
        log_variance = self.variance_.means(columns)
        doubt = self.variance_.variances(products)
        for site in sorted(set(people.site.astype(str)) - set(self.sites_)) if unseen else ():
            offset = self.site_offsets_.get(site, self._unseen())
            there = people.site.astype(str) == site
            mean[there] += offset.mean
            variance[there] += offset.variance
            log_variance[there] += offset.log_variance
            doubt[there] += offset.log_variance_variance
        log_variance = np.clip(log_variance, -FARTHEST_LOG_VARIANCE, FARTHEST_LOG_VARIANCE)
        return mean, variance, log_variance, 2 / np.maximum(doubt, 1e-6)


def _normal_of_t(t: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Student's t as a score of the normal (Wallace 1959, Ann. Math. Statist. 30, 1121)."""
    factor = (8 * degrees + 1) / (8 * degrees + 3)
    return np.asarray(factor * np.sign(t) * np.sqrt(degrees * np.log1p(t**2 / degrees)))


def _t_of_normal(score: float, degrees: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_normal_of_t` for one score."""
    factor = (8 * degrees + 1) / (8 * degrees + 3)
    return np.asarray(
        np.sign(score)
        * np.sqrt(degrees * np.expm1(np.minimum((score / factor) ** 2 / degrees, 50.0)))
    )
