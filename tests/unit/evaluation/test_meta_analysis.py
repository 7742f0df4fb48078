import math

import numpy as np
import pytest
from scipy.stats import t as student
from statsmodels.stats.meta_analysis import combine_effects

from commissure.evaluation.auc import hanley_mcneil_variance
from commissure.evaluation.meta_analysis import SiteAuc, random_effects

SITES = [SiteAuc(value, n1, n0) for value, n1, n0 in (
    (0.55, 20, 30), (0.81, 12, 15), (0.62, 40, 38), (0.48, 25, 20), (0.74, 9, 22), (0.66, 30, 30)
)]  # fmt: skip


def test_mean_heterogeneity_and_interval_are_those_of_statsmodels() -> None:
    values = np.array([site.value for site in SITES])
    pairs = np.array([site.n_positive * site.n_negative for site in SITES])
    common = values @ pairs / pairs.sum()
    variance = np.array([hanley_mcneil_variance(common, s.n_positive, s.n_negative) for s in SITES])
    peer = combine_effects(values, variance, method_re="dl", use_t=True)
    result = random_effects(SITES)
    assert result.value == pytest.approx(float(peer.mean_effect_re), abs=1e-12)
    assert result.tau2 == pytest.approx(float(peer.tau2), abs=1e-12)
    assert result.i2 == pytest.approx(float(peer.i2), abs=1e-12)
    error = max(float(peer.sd_eff_w_re_hksj), float(peer.sd_eff_w_re))
    width = student.ppf(0.975, 5) * error / (result.value * (1 - result.value))
    centre = math.log(result.value / (1 - result.value))
    assert result.ci_low == pytest.approx(1 / (1 + math.exp(width - centre)), abs=1e-9)
    assert result.prediction_low < result.ci_low < result.value < result.ci_high
    assert random_effects(SITES, 1.5).ci_low < result.ci_low


def test_a_new_site_lies_in_the_prediction_interval_in_95_of_100_cases() -> None:
    # True AUCs of sites scatter by 0.06. 120 draws: the SE of a coverage of 0.95 is 0.02.
    rng = np.random.default_rng(5)
    held = held_mean = 0
    for _ in range(120):
        n1, n0 = rng.integers(15, 60, (2, 10))
        true = np.clip(0.68 + 0.06 * rng.normal(size=11), 0.4, 0.95)
        error = [math.sqrt(hanley_mcneil_variance(t, a, b))
                 for t, a, b in zip(true[:10], n1, n0, strict=True)]  # fmt: skip
        values = np.clip(true[:10] + rng.normal(size=10) * error, 0, 1)
        result = random_effects([SiteAuc(*site) for site in zip(values, n1, n0, strict=True)])
        held += result.prediction_low <= true[10] <= result.prediction_high
        held_mean += result.ci_low <= 0.68 <= result.ci_high
    assert held / 120 >= 0.91 and 0.88 <= held_mean / 120 <= 0.99


def test_perfect_small_sites_do_not_outweigh_the_rest() -> None:
    # DeLong's variance of the small perfect site would be 0, its weight without bound.
    sites = [SiteAuc(1.0, 2, 2), SiteAuc(0.6, 50, 50), SiteAuc(0.62, 60, 40), SiteAuc(0.58, 40, 70)]
    assert random_effects(sites).value == pytest.approx(0.61, abs=0.01)


def test_few_sites_say_nothing_of_a_new_one() -> None:
    nobody = SiteAuc(math.nan, 3, 0)
    assert math.isnan(random_effects([SITES[0], nobody]).value)
    assert random_effects([SITES[0], nobody]).sites == 1
    two = random_effects(SITES[:2])
    assert math.isfinite(two.ci_low) and math.isnan(two.prediction_low)
