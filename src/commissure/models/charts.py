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
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from commissure.errors import DatasetError
from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import Posterior, learnt_posterior, pair_products
from commissure.models.chart_sums import (
    BENDS,
    FARTHEST_LOG_VARIANCE,
    LARGEST_SQUARE,
    LEVELS,
    OF_SEX,
    SITES,
    SLOPES,
    ChartScale,
    ChartSums,
    People,
    SumsOfPeople,
)
from commissure.models.sinh_arcsinh import normal_scores, shapes_of_sums, values_of_scores

#: Turns of mean and variance; six change no score by more than .002 on real tables.
TURNS = 8
#: Controls who have a marker, without whom it has no chart.
MIN_CONTROLS = 20
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


class ReferenceCharts(BaseEstimator):
    """Charts of many markers, learnt from controls.

    Parameters
    ----------
    adjusted
        Which markers are freed of head size: a mask of shape (markers,), or None for none.
    min_controls
        Controls with a marker, without whom it has no chart: its scores are NaN.
    knots
        Years between which age bends, in order, the lowest and the highest age included; None
        takes them from the controls. Controls beyond them are left out.

    Attributes
    ----------
    charted_
        Which markers have a chart, shape (markers,).
    sites_
        The sites that were learnt, sorted.
    low_age_, high_age_
        Years of the youngest and the oldest control: nobody beyond has a score.
    """

    def __init__(
        self,
        adjusted: np.ndarray | None = None,
        min_controls: int = MIN_CONTROLS,
        knots: np.ndarray | None = None,
    ):
        self.adjusted = adjusted
        self.min_controls = min_controls
        self.knots = knots

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
        if self.knots is not None:
            aged &= (people.age >= self.knots[0]) & (people.age <= self.knots[-1])
        if aged.sum() < self.min_controls:
            raise DatasetError(
                "reference charts",
                found=f"{int(aged.sum())} controls with an age",
                wanted=f"{self.min_controls} at least",
                mend="Add controls or a reference table, or lower normative.min_controls",
            )
        values, people = values[aged], people.some(aged)
        scale = self._scale(values, people)
        return self.fit_sums(scale, SumsOfPeople(values, people, scale))

    def fit_sums(self, scale: ChartScale, sums: ChartSums) -> ReferenceCharts:
        """Learn from sums over controls, wherever they are.

        Parameters
        ----------
        scale
            On what scale they are seen.
        sums
            Gives the sums of all of them.
        """
        self.age_, self.sites_ = scale.age, list(scale.sites)
        self.low_age_, self.high_age_ = scale.age.low_, scale.age.high_
        self.head_mean_, self.head_spread_ = scale.head_mean, scale.head_spread
        self.centre_, self.spread_, self.charted_ = scale.centre, scale.spread, scale.charted
        self.counts_ = scale.counts
        nobody = People(np.zeros(0), np.zeros(0), np.zeros(0, dtype=object))
        self.groups_ = scale.columns(nobody)[1]
        level = self._turns(sums)
        self.shape_ = shapes_of_sums(
            lambda shape: sums.shape_sums(self.mean_, level, self.variance_.coefficients, shape),
            len(scale.centre),
        )
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

    def _scale(self, values: np.ndarray, people: People) -> ChartScale:
        known = np.isfinite(values)
        counts = known.sum(axis=0)
        filled = np.where(known, values, 0.0)
        mean = filled.sum(axis=0) / np.maximum(counts, 1)
        spread = np.sqrt(
            (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(counts, 1)
        )
        charted = (counts >= self.min_controls) & varies(mean, spread)
        head_mean, head_spread = 0.0, 1.0
        head = people.head_size
        if head is not None and np.isfinite(head).sum() > 2 and np.nanstd(head) > 0:
            head_mean, head_spread = float(np.nanmean(head)), float(np.nanstd(head))
        return ChartScale(
            AgeSpline(knots=self.knots).fit(people.age), sorted(set(people.site.astype(str))),
            head_mean, head_spread, np.where(charted, mean, 0.0), np.where(charted, spread, 1.0),
            charted, counts,
        )  # fmt: skip

    def _columns(self, people: People) -> tuple[np.ndarray, np.ndarray]:
        """What the regressions see of people, shape (people, columns), and the columns' groups."""
        return ChartScale(
            self.age_, self.sites_, self.head_mean_, self.head_spread_, self.centre_, self.spread_,
            self.charted_, self.counts_,
        ).columns(people)  # fmt: skip

    def _turns(self, sums: ChartSums) -> np.ndarray:
        """Learn mean and log variance in turn.

        Returns
        -------
        numpy.ndarray
            Coefficients of the log variance under which the mean was learnt last.
        """
        markers, count = len(self.charted_), len(self.groups_)
        without_head = self._shut_columns(np.ones(markers, dtype=bool))
        shut = without_head if self.adjusted is None else self._shut_columns(~self.adjusted)
        mean = Posterior.start(markers, self.groups_, MEAN_PRIORS)
        variance = Posterior.start(
            markers, np.where(self.groups_ == SLOPES, LEVELS, self.groups_), VARIANCE_PRIORS
        )
        before = log_variance = np.zeros((markers, count))
        for turn in range(TURNS):
            before = log_variance
            mean = learnt_posterior(mean, sums.mean_sums(before), shut, rounds=3 if turn else 10)
            if not turn:
                squares, people = sums.level(mean, before)
                level = np.where(self.charted_, squares / np.maximum(people, 1), 1.0)
                log_variance = np.zeros((markers, count))
                log_variance[:, 0] = np.log(level)
            variance = learnt_posterior(
                variance, sums.variance_sums(mean, before, log_variance), without_head,
                rounds=2 if turn else 5,
            )  # fmt: skip
            log_variance = variance.coefficients
        self.mean_, self.variance_ = mean, variance
        return before

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


def varies(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Which markers differ between people by more than rounding."""
    return np.asarray(spread > 1e-9 * (np.abs(mean) + spread))


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
