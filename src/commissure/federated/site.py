"""A site: it holds people's values, and answers requests by what may leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.evaluation.pairs import wins_by_labelling
from commissure.federated.allowed import (
    ALLOWED,
    MIN_PEOPLE,
    MIN_SITES,
    MIN_TOGETHER,
    Message,
    append_log,
    refuse_unless_allowed,
)
from commissure.federated.site_charts import CHART_ANSWERS, chart_controls, fewest
from commissure.federated.site_learning import LEARNERS, LocalSteps, local_difference, shaped
from commissure.models.chart_sums import People
from commissure.models.logistic import sigmoid


@dataclass(frozen=True)
class Request:
    """What a coordinator asks of every site.

    Attributes
    ----------
    kind
        One of :data:`commissure.federated.allowed.ALLOWED`.
    round
        Its number.
    given
        What the sites need for it: coefficients, means.
    view
        Which of a site's tables it is of.
    taking_part
        How many sites are asked the same.
    """

    kind: str
    round: int
    given: Mapping[str, Any] = field(default_factory=dict)
    view: str = "markers"
    taking_part: int = MIN_SITES


@dataclass
class Site:
    """People of one hospital.

    Attributes
    ----------
    name
        Its name.
    markers
        (people, markers), NaN where a person lacks one.
    design
        (people, columns): columns of a regression without intercept, such as group, age, sex. Who
        lacks one is in no regression.
    labels
        (people,) 1, 0, or NaN.
    log
        File of what left; none keeps no log.
    min_people
        Fewer people send nothing.
    people
        Age, sex and head size, for charts.
    controls
        (people,): who is a control.
    noise_seed
        Of the noise of privacy, for tests; without it nobody can draw the noise again.
    """

    name: str
    markers: np.ndarray
    design: np.ndarray
    labels: np.ndarray
    log: Path | None = None
    min_people: int = MIN_PEOPLE
    people: People | None = None
    controls: np.ndarray | None = None
    noise_seed: int | None = None
    _noise: np.random.Generator | None = None

    def noise_generator(self) -> np.random.Generator:
        """Where the noise of privacy comes from: no two steps have the same."""
        if self._noise is None:
            self._noise = np.random.default_rng(self.noise_seed)
        return self._noise

    def answer(self, request: Request) -> Message:
        """Answer a request.

        Raises
        ------
        DatasetError
            The answer may not leave.
        """
        compute = _ANSWERS.get(request.kind)
        if compute is None:
            raise DatasetError(
                f"site {self.name}", found=f"it was asked for '{request.kind}'",
                wanted=f"one of {sorted(_ANSWERS)}", mend="Nothing else may leave a site",
            )  # fmt: skip
        people, arrays = compute(self, request.given)
        return self.sent(Message(self.name, request.kind, request.round, people, arrays), request)

    def sent(self, message: Message, request: Request) -> Message:
        """A message that may leave, written down; the same for whatever leaves this site.

        Raises
        ------
        DatasetError
            It may not leave, or this site would be alone in the round.
        """
        refuse_unless_allowed(message, min_people=self.min_people)
        if request.taking_part < MIN_TOGETHER and not ALLOWED[message.kind].alone:
            raise DatasetError(
                f"site {self.name}, {message.kind}", found="it is alone in this round",
                wanted=f"at least {MIN_TOGETHER} sites: a sum over one site is that site's",
                mend="Wait for more sites",
            )  # fmt: skip
        if self.log is not None:
            append_log(message, self.log)
        return message


Answer = tuple[int, dict[str, np.ndarray]]


def _sums(site: Site, given: Mapping[str, Any]) -> Answer:
    """Of markers, or with slopes of what the columns of the design leave of them."""
    values = site.markers
    if given.get("among") == "controls":
        values = chart_controls(site, given)[0]
    elif given.get("among") == "head size":
        head = chart_controls(site, given)[1].head_size
        values = np.full((0, 1), np.nan) if head is None else head[:, None]
    values = values - given.get("centre", 0.0)
    if "slopes" in given:
        values = values - site.design @ np.asarray(given["slopes"]).T
    measured = np.isfinite(values)
    values = np.where(measured, values, 0.0)
    measured &= measured.sum(axis=0) >= site.min_people
    values = np.where(measured, values, 0.0)
    people = measured.sum(axis=0)
    arrays = {"people": people, "total": values.sum(axis=0), "squares": (values**2).sum(axis=0)}
    return fewest(people), arrays


def _products(site: Site, given: Mapping[str, Any]) -> Answer:
    """Within the site, that is freed of its mean: sites then have intercepts of their own."""
    complete = np.isfinite(site.design).all(axis=1)
    count, columns = site.markers.shape[1], site.design.shape[1]
    arrays = {
        "people": np.zeros(count),
        "columns": np.zeros((count, columns, columns)),
        "with_marker": np.zeros((count, columns)),
        "squares": np.zeros(count),
    }
    for marker in range(count):
        rows = complete & np.isfinite(site.markers[:, marker])
        x, y = site.design[rows], site.markers[rows, marker]
        if rows.sum() < site.min_people:
            continue
        x, y = x - x.mean(axis=0), y - y.mean()
        arrays["people"][marker] = rows.sum()
        arrays["columns"][marker] = x.T @ x
        arrays["with_marker"][marker] = x.T @ y
        arrays["squares"][marker] = y @ y
    return fewest(arrays["people"]), arrays


def _covariance(site: Site, given: Mapping[str, Any]) -> Answer:
    values = (site.markers - given["centre"]) / given["scale"]
    values = values[np.isfinite(values).all(axis=1)]
    arrays = {
        "people": np.array(float(len(values))),
        "total": values.sum(axis=0),
        "products": values.T @ values,
    }
    return len(values), arrays


def scaled_markers(site: Site, given: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Markers with an intercept, for a logistic model, and who has a label.

    What a person lacks is the mean of all sites, which is 0.
    """
    values = np.nan_to_num((site.markers - given["centre"]) / given["scale"])
    return np.column_stack([np.ones(len(values)), values]), np.isfinite(site.labels)


def _gradient(site: Site, given: Mapping[str, Any]) -> Answer:
    x, labelled = scaled_markers(site, given)
    x, y = x[labelled], site.labels[labelled]
    logits = x @ given["coefficients"]
    expected = sigmoid(logits)
    arrays = {
        "people": np.array(float(len(y))),
        "value": np.array(float((y * logits - np.logaddexp(0, logits)).sum())),
        "gradient": x.T @ (y - expected),
        "hessian": (x * (expected * (1 - expected))[:, None]).T @ x,
    }
    return len(y), arrays


def _difference(site: Site, given: Mapping[str, Any]) -> Answer:
    x, labelled = scaled_markers(site, given)
    x, y = x[labelled, 1:], site.labels[labelled]
    learner = LEARNERS[given["learner"]]
    weights = shaped(given["weights"], learner.start(x.shape[1], 0))
    difference = local_difference(
        learner, weights, x, y, LocalSteps.of(given), site.noise_generator()
    )
    return len(y), {"people": np.array(float(len(y))), "difference": difference}


def _wins(site: Site, given: Mapping[str, Any]) -> Answer:
    x, labelled = scaled_markers(site, given)
    scores, y = (x @ given["coefficients"])[labelled], site.labels[labelled]
    # The seed is the site's own business: shuffled labels of two sites are independent.
    rng = np.random.default_rng([int(given["seed"]), *site.name.encode()])
    labels = np.column_stack([y, *(rng.permutation(y) for _ in range(int(given["permutations"])))])
    tables = np.tile(scores[:, None], labels.shape[1])
    won, _ = wins_by_labelling(labels, tables, np.zeros(len(y), int))
    pairs = float((y == 1).sum() * (y == 0).sum())
    return len(y), {"won": (labels * won).sum(axis=0), "compared": np.array(pairs)}


#: What is asked of a site, and how it is computed. What else a list allows, a hospital answers.
_ANSWERS: dict[str, Callable[[Site, Mapping[str, Any]], Answer]] = {
    "sums": _sums,
    "products": _products,
    "covariance": _covariance,
    "gradient": _gradient,
    "wins": _wins,
    "difference": _difference,
    **CHART_ANSWERS,
}
