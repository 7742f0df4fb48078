"""Reference charts of controls at several sites, as those of pooled controls.

Sites agree on knots of age from counts of controls in steps of five years, and give sums in every
turn of :class:`~commissure.models.charts.ReferenceCharts`. The charts are those that pooled
controls give with these knots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.coordinator import moments
from commissure.federated.federation import Federation, added, names_of
from commissure.federated.site_charts import scale_given
from commissure.models.age_spline import INTERVALS, AgeSpline
from commissure.models.bayesian_regression import Posterior, WeightedSums
from commissure.models.chart_sums import ChartScale
from commissure.models.charts import MIN_CONTROLS, ReferenceCharts, varies
from commissure.models.sinh_arcsinh import ShapeSums

#: Ages below which controls are counted, in years.
AGES = np.arange(0.0, 121.0, 5.0)


def federated_charts(
    federation: Federation,
    *,
    adjusted: np.ndarray | None = None,
    min_controls: int = MIN_CONTROLS,
) -> ReferenceCharts:
    """Charts of the controls of all sites that have enough of them.

    Parameters
    ----------
    federation
        The sites.
    adjusted
        Which markers are freed of head size, shape (markers,); None for none.
    min_controls
        Controls with a marker, without whom it has no chart.

    Raises
    ------
    DatasetError
        Too few sites have controls, or they differ too little in age.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    knots, sites = age_knots(federation)
    # Who has enough controls may have too few within the ages.
    answers = federation.ask("age_products", of=sites, few_are_left_out=True, knots=knots)
    products, sites = added(answers, "products"), names_of(answers)
    age = AgeSpline(knots=knots).fit_products(products)
    of_controls = moments(federation, of=sites, among="controls", knots=knots)
    counts = of_controls.people
    spread = of_controls.sd * np.sqrt((counts - 1) / np.maximum(counts, 1))
    with np.errstate(invalid="ignore"):
        charted = (counts >= min_controls) & varies(of_controls.mean, spread)
    head_mean, head_spread = _head_size(federation, sites, knots)
    scale = ChartScale(
        age, sorted(sites), head_mean, head_spread, np.where(charted, of_controls.mean, 0.0),
        np.where(charted, spread, 1.0), charted, counts,
    )  # fmt: skip
    sums = FederatedSums(_Asked(federation, sites, scale_given(scale, knots)))
    return ReferenceCharts(adjusted, min_controls, knots).fit_sums(scale, sums)


class _Asked:
    """Asks the sites that take part, with what they need every time."""

    def __init__(self, federation: Federation, sites: list[str], given: Mapping[str, Any]) -> None:
        self._federation, self._sites, self._given = federation, sites, given

    def __call__(self, kind: str, **given: Any) -> list[Any]:
        return self._federation.ask(kind, of=self._sites, **self._given, **given)


class FederatedSums:
    """The sums of :class:`~commissure.models.chart_sums.ChartSums`, added over sites."""

    def __init__(self, ask: Callable[..., list[Any]]) -> None:
        self._ask = ask

    def mean_sums(self, log_variance: np.ndarray) -> WeightedSums:
        """Of the regression of the mean."""
        answers = self._ask("chart_sums", log_variance=log_variance)
        return WeightedSums(added(answers, "information"), added(answers, "response"))

    def level(self, mean: Posterior, log_variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared residuals of each marker, and how many people have it."""
        answers = self._ask("chart_level", **_given(mean), log_variance=log_variance)
        return added(answers, "squares"), added(answers, "people")

    def variance_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray
    ) -> WeightedSums:
        """Of the regression of the log variance."""
        answers = self._ask("chart_sums", **_given(mean), log_variance=log_variance, level=level)
        return WeightedSums(added(answers, "information"), added(answers, "response"))

    def shape_sums(
        self, mean: Posterior, log_variance: np.ndarray, level: np.ndarray, shape: np.ndarray
    ) -> ShapeSums:
        """Of the fit of the shape."""
        answers = self._ask(
            "chart_shape", **_given(mean), log_variance=log_variance, level=level, shape=shape
        )
        return ShapeSums(
            *(added(answers, name) for name in ("likelihood", "gradient", "curvature"))
        )


def _given(mean: Posterior) -> dict[str, np.ndarray]:
    return {"mean": mean.coefficients, "doubt": mean.covariances}


def age_knots(federation: Federation) -> tuple[np.ndarray, list[str]]:
    """Quantiles of age as far as counts tell them, and the sites that have enough controls."""
    answers = federation.ask("ages", few_are_left_out=True, ages=AGES)
    younger, people = added(answers, "younger"), float(added(answers, "people"))
    low = AGES[np.flatnonzero(younger == 0)[-1]] if (younger == 0).any() else AGES[0]
    high = AGES[np.flatnonzero(younger >= people)[0]]
    inside = slice(np.searchsorted(AGES, low), np.searchsorted(AGES, high) + 1)
    at = np.linspace(0, people, INTERVALS + 1)[1:-1]
    inner = np.interp(at, younger[inside], AGES[inside])
    knots = np.unique([low, *inner, high])
    if len(knots) < 3:
        raise DatasetError(
            "reference charts", found=f"all controls are between {low:.0f} and {high:.0f} years",
            wanted="controls of different ages", mend="Add controls of other ages",
        )  # fmt: skip
    return knots, names_of(answers)


def _head_size(federation: Federation, sites: list[str], knots: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, 0 and 1 where fewer than two sites know it."""
    try:
        head = moments(federation, of=sites, among="head size", knots=knots)
    except DatasetError:
        return 0.0, 1.0
    people, sd = float(head.people[0]), float(head.sd[0])
    if people < 3 or not sd > 0:
        return 0.0, 1.0
    return float(head.mean[0]), sd * float(np.sqrt((people - 1) / people))
