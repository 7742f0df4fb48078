"""ComBat over sites is ComBat of the pooled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.federated.hospitals import MARKERS, pooled, simulated, together

from commissure.federated import combat, coordinator
from commissure.federated.site import Site


def pooled_combat(sites: list[Site]) -> np.ndarray:
    """ComBat of Johnson et al. on pooled people without gaps, written from the paper."""
    values, design, _, place = pooled(sites)
    batches = np.eye(len(sites))[place]
    x = np.column_stack([batches, design])
    beta = np.linalg.lstsq(x, values, rcond=None)[0]
    grand = batches.mean(axis=0) @ beta[: len(sites)]
    sd = np.sqrt(((values - x @ beta) ** 2).mean(axis=0))
    expected = grand + design @ beta[len(sites) :]
    z = (values - expected) / sd
    result = np.empty_like(z)
    for number in range(len(sites)):
        rows = place == number
        n = rows.sum()
        g, d = z[rows].mean(axis=0), z[rows].var(axis=0, ddof=1)
        m, v = d.mean(), d.var(ddof=1)
        a, b = m**2 / v + 2, m**3 / v + m
        gs, ds = g, d
        for _ in range(1000):
            gs = (n * g.var(ddof=1) * g + ds * g.mean()) / (n * g.var(ddof=1) + ds)
            ds = (b + 0.5 * ((z[rows] - gs) ** 2).sum(axis=0)) / (a + n / 2 - 1)
        result[rows] = (z[rows] - gs) / np.sqrt(ds)
    return result * sd + expected


@pytest.mark.parametrize("covariates", [0, 2])
@pytest.mark.parametrize("count", [3, 20])
def test_combat_is_that_of_the_pooled(count, covariates):
    sites = [
        replace(
            site,
            markers=np.nan_to_num(site.markers, nan=1e4) * (1 + 1e-5 * number),
            design=site.design[:, :covariates],
        )
        for number, site in enumerate(simulated(count))
    ]
    scale = combat.common_scale(together(sites))
    found = np.vstack([combat.harmonised(site, scale) for site in sites])
    np.testing.assert_allclose(found, pooled_combat(sites), rtol=0, atol=1e-6)


def test_combat_takes_out_the_scanner_and_keeps_age_and_group():
    rng = np.random.default_rng(2)
    sites = [
        replace(site, markers=site.markers * rng.uniform(0.999, 1.001, MARKERS))
        for site in simulated(6, people=(60, 90))
    ]
    before = coordinator.regressions(together(sites))
    scale = combat.common_scale(together(sites))
    even = [replace(site, markers=combat.harmonised(site, scale)) for site in sites]
    after = coordinator.regressions(together(even))
    np.testing.assert_allclose(after.slopes, before.slopes, atol=0.2 * np.abs(before.errors).max())

    def scatter(these):
        return np.std([np.nanmean(site.markers, axis=0) for site in these], axis=0)

    assert (scatter(even) < 0.2 * scatter(sites)).all()
    gaps = np.isnan(np.vstack([site.markers for site in sites]))
    assert np.array_equal(np.isnan(np.vstack([site.markers for site in even])), gaps)
