"""The coordinator: asks sites for sums and makes of them what pooled people would give.

It sees no person. What it computes is equal to the same computation on pooled people: to rounding
for means, regressions and components, to the tolerance of the iteration for the logistic model, and
to the last bit for an AUC within site.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg, stats

from commissure.errors import DatasetError
from commissure.federated.allowed import (
    MIN_PEOPLE,
    MIN_SITES,
    Message,
    refuse_unless_allowed,
)
from commissure.federated.site import Request

#: Answers a request, here or far away.
Answerer = Callable[[Request], Message]
#: Relative change of the log likelihood at which the logistic model is found, and steps until then.
CONVERGED, MOST_STEPS = 1e-12, 50


@dataclass
class Federation:
    """Sites that compute together.

    Attributes
    ----------
    sites
        What answers for each site, by name.
    min_people, min_sites
        Fewer people of a site, or fewer sites, and nothing is computed.
    lost
        Sites that no longer answer, with the cause; they are in no result.
    """

    sites: dict[str, Answerer]
    min_people: int = MIN_PEOPLE
    min_sites: int = MIN_SITES
    lost: dict[str, str] = field(default_factory=dict)
    _round: int = 0
    _people: dict[tuple[str, str, bool], int] = field(default_factory=dict)

    def ask(self, kind: str, *, of: Sequence[str] | None = None, **given: Any) -> list[Message]:
        """Ask the sites, and check what they say.

        Parameters
        ----------
        kind
            Kind of the answer.
        of
            Whom to ask; all by default.

        Returns
        -------
        list of Message
            In the order of the sites.

        Raises
        ------
        SiteLost
            A site no longer answers: what was begun with it begins again without it.
        DatasetError
            An answer is not allowed, belongs to another round or site, or contradicts what the
            site said before of its people; or too few sites are left.
        """
        self._round += 1
        names = list(self.sites if of is None else of)
        if len(self.sites) < self.min_sites:
            lost = "".join(f"; {name} was lost: {why}" for name, why in self.lost.items())
            raise DatasetError(
                "the federation", found=f"{len(self.sites)} sites are left{lost}",
                wanted=f"at least {self.min_sites}: the sum of few tells what another sent",
                mend="Wait for more sites",
            )  # fmt: skip
        answers = []
        for name in names:
            try:
                message = self.sites[name](Request(kind, self._round, given))
            except (OSError, TimeoutError) as error:
                self.lost[name] = str(error) or type(error).__name__
                del self.sites[name]
                raise SiteLost(name) from error
            self._check(message, name, kind, "slopes" in given)
            answers.append(message)
        return answers

    def _check(self, message: Message, name: str, kind: str, left: bool) -> None:
        refuse_unless_allowed(message, min_people=self.min_people)
        if (message.site, message.kind, message.round) != (name, kind, self._round):
            raise DatasetError(
                f"site {name}",
                found=f"an answer of {message.site} to round {message.round} ({message.kind})",
                wanted=f"an answer to round {self._round} ({kind})",
                mend="An old answer was sent again, or another site answered: check who did",
            )  # fmt: skip
        before = self._people.setdefault((name, kind, left), message.people)
        if before != message.people:
            raise DatasetError(
                f"site {name}",
                found=f"it speaks of {message.people} people, and of {before} before",
                wanted="the same people in every round",
                mend="Begin again once the site's table is settled",
            )  # fmt: skip
        _refuse_impossible(message)


class SiteLost(Exception):
    """A site no longer answers."""


def _refuse_impossible(message: Message) -> None:
    """Sums that no people can have: of another number of people than is said, or made up."""
    arrays = message.arrays
    if message.kind == "sums":
        possible = arrays["squares"] * arrays["people"] - arrays["total"] ** 2
        scale = np.maximum(arrays["squares"] * arrays["people"], 1e-300)
        wrong = bool((possible < -1e-6 * scale).any())
    elif message.kind == "covariance":
        people = float(arrays["people"])
        spread = arrays["products"] - np.outer(arrays["total"], arrays["total"]) / max(people, 1)
        wrong = bool(np.linalg.eigvalsh(spread).min() < -1e-6 * max(np.trace(spread), 1e-300))
        wrong |= people != message.people
    elif message.kind == "wins":
        wrong = bool((arrays["won"] < 0).any() or (arrays["won"] > arrays["compared"]).any())
    elif message.kind == "gradient":
        wrong = float(arrays["people"]) != message.people or float(arrays["value"]) > 0
        wrong |= bool(np.abs(arrays["hessian"][0, 0]) > message.people / 4 + 1e-9)
    else:
        wrong = False
    if wrong:
        raise DatasetError(
            f"site {message.site}",
            found=f"its {message.kind} cannot be those of {message.people} people",
            wanted="sums over the people that it speaks of",
            mend="Compare the site's log of what left with what arrived",
        )  # fmt: skip


def restarted(federation: Federation, analysis: Callable[[], Any]) -> Any:
    """An analysis, begun again without a site that is lost on the way."""
    while True:
        try:
            return analysis()
        except SiteLost:
            continue


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each marker over all sites, and how many people have it."""

    people: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def added(answers: Sequence[Message], name: str) -> np.ndarray:
    """One array, added over the sites."""
    return np.sum([message.arrays[name] for message in answers], axis=0)


def moments(federation: Federation, *, of: Sequence[str] | None = None) -> Moments:
    """Mean and standard deviation of each marker.

    Two rounds: squares are those of differences from the mean, which loses no digits.

    Parameters
    ----------
    federation
        The sites.
    of
        Sites that take part; all by default.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    first = federation.ask("sums", of=of)
    people = added(first, "people")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = added(first, "total") / people
        second = federation.ask("sums", of=of, centre=np.nan_to_num(mean))
        squares = added(second, "squares") - added(second, "total") ** 2 / people
        sd = np.sqrt(squares / (people - 1))
    return Moments(people, mean, sd)


@dataclass(frozen=True)
class Regressions:
    """Each marker by the columns of the design, every site with an intercept of its own.

    Attributes
    ----------
    slopes, errors
        (markers, columns): coefficients and their standard errors.
    residual_sd
        (markers,): standard deviation of the residuals.
    people, freedom
        (markers,): people, and degrees of freedom of the residuals.
    p
        (markers, columns): two-sided.
    """

    slopes: np.ndarray
    errors: np.ndarray
    residual_sd: np.ndarray
    people: np.ndarray
    freedom: np.ndarray
    p: np.ndarray


def regressions(federation: Federation, ridge: float = 0.0) -> Regressions:
    """Linear regression of every marker, with an intercept for each site.

    Parameters
    ----------
    federation
        The sites.
    ridge
        Penalty on the squared slopes; 0 is least squares.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    answers = federation.ask("products")
    people, squares = added(answers, "people"), added(answers, "squares")
    columns, with_marker = added(answers, "columns"), added(answers, "with_marker")
    taking_part = np.sum([message.arrays["people"] > 0 for message in answers], axis=0)
    count, width = np.shape(with_marker)
    slopes, errors = np.full((count, width), np.nan), np.full((count, width), np.nan)
    freedom = people - taking_part - width
    residual_sd = np.full(count, np.nan)
    for marker in range(count):
        inner = columns[marker] + ridge * np.eye(width)
        if freedom[marker] < 1 or (width and np.linalg.matrix_rank(inner) < width):
            continue
        if not width:
            residual_sd[marker] = np.sqrt(squares[marker] / freedom[marker])
            continue
        slope = linalg.solve(inner, with_marker[marker], assume_a="pos")
        left = squares[marker] - 2 * slope @ with_marker[marker] + slope @ columns[marker] @ slope
        residual_sd[marker] = np.sqrt(max(left, 0.0) / freedom[marker])
        inverse = linalg.inv(inner)
        cover = inverse @ columns[marker] @ inverse
        slopes[marker], errors[marker] = slope, residual_sd[marker] * np.sqrt(np.diag(cover))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(slopes / errors), freedom[:, None])
    return Regressions(slopes, errors, residual_sd, people, freedom, p)


@dataclass(frozen=True)
class Components:
    """Principal components of standardised markers: (components, markers), and their variances."""

    axes: np.ndarray
    variances: np.ndarray
    people: int


def principal_components(federation: Federation, scale: Moments, count: int) -> Components:
    """Principal components of the people who have every marker.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    answers = federation.ask("covariance", centre=scale.mean, scale=scale.sd)
    people = float(added(answers, "people"))
    total, products = added(answers, "total"), added(answers, "products")
    covariance = (products - np.outer(total, total) / people) / (people - 1)
    variances, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1].T[:count]
    # The sign of an axis is free: its largest weight is positive.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return Components(axes * signs[:, None], variances[::-1][:count], int(people))


@dataclass(frozen=True)
class Logistic:
    """A logistic model of standardised markers: intercept first, and the sites that it is of."""

    coefficients: np.ndarray
    scale: Moments
    sites: tuple[str, ...]


def logistic(
    federation: Federation, scale: Moments, *, ridge: float = 1.0, of: Sequence[str] | None = None
) -> Logistic:
    """Logistic regression by Newton's method: a round for each step.

    Parameters
    ----------
    federation
        The sites.
    scale
        What markers are standardised by.
    ridge
        Penalty: half of it times the squared coefficients, the intercept left free.
    of
        Sites that take part; all by default.

    Raises
    ------
    DatasetError
        It does not converge, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    names = tuple(federation.sites if of is None else of)
    width = len(scale.mean) + 1
    penalty = np.full(width, ridge)
    penalty[0] = 0.0
    beta, step = np.zeros(width), np.zeros(width)
    best = float("-inf")
    for _ in range(MOST_STEPS):
        answers = federation.ask(
            "gradient", of=names, coefficients=beta + step, centre=scale.mean, scale=scale.sd
        )
        tried = beta + step
        value = float(added(answers, "value") - 0.5 * penalty @ tried**2)
        if value < best - CONVERGED * abs(best):
            step = step / 2
            continue
        near = np.isfinite(best) and value - best <= CONVERGED * abs(value)
        beta, best = tried, value
        gradient = added(answers, "gradient") - penalty * beta
        hessian = added(answers, "hessian") + np.diag(penalty)
        if near:
            return Logistic(beta, scale, names)
        step = linalg.solve(hessian + 1e-12 * np.eye(width), gradient, assume_a="pos")
    raise DatasetError(
        "the logistic model", found=f"it did not converge in {MOST_STEPS} rounds",
        wanted="a model", mend="Take a larger --ridge",
    )  # fmt: skip


@dataclass(frozen=True)
class WithinSite:
    """AUC of pairs of one site, added over the sites; p of shuffled labels; NaN without pairs."""

    auc: float
    pairs: int
    p: float


def auc_within_site(
    federation: Federation,
    models: Sequence[tuple[str, Logistic]],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> WithinSite:
    """AUC within site of models, each applied to one site.

    Parameters
    ----------
    federation
        The sites.
    models
        A site, and the model that is applied there.
    permutations
        How often each site shuffles its labels.
    seed
        Of the shuffles.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    answers = [
        federation.ask(
            "wins", of=[name], coefficients=model.coefficients, centre=model.scale.mean,
            scale=model.scale.sd, permutations=permutations, seed=seed,
        )[0]
        for name, model in models
    ]  # fmt: skip
    compared = float(added(answers, "compared"))
    if not compared:
        return WithinSite(float("nan"), 0, float("nan"))
    won = added(answers, "won")
    beyond = int((won[1:] >= won[0]).sum())
    return WithinSite(float(won[0] / compared), int(compared), (beyond + 1) / (permutations + 1))


def left_out(federation: Federation, *, ridge: float = 1.0) -> list[tuple[str, Logistic]]:
    """For each site a model of all others, with their means and spreads alone.

    Raises
    ------
    DatasetError
        With the site left out fewer than two others remain, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    models = []
    for name in list(federation.sites):
        others = [other for other in federation.sites if other != name]
        scale = moments(federation, of=others)
        models.append((name, logistic(federation, scale, ridge=ridge, of=others)))
    return models
