"""A site: it holds people's values, and answers requests by what may leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import DatasetError
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
from commissure.federated.site_encoder import ENCODER_ANSWERS
from commissure.federated.site_models import MODEL_ANSWERS, training_markers
from commissure.models.chart_sums import People

if TYPE_CHECKING:
    from commissure.federated.masks import Masks
    from commissure.federated.privacy_budget import PrivacyBudget, Spent


@dataclass(frozen=True)
class Together:
    """The sites whose masks cancel: what each answers means something in the sum over all of them.

    Attributes
    ----------
    session
        Its name, which no other has.
    sites
        Their names.
    """

    session: str
    sites: tuple[str, ...]


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
    together
        Whose masks cancel; None where the answer is to be in the clear.
    """

    kind: str
    round: int
    given: Mapping[str, Any] = field(default_factory=dict)
    view: str = "markers"
    taking_part: int = MIN_SITES
    together: Together | None = None


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
    masks
        What a session of masked sums needs.
    only_masked
        Whether no sum leaves without a mask.
    trainings
        What is being learnt here, by name, between two averages.
    budget
        What may be told of a person in all; None for no limit.
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
    masks: Masks | None = None
    only_masked: bool = False
    budget: PrivacyBudget | None = None
    trainings: dict[str, Any] = field(default_factory=dict)
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
        counted = request.kind == "count"
        kind = str(request.given.get("of_kind")) if counted else request.kind
        compute = _ANSWERS.get(kind)
        if compute is None:
            raise DatasetError(
                f"site {self.name}", found=f"it was asked for '{kind}'",
                wanted=f"one of {sorted(_ANSWERS)}", mend="Nothing else may leave a site",
            )  # fmt: skip
        spent = None if self.budget is None else self.budget.spend(request, len(self.labels))
        people, arrays = compute(self, request.given)
        if counted:
            arrays = {"people": np.array(float(people))}
        message = Message(self.name, request.kind, request.round, people, arrays)
        return self.sent(message, request, spent)

    def sent(self, message: Message, request: Request, spent: Spent | None = None) -> Message:
        """A message that may leave, masked where that was asked for, and written down.

        It is the same for whatever leaves this site.

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
        if not ALLOWED[message.kind].clear:
            message = self._masked(message, request)
        if self.log is not None:
            append_log(message, self.log, {} if spent is None else {"private": asdict(spent)})
        return message

    def _masked(self, message: Message, request: Request) -> Message:
        if request.together is not None and self.masks is not None:
            return self.masks.masked(message, request)
        if request.together is not None or self.only_masked:
            raise DatasetError(
                f"site {self.name}, {message.kind}",
                found="a sum in the clear was asked for" if self.only_masked
                else "a masked sum was asked for, of a site that has no keys",
                wanted="masked sums and the extra federated" if self.only_masked
                else "the extra federated",
                mend="Start coordinator and sites with --masked, or none of them",
            )  # fmt: skip
        return message


Answer = tuple[int, dict[str, np.ndarray]]


def _sums(site: Site, given: Mapping[str, Any]) -> Answer:
    """Of markers, or with slopes of what the columns of the design leave of them."""
    values = training_markers(site, given)
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
        "sites": np.zeros(count),
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
        arrays["people"][marker], arrays["sites"][marker] = rows.sum(), 1.0
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


#: What is asked of a site, and how it is computed. What else a list allows, a hospital answers.
_ANSWERS: dict[str, Callable[[Site, Mapping[str, Any]], Answer]] = {
    "sums": _sums,
    "products": _products,
    "covariance": _covariance,
    **MODEL_ANSWERS,
    **CHART_ANSWERS,
    **ENCODER_ANSWERS,
}
