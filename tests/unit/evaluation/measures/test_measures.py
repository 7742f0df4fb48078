"""Measures against hand-made, analytic and other people's answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, pearsonr
from sklearn.metrics import roc_auc_score
from statsmodels.duration.survfunc import SurvfuncRight

from commissure.evaluation.auc import auc
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.measures.concordance import precedes, survival_curve
from commissure.evaluation.measures.hand_till import class_probabilities
from commissure.evaluation.measures.registry import MEASURES
from commissure.evaluation.permutation import block_by_block

R, M, C = MEASURES["continuous"], MEASURES["classes"], MEASURES["time_to_event"]


def held(labels, logits, sites=None, fold=None, covariates=None):
    people = len(labels)
    return HeldOut(
        np.asarray(labels), np.array(["a"] * people) if sites is None else np.asarray(sites),
        np.array(["1"] * people) if fold is None else np.asarray(fold), np.asarray(logits, float),
        covariates,
    )  # fmt: skip


def test_r_of_one_site_and_fold_is_pearsons():
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    s = 0.5 * y + rng.normal(size=80)
    assert R.within(held(y, s)) == pytest.approx(pearsonr(y, s)[0], abs=1e-12)


def test_sites_and_covariates_cannot_make_a_correlation():
    rng = np.random.default_rng(1)
    site = np.repeat(["a", "b"], 300)
    severity = rng.normal(size=600)
    y = 5 * (site == "a") + 3 * severity + rng.normal(size=600)
    s = (site == "a") + severity + 0.01 * rng.normal(size=600)
    assert pearsonr(y, s)[0] > 0.8
    assert abs(R.within(held(y, s, site, covariates=severity[:, None]))) < 0.12


def test_the_error_of_r_is_that_of_large_samples():
    rng = np.random.default_rng(2)
    values, errors = [], []
    for _ in range(400):
        y = rng.normal(size=120)
        s = 0.6 * y + 0.8 * rng.normal(size=120)
        estimate = R.estimate([R.statistic(held(y, s), np.zeros(120))])
        values.append(estimate.value)
        errors.append(estimate.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)


def test_c_of_a_hand_made_cohort():
    # Events at 1, 3 and 3, censored at 2 and 3. Comparable: 1 with all four; each of the two events
    # at 3 with the one censored at 3, and not with each other.
    times = np.array([1.0, -2.0, 3.0, 3.0, -3.0])
    risk = np.array([2.0, 5.0, 1.0, 0.0, 0.0])
    # 1 beats 3, 3 and 3c and loses to 2c; 3 beats 3c; the other 3 ties with 3c.
    assert C.within(held(times, risk)) == pytest.approx((3 + 1 + 0.5) / 6)


def test_pairs_of_two_sites_and_of_two_folds_are_not_compared():
    times = np.array([1.0, 2.0, 3.0, 4.0])
    risk = np.array([4.0, 1.0, 2.0, 3.0])
    site = ["a", "a", "b", "b"]
    assert C.within(held(times, risk, site)) == pytest.approx(0.5)
    assert np.isnan(C.within(held(times, risk, site, ["1", "2", "1", "2"])))


def test_c_of_proportional_hazards_is_the_analytic_one():
    # Of two people with log hazards x and z the first has the event before with the probability
    # 1 / (1 + exp(z - x)); C is its mean over pairs that are ranked by x.
    rng = np.random.default_rng(3)
    beta = 1.2
    x = rng.normal(size=3000) * beta
    first, second = rng.normal(size=(2, 400000)) * beta
    expected = (1 / (1 + np.exp(-np.abs(first - second)))).mean()
    times = rng.exponential(np.exp(-x))
    assert C.within(held(times, x)) == pytest.approx(expected, abs=0.01)


def test_the_error_of_c_is_that_of_many_samples():
    rng = np.random.default_rng(4)
    values, errors = [], []
    for _ in range(300):
        x = rng.normal(size=80)
        times = rng.exponential(np.exp(-x))
        y = np.where(rng.random(80) < 0.3, -times * rng.random(80), times)
        estimate = C.estimate([C.statistic(held(y, x), np.zeros(80))])
        values.append(estimate.value)
        errors.append(estimate.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_who_is_known_to_come_first():
    assert precedes(np.array([2.0]), np.array([3.0, -3.0, 2.0, -2.0, -1.0])).tolist() == [
        [True, True, False, True, False]
    ]
    assert not precedes(np.array([-2.0]), np.array([3.0, -3.0])).any()


def test_kaplan_and_meiers_curve_is_that_of_statsmodels():
    rng = np.random.default_rng(5)
    times = np.round(rng.exponential(50, 60)) + 1
    event = rng.random(60) < 0.6
    curve = survival_curve(np.where(event, times, -times))
    theirs = SurvfuncRight(times, event.astype(int))
    at = np.isin(curve["time"], theirs.surv_times)
    expected = dict(zip(theirs.surv_times, theirs.surv_prob, strict=True))
    for time, free in zip(np.array(curve["time"])[at], np.array(curve["free"])[at], strict=True):
        assert free == pytest.approx(expected[time], abs=1e-12)


def test_hand_and_tills_m_is_that_of_scikit_learn():
    rng = np.random.default_rng(6)
    y = rng.integers(0, 4, 200)
    logits = rng.normal(size=(200, 4)) + 1.5 * (y[:, None] == np.arange(4))
    expected = roc_auc_score(y, class_probabilities(logits), multi_class="ovo", average="macro")
    assert M.within(held(y, logits)) == pytest.approx(expected, abs=1e-12)


def test_m_of_two_classes_is_the_auc():
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, 100)
    score = rng.normal(size=100) + y
    logits = np.column_stack([-score, score])
    estimate = M.estimate([M.statistic(held(y, logits), np.zeros(100))])
    two = auc([held(y, score).comparisons()])
    assert estimate.value == pytest.approx(two.value, abs=1e-12)
    assert estimate.standard_error == pytest.approx(two.standard_error, rel=1e-9)


def test_m_of_classes_at_the_corners_of_a_triangle_is_the_analytic_one():
    # The posterior of each class by Bayes; of two classes d apart, p of the first ranks with
    # Phi(d / sqrt 2) if the third were absent. With it, the exact value is an integral, here by
    # a million draws of another seed.
    corners = 2.0 * np.array([[1, 0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])

    def value(n, seed):
        rng = np.random.default_rng(seed)
        y = np.repeat([0, 1, 2], n)
        x = corners[y] + rng.normal(size=(3 * n, 2))
        density = norm.pdf(x[:, None, :] - corners).prod(axis=2)
        p = density / density.sum(axis=1, keepdims=True)
        return y, np.log(p / (1 - p))

    y, logits = value(100_000, 8)
    expected = roc_auc_score(y, class_probabilities(logits), multi_class="ovo")
    y, logits = value(500, 9)
    assert M.within(held(y, logits)) == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("kind", ["continuous", "classes", "time_to_event"])
def test_each_labelling_is_judged_as_if_alone(kind):
    rng = np.random.default_rng(10)
    people, labellings = 60, 4
    site, fold = rng.choice(["a", "b"], people), rng.choice(["1", "2", "3"], people)
    measure = MEASURES[kind]
    width = 3 if kind == "classes" else 1
    if kind == "classes":
        labels = rng.integers(0, 3, (people, labellings))
    else:
        labels = rng.exponential(size=(people, labellings)) * rng.choice([1, -1], people)[:, None]
    logits = rng.normal(size=(people, labellings * width))
    values, variances = measure.by_labelling(HeldOut(labels, site, fold, logits))
    for number in range(labellings):
        said = logits[:, number * width : (number + 1) * width]
        one = HeldOut(labels[:, number], site, fold, said if width > 1 else said[:, 0])
        statistic = measure.statistic(one, one.cells)
        assert values[number] == pytest.approx(statistic.value, abs=1e-12)
        assert variances[number] == pytest.approx((statistic.influence**2).sum(), rel=1e-9)
    parts = block_by_block(
        measure, HeldOut(labels, site, fold, logits), [slice(0, 1), slice(1, 3), slice(3, 4)]
    )
    np.testing.assert_allclose(parts, (values, variances), rtol=1e-12)
