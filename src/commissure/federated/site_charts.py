"""What a site computes for reference charts: sums over its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import Posterior
from commissure.models.chart_sums import ChartScale, People, SumsOfPeople

if TYPE_CHECKING:
    from commissure.federated.site import Site

Answer = tuple[int, dict[str, np.ndarray]]


def fewest(people: np.ndarray) -> int:
    """The smallest number of people behind any marker that is told of."""
    present = people[people > 0]
    return int(present.min()) if present.size else 0


def chart_controls(site: Site, given: Mapping[str, Any]) -> tuple[np.ndarray, People]:
    """Markers of the controls within the ages that were agreed on, and who they are.

    A marker that fewer of them have than may leave is a gap in all of them.
    """
    people = site.people or People(*(np.full(len(site.labels), np.nan),) * 3)
    chosen = np.isfinite(people.age)
    chosen &= False if site.controls is None else site.controls
    if "knots" in given:
        knots = given["knots"]
        chosen &= (people.age >= knots[0]) & (people.age <= knots[-1])
    values = site.markers[chosen].copy()
    values[:, np.isfinite(values).sum(axis=0) < site.min_people] = np.nan
    some = people.some(chosen)
    head = some.head_size
    if head is not None and np.isfinite(head).sum() < site.min_people:
        head = None
    place = np.full(len(values), site.name, dtype=object)
    return values, People(some.age, some.female, place, head)


def scale_given(scale: ChartScale, knots: np.ndarray) -> dict[str, Any]:
    """A scale as it goes to the sites."""
    return {
        "knots": knots,
        **{f"age_{name}": array for name, array in scale.age.arrays().items()},
        "sites": list(scale.sites),
        "head_mean": scale.head_mean,
        "head_spread": scale.head_spread,
        "centre": scale.centre,
        "spread": scale.spread,
        "charted": scale.charted.astype(float),
        "counts": scale.counts.astype(float),
    }


def _sums(site: Site, given: Mapping[str, Any]) -> tuple[SumsOfPeople, np.ndarray]:
    age = {name[4:]: array for name, array in given.items() if name.startswith("age_")}
    scale = ChartScale(
        AgeSpline.of_arrays(age), given["sites"], given["head_mean"], given["head_spread"],
        given["centre"], given["spread"], given["charted"] > 0, given["counts"],
    )  # fmt: skip
    values, people = chart_controls(site, given)
    known = np.isfinite(values) & scale.charted
    return SumsOfPeople(values, people, scale), known.sum(axis=0)


def _mean(given: Mapping[str, Any]) -> Posterior:
    nothing = np.zeros(0)
    return Posterior(nothing, nothing, given["mean"], given["doubt"], nothing)


def _ages(site: Site, given: Mapping[str, Any]) -> Answer:
    """Rounded so that every step, and what lies beyond either end, is of enough people."""
    age = chart_controls(site, {})[1].age
    people = len(age)
    younger = (age[:, None] < given["ages"]).sum(axis=0)
    told, last = np.zeros(len(younger)), 0
    for number, count in enumerate(younger):
        if people - count < site.min_people:
            last = people
        elif count - last >= site.min_people:
            last = int(count)
        told[number] = last
    return people, {"people": np.array(float(people)), "younger": told}


def _age_products(site: Site, given: Mapping[str, Any]) -> Answer:
    age = chart_controls(site, given)[1].age
    columns = AgeSpline(knots=given["knots"]).summed_columns(age)
    return len(age), {"people": np.array(float(len(age))), "products": columns.T @ columns}


def _chart_sums(site: Site, given: Mapping[str, Any]) -> Answer:
    sums, people = _sums(site, given)
    if "mean" in given:
        answer = sums.variance_sums(_mean(given), given["log_variance"], given["level"])
    else:
        answer = sums.mean_sums(given["log_variance"])
    return fewest(people), {
        "people": people, "information": answer.information, "response": answer.response,
    }  # fmt: skip


def _chart_level(site: Site, given: Mapping[str, Any]) -> Answer:
    sums, people = _sums(site, given)
    squares, _ = sums.level(_mean(given), given["log_variance"])
    return fewest(people), {"people": people, "squares": squares}


def _chart_shape(site: Site, given: Mapping[str, Any]) -> Answer:
    sums, people = _sums(site, given)
    answer = sums.shape_sums(_mean(given), given["log_variance"], given["level"], given["shape"])
    return fewest(people), {
        "people": people, "likelihood": answer.likelihood, "gradient": answer.gradient,
        "curvature": answer.curvature,
    }  # fmt: skip


CHART_ANSWERS: dict[str, Callable[[Site, Mapping[str, Any]], Answer]] = {
    "ages": _ages,
    "age_products": _age_products,
    "chart_sums": _chart_sums,
    "chart_level": _chart_level,
    "chart_shape": _chart_shape,
}
