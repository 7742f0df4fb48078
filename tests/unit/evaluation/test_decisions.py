"""Decisions at a threshold against answers by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from commissure.evaluation.decision_curve import net_benefit
from commissure.evaluation.decisions import (
    ScoredPeople,
    decided,
    decisions,
    net_benefit_at,
    prior_shift,
    youden_threshold,
)
from commissure.evaluation.out_of_fold import out_of_fold
from commissure.markers.intervals import wilson_interval


def logit(p):
    return np.log(p) - np.log1p(-np.asarray(p))


def people(labels, probabilities, fold=None) -> ScoredPeople:
    fold = np.array(fold or ["0"] * len(labels))
    return ScoredPeople(np.array(labels), logit(np.array(probabilities)), fold)


# Four positive people, three of them at .5 or above; six negative people, two of them.
TEN = people([1] * 4 + [0] * 6, [0.9, 0.8, 0.5, 0.3, 0.7, 0.6, 0.4, 0.2, 0.2, 0.1])


def test_the_sample_by_hand() -> None:
    told = decided([TEN], 0.5)
    assert told["prevalence"] == 0.4 and told["threshold"] == 0.5
    assert told["sensitivity"]["value"] == pytest.approx(3 / 4)
    assert told["specificity"]["value"] == pytest.approx(4 / 6)
    assert (told["sensitivity"]["ci_low"], told["sensitivity"]["ci_high"]) == pytest.approx(
        wilson_interval(3, 4)
    )
    assert told["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert told["positive_predictive_value"] == pytest.approx(3 / 5)
    assert told["negative_predictive_value"] == pytest.approx(4 / 5)
    assert told["net_benefit"] == pytest.approx(3 / 10 - 2 / 10)
    assert told["net_benefit_all"] == pytest.approx(0.4 - 0.6)
    # Precision at each positive person, from the surest on.
    assert told["average_precision"] == pytest.approx((1 + 1 + 3 / 5 + 4 / 7) / 4)
    assert told["average_precision_chance"] == 0.4
    assert told["predicted"] == pytest.approx(0.47)


def test_a_declared_prevalence_by_hand() -> None:
    # Odds from 2/3 to 1/9: each is divided by 6, so that .5 is reached from 6/7 on.
    assert np.exp(prior_shift(0.4, 0.1)) == pytest.approx(1 / 6)
    told = decided([TEN], 0.5, 0.1)
    assert told["sensitivity"]["value"] == pytest.approx(1 / 4)
    assert told["specificity"]["value"] == 1.0
    assert told["positive_predictive_value"] == 1.0
    assert told["negative_predictive_value"] == pytest.approx(0.9 / (0.9 + 0.75 * 0.1))
    assert told["net_benefit"] == pytest.approx(0.025)
    # Odds of 1/8 there are odds of 6/8 in the sample, which the same five people reach.
    told = decided([TEN], 1 / 9, 0.1)
    assert told["sensitivity"]["value"] == pytest.approx(3 / 4)
    assert told["specificity"]["value"] == pytest.approx(4 / 6)
    assert told["positive_predictive_value"] == pytest.approx(0.075 / (0.075 + 0.3))
    assert told["net_benefit"] == pytest.approx(0.075 - 0.3 / 8)
    odds = np.array([9, 4, 1, 3 / 7, 7 / 3, 3 / 2, 2 / 3, 1 / 4, 1 / 4, 1 / 9]) / 6
    p = odds / (1 + odds)
    assert told["predicted"] == pytest.approx(0.1 * p[:4].mean() + 0.9 * p[4:].mean())
    assert told["brier"] == pytest.approx(
        0.1 * ((1 - p[:4]) ** 2).mean() + 0.9 * (p[4:] ** 2).mean()
    )


def test_net_benefit_is_that_of_dcurves_and_of_the_decision_curve() -> None:
    y, p = TEN.labels, 1 / (1 + np.exp(-TEN.logits))
    for threshold in (0.15, 0.35, 0.65):
        hit, right = (p[y == 1] >= threshold).mean(), (p[y == 0] < threshold).mean()
        told = net_benefit_at(hit, right, 0.4, threshold)
        assert told == pytest.approx(net_benefit(y, p, np.array([threshold]))[0])
        assert decided([TEN], threshold)["net_benefit"] == pytest.approx(told)
        same = decided([TEN], threshold, 0.2)["unshifted"]
        # dcurves.dca(prevalence=.2): tp_rate - threshold / (1 - threshold) * fp_rate.
        tp_rate, fp_rate = hit * 0.2, (1 - right) * 0.8
        assert net_benefit_at(hit, right, 0.2, threshold) == pytest.approx(
            tp_rate - threshold / (1 - threshold) * fp_rate
        )
        assert same["net_benefit"] == pytest.approx(tp_rate - threshold / (1 - threshold) * fp_rate)
        assert same["positive_predictive_value"] == pytest.approx(tp_rate / (tp_rate + fp_rate))


def test_calibration_at_a_prevalence_is_right_where_only_the_prevalence_differs() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(40000) % 2).astype(int)
    evidence = rng.normal(size=len(y)) + y  # log likelihood ratio: x - 1/2
    sample = ScoredPeople(y, evidence - 0.5, np.full(len(y), "0"))
    told = decided([sample], 0.1, 0.1)
    assert told["calibration_slope"] == pytest.approx(1, abs=0.05)
    assert told["calibration_intercept"] == pytest.approx(0, abs=0.05)
    assert told["predicted"] == pytest.approx(0.1, abs=0.003)
    # Those who forget the shift are off by it: the planted fault is seen.
    forgotten = ScoredPeople(y, evidence - 0.5 - prior_shift(0.5, 0.1), sample.fold)
    assert decided([forgotten], 0.1, 0.1)["calibration_intercept"] < -2


def test_weighted_calibration_is_the_most_likely_one() -> None:
    told = decided([TEN], 0.5, 0.2)
    shifted = TEN.logits + prior_shift(0.4, 0.2)
    weights = np.where(TEN.labels == 1, 0.5, 0.8 / 0.6)

    def loss(beta, slope=None):
        z = beta[0] + (beta[1] if slope is None else slope) * shifted
        return weights @ (np.logaddexp(0, z) - TEN.labels * z)

    both = minimize(loss, [0.0, 1.0], tol=1e-12).x
    assert told["calibration_slope"] == pytest.approx(both[1], abs=1e-4)
    offset = minimize(lambda a: loss(a, 1.0), [0.0], tol=1e-12).x
    assert told["calibration_intercept"] == pytest.approx(offset[0], abs=1e-4)


def test_youden_by_hand_is_learnt_from_other_folds() -> None:
    labels, scores = np.array([0, 0, 1, 0, 1, 1]), np.array([0.0, 1, 2, 3, 4, 5])
    # 4 and 5 alone: 2/3 + 1; from 2 on: 1 + 2/3. The lower one, half way to the next person.
    assert youden_threshold(labels, scores) == 1.5
    first = (labels, scores, np.full(6, "a"))
    moved = (labels, scores + 10, np.full(6, "b"))
    both = ScoredPeople(*(np.concatenate(part) for part in zip(first, moved, strict=True)))
    told = decided([both], "youden")
    # Fold a by the threshold 11.5 of b: nobody; fold b by 1.5 of a: everybody.
    assert told["sensitivity"]["value"] == told["specificity"]["value"] == 0.5
    at = decided([both], "youden", 0.1)
    assert at["sensitivity"] == told["sensitivity"]
    assert at["threshold"] < told["threshold"]


def test_nobody_taken_for_positive_has_no_predictive_value() -> None:
    told = decided([people([1, 0, 0], [0.3, 0.2, 0.4])], 0.5)
    assert np.isnan(told["positive_predictive_value"]) and told["net_benefit"] == 0
    assert told["negative_predictive_value"] == pytest.approx(2 / 3)


def test_a_study_tells_its_models_and_both_prevalences(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 2.0, "b": 2.0}, seed=3)
    scores, _ = out_of_fold(drawn.study, [drawn.spec], drawn.folds, lambda line: None)
    told = decisions(drawn.study, scores, ["late"])
    assert told["threshold"] == 0.5 and told["prevalence"] is None
    late = told["models"]["late"]
    assert (late["n"], late["n_positive"], late["declared"]) == (120, 60, None)
    assert late["sample"]["sensitivity"]["value"] > 0.8
    settings = drawn.study.settings.model_copy(update={"prevalence": 0.2})
    told = decisions(replace(drawn.study, settings=settings), scores, ["late"])
    declared = told["models"]["late"]["declared"]
    assert told["models"]["late"]["sample"] == late["sample"]
    assert declared["prevalence"] == declared["average_precision_chance"] == 0.2
    assert declared["sensitivity"]["value"] <= late["sample"]["sensitivity"]["value"]
