"""ComBat over sites: what is of the scanner is taken out of markers, and each site does so itself.

The sites agree on slopes of covariates, means and residual spreads of all people, which are sums.
How far its own markers lie from those, and the empirical Bayes prior of that, a site needs and
learns alone: its people's values stay where they are.

References
----------
Johnson WE, Li C, Rabinovic A, Biostatistics 8:118-127, 2007 (parametric); Fortin J-P et al.,
NeuroImage 167:104-120, 2018 (with covariates); Chen AA et al., Privacy-preserving harmonization via
distributed ComBat, NeuroImage 248:118822, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.errors import DatasetError
from commissure.federated.coordinator import regressions
from commissure.federated.federation import Federation, added
from commissure.federated.site import Site

#: Relative change at which location and scale of a site are found, and steps until then.
CONVERGED, MOST_STEPS = 1e-8, 500


@dataclass(frozen=True)
class CommonScale:
    """What the sites agree on.

    Attributes
    ----------
    slopes
        (markers, columns): of the columns of the design, which are kept.
    mean, sd
        (markers,): mean of all people at columns of 0, and SD of what columns and sites leave.
    """

    slopes: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def common_scale(federation: Federation) -> CommonScale:
    """What the sites need to harmonise, from two rounds of sums.

    Raises
    ------
    DatasetError
        A marker cannot be fitted, or as :meth:`Federation.ask` says.
    SiteLost
        As :meth:`Federation.ask` says.
    """
    fitted = regressions(federation)
    if not np.isfinite(fitted.slopes).all() or not (fitted.residual_sd > 0).all():
        raise DatasetError(
            "ComBat",
            found="a marker that does not vary, or a covariate that is the same everywhere",
            wanted="markers and covariates that vary", mend="Leave them out",
        )  # fmt: skip
    answers = federation.ask("sums", slopes=fitted.slopes)
    people = added(answers, "people")
    # ComBat divides by the people and not by the degrees of freedom.
    sd = fitted.residual_sd * np.sqrt(fitted.freedom / fitted.people)
    return CommonScale(fitted.slopes, added(answers, "total") / people, sd)


def harmonised(site: Site, scale: CommonScale) -> np.ndarray:
    """Markers of a site without what is of its scanner; this stays at the site.

    Parameters
    ----------
    site
        The site.
    scale
        What the sites agreed on.

    Returns
    -------
    numpy.ndarray
        (people, markers). NaN where a marker or a covariate is missing.

    Raises
    ------
    DatasetError
        The site has fewer than two markers, so that there is no prior.
    """
    if site.markers.shape[1] < 2:
        raise DatasetError(
            f"site {site.name}", found="one marker", wanted="at least two: they give the prior",
            mend="Harmonise more markers together",
        )  # fmt: skip
    expected = scale.mean + site.design @ scale.slopes.T
    z = (site.markers - expected) / scale.sd
    location, spread = _location_and_spread(z)
    return (z - location) / np.sqrt(spread) * scale.sd + expected


def _location_and_spread(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each standardised marker, drawn towards those of all markers."""
    people = np.isfinite(z).sum(axis=0)
    mean, variance = np.nanmean(z, axis=0), np.nanvar(z, axis=0, ddof=1)
    prior_mean, prior_variance = mean.mean(), mean.var(ddof=1)
    centre, width = variance.mean(), max(variance.var(ddof=1), 1e-12)
    shape = (2 * width + centre**2) / width
    rate = (centre * width + centre**3) / width
    location, spread = mean, variance
    for _ in range(MOST_STEPS):
        before = location, spread
        location = (people * prior_variance * mean + spread * prior_mean) / (
            people * prior_variance + spread
        )
        squares = (people - 1) * variance + people * (mean - location) ** 2
        spread = (0.5 * squares + rate) / (people / 2 + shape - 1)
        moved = max(
            float(np.max(np.abs(new - old) / np.maximum(np.abs(old), 1e-12)))
            for new, old in zip((location, spread), before, strict=True)
        )
        if moved < CONVERGED:
            break
    return location, spread
