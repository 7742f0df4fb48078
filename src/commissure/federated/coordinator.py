"""What a coordinator makes of sums: means, regressions and components as of pooled people.

Equal to the same computation on pooled people to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, stats

from commissure.federated.federation import Federation, added


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each marker over all sites, and how many people have it."""

    people: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def moments(
    federation: Federation, *, of: Sequence[str] | None = None, among: str | None = None,
    knots: np.ndarray | None = None, without: Mapping[str, int] | None = None,
) -> Moments:  # fmt: skip
    """Mean and standard deviation of each marker.

    Two rounds: squares are those of differences from the mean, which loses no digits.

    Parameters
    ----------
    federation
        The sites.
    of
        Sites that take part; all by default.
    among
        ``controls``, or ``head size`` of them; sites that have too few are left out. Everybody's
        markers by default.
    knots
        Ages whose first and last the controls lie between.
    without
        ``without`` and ``folds``: the fold of people that is left out, and of how many.

    Raises
    ------
    DatasetError, SiteLost
        As :meth:`Federation.ask` says.
    """
    given: dict[str, Any] = {"among": among} if among else {}
    given |= {} if knots is None else {"knots": knots}
    given |= without or {}
    few = among is not None
    first = federation.ask("sums", of=of, few_are_left_out=few, **given)
    people = added(first, "people")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = added(first, "total") / people
        second = federation.ask(
            "sums", of=of, few_are_left_out=few, centre=np.nan_to_num(mean), **given
        )
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
    taking_part = added(answers, "sites")
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
