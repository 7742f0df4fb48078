import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from commissure.evaluation.auc import (
    auc,
    auc_by_labelling,
    auc_difference,
    auc_of_chance,
    delong_variance,
    hanley_mcneil_variance,
    newcombe_interval,
)
from commissure.evaluation.pairs import pairwise_comparisons


def test_pooled_auc_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    scores = np.round(rng.normal(size=80) + y, 1)
    found = auc([pairwise_comparisons(y, scores, np.zeros(80))])
    assert found.value == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    shares, _ = auc_by_labelling(y[:, None], scores[:, None], np.zeros(80))
    assert shares[0] == pytest.approx(found.value)


def test_within_site_is_the_mean_over_sites_weighted_by_pairs() -> None:
    rng = np.random.default_rng(1)
    site = np.repeat([0, 1, 2], [20, 30, 15])
    y = rng.integers(0, 2, 65)
    scores = rng.normal(size=65) + 3 * site
    expected = np.average(
        [roc_auc_score(y[site == s], scores[site == s]) for s in range(3)],
        weights=[(y[site == s] == 1).sum() * (y[site == s] == 0).sum() for s in range(3)],
    )
    assert auc([pairwise_comparisons(y, scores, site)]).value == pytest.approx(expected)


def test_delong_variance_by_hand() -> None:
    # Positives 3, 1; negatives 2, 0. Comparisons [[1, 1], [0, 1]]: AUC 0.75, placements 1 and 0.5
    # of the positives, 0.5 and 1 of the negatives; each sample variance 0.125, over 2 people each.
    y, scores = np.array([1, 1, 0, 0]), np.array([3.0, 1.0, 2.0, 0.0])
    pairs = pairwise_comparisons(y, scores, np.zeros(4))
    assert auc([pairs]).value == 0.75
    assert delong_variance(pairs) == pytest.approx(0.125 / 2 + 0.125 / 2)


def test_many_labellings_have_the_aucs_and_variances_of_each_alone() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, (60, 7))
    scores = np.round(rng.normal(size=(60, 7)) + labels, 1)
    scores[::9] = np.nan
    stratum = rng.integers(0, 6, 60)
    stratum[:2] = 9, 10  # alone in their strata
    aucs, variances = auc_by_labelling(labels, scores, stratum)
    for at in range(7):
        pairs = pairwise_comparisons(labels[:, at], scores[:, at], stratum)
        assert aucs[at] == pytest.approx(auc([pairs]).value, abs=1e-14)
        assert variances[at] == pytest.approx(delong_variance(pairs), abs=1e-14)
    nobody = auc_by_labelling(labels, scores, np.arange(60))
    assert np.isnan(nobody).all()


def test_a_widened_interval_says_so_and_is_wider_by_that() -> None:
    rng = np.random.default_rng(6)
    y = np.arange(60) % 2
    pairs = [pairwise_comparisons(y, rng.normal(size=60) + y, np.zeros(60))]
    plain, wide = auc(pairs), auc(pairs, 1.25)
    assert wide.value == plain.value
    assert wide.standard_error == pytest.approx(1.25 * plain.standard_error)
    assert wide.ci_low < plain.ci_low < plain.ci_high < wide.ci_high
    assert plain.record()["interval"] == "DeLong"
    assert wide.record()["interval"] == "DeLong, widened by 1.25 from permutations"


def test_delong_interval_covers_the_truth() -> None:
    # d = 1: AUC 0.7602 (golden.json, auc_from_d). 95 % of 300 +- 2.6 binomial standard errors.
    rng = np.random.default_rng(2)
    y = np.arange(80) % 2
    found = [
        auc([pairwise_comparisons(y, rng.normal(size=80) + y, np.zeros(80))]) for _ in range(300)
    ]
    covered = np.mean([one.ci_low <= 0.7602 <= one.ci_high for one in found])
    assert pytest.approx(covered, abs=2.6 * np.sqrt(0.95 * 0.05 / 300)) == 0.95


def test_repeats_do_not_make_the_interval_narrower_than_their_own() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(40) % 2
    base = rng.normal(size=40) + y
    rounds = [
        pairwise_comparisons(y, base + 0.1 * rng.normal(size=40), np.zeros(40)) for _ in range(5)
    ]
    once = np.mean([auc([one]).standard_error ** 2 for one in rounds])
    assert auc(rounds).standard_error ** 2 == pytest.approx(once)


def test_perfect_order_still_has_an_interval() -> None:
    y = np.array([1] * 6 + [0] * 6)
    found = auc([pairwise_comparisons(y, y * 1.0, np.zeros(12))])
    assert found.value == found.ci_high == 1.0
    assert 0.5 < found.ci_low < 0.95


def test_people_and_pairs_that_are_compared_are_counted() -> None:
    # Six people are scored; at site b nobody has the other label, and one positive has no score.
    y = np.array([1, 1, 0, 0, 1, 1])
    scores = np.array([0.9, 0.1, 0.3, 0.2, 0.8, np.nan])
    site = np.array(list("aaaaba"))
    counted = auc([pairwise_comparisons(y, scores, site)])
    assert (counted.n_compared, counted.pairs) == (4, 4)
    assert counted.record()["pairs"] == 4
    # Two repeats that compare the same pairs compare no more of them.
    assert auc([pairwise_comparisons(y, scores, site)] * 2).pairs == 4


def test_newcombe_interval_holds_the_ends_that_it_solves_for() -> None:
    for value, n1, n0 in ((0.7, 20, 30), (0.5, 1, 1), (1.0, 6, 6), (0.0, 6, 6)):
        low, high = newcombe_interval(value, n1, n0)
        assert low <= value <= high
        for end in (low, high):
            if 0 < end < 1:
                error = np.sqrt(hanley_mcneil_variance(end, n1, n0))
                assert abs(end - value) == pytest.approx(1.959964 * error, abs=1e-6)
    assert newcombe_interval(0.7, 200, 300)[0] == pytest.approx(0.651, abs=0.004)


def test_gaps_are_left_out_and_nobody_is_nothing() -> None:
    y = np.array([1, 1, 0, 0])
    scores = np.array([2.0, np.nan, 1.0, 3.0])
    assert auc([pairwise_comparisons(y, scores, np.zeros(4))]).value == 0.5
    assert np.isnan(auc([pairwise_comparisons(y, scores, np.arange(4))]).value)


def test_paired_difference_is_that_of_delong() -> None:
    rng = np.random.default_rng(7)
    y = np.arange(400) % 2
    first = rng.normal(size=400) + y
    second = first + 0.3 * rng.normal(size=400)
    pairs = [[pairwise_comparisons(y, one, np.zeros(400))] for one in (first, second)]
    gap = auc_difference(*pairs)
    assert gap.value == pytest.approx(roc_auc_score(y, first) - roc_auc_score(y, second))
    # The two scores agree nearly everywhere: the paired error is far below that of one AUC.
    assert gap.standard_error < 0.4 * auc(pairs[0]).standard_error
    # Bootstrap of the people as the yardstick.
    samples = []
    for _ in range(300):
        own = rng.integers(0, 400, 400)
        samples.append(roc_auc_score(y[own], first[own]) - roc_auc_score(y[own], second[own]))
    assert gap.standard_error == pytest.approx(np.std(samples), rel=0.2)


@pytest.mark.slow
def test_auc_of_chance_agrees_with_shuffling():
    rng = np.random.default_rng(6)
    labels = np.r_[np.ones(14), np.zeros(16)]
    areas = [roc_auc_score(labels, rng.normal(size=30)) for _ in range(2000)]
    assert auc_of_chance([(14, 16)]) == pytest.approx(np.quantile(areas, 0.95), abs=0.015)
    assert np.isnan(auc_of_chance([(0, 16)]))
    # Two equal sites: the variance halves, 0.5 + 1.645 * sqrt(31 / (12 * 224) / 2).
    assert auc_of_chance([(14, 16)] * 2) == pytest.approx(0.6249, abs=1e-4)
