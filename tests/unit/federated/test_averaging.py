"""Averaging learns what pooled people teach; with noise it says what of a person is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.federated.hospitals import together

from commissure.errors import ConfigError, DatasetError
from commissure.federated import averaging, logistic, privacy_budget
from commissure.federated.averaging import Averaging, averaged
from commissure.federated.coordinator import Moments
from commissure.federated.privacy_budget import Spent, epsilon_of, needed_noise
from commissure.federated.site import Site
from commissure.federated.site_learning import (
    LocalSteps,
    LogisticLearner,
    clipped,
    flattened,
    local_difference,
    shaped,
)

MARKERS = 6
CENTRE, SCALE = np.zeros(MARKERS), np.ones(MARKERS)


def labelled(shares=(0.5, 0.5, 0.5), seed=0, people=120, shift=0.0) -> list[Site]:
    """Sites whose labels follow one logistic model; shares of patients and means may differ."""
    rng = np.random.default_rng(seed)
    slopes = np.array([1.0, -0.8, 0.6, 0.0, 0.0, 0.3])
    sites = []
    for number, share in enumerate(shares):
        x = rng.normal(size=(40 * people, MARKERS)) + shift * rng.normal(size=MARKERS)
        y = (rng.random(len(x)) < 1 / (1 + np.exp(-x @ slopes))).astype(float)
        n = people + 17 * number
        chosen = np.concatenate(
            [np.flatnonzero(y == 1)[: int(n * share)], np.flatnonzero(y == 0)[: n - int(n * share)]]
        )
        x, y = x[chosen], y[chosen]
        sites.append(Site(f"site{number}", x, y[:, None], y, noise_seed=number))
    return sites


def pooled_by_newton(sites, ridge):
    """The model that gradient steps on everybody end at."""
    count = sum(len(site.labels) for site in sites)
    scale = Moments(np.full(MARKERS, count), CENTRE, SCALE)
    return logistic.logistic(together(sites), scale, ridge=ridge * count).coefficients


def test_one_step_a_round_ends_where_pooled_people_do():
    sites = labelled()
    how = Averaging(rounds=400, local=LocalSteps(steps=1, rate=1.0, ridge=1e-2))
    found = averaged(together(sites), CENTRE, SCALE, how)
    known = pooled_by_newton(sites, 1e-2)
    # The intercept has the same penalty here, and is near 0.
    np.testing.assert_allclose(found.weights[0], known[1:], atol=2e-3)
    assert found.epsilon == float("inf") and found.differences.shape == (400, 3, MARKERS + 1)


@pytest.mark.parametrize(("shares", "shift"), [((0.5, 0.5, 0.5), 0.0), ((0.8, 0.2, 0.5), 0.5)])
def test_several_steps_are_pooled_within_noise_and_fedprox_is_nearer(shares, shift):
    sites = labelled(shares, shift=shift)
    test = labelled((0.5,), seed=9, people=2000)[0]
    known = pooled_by_newton(sites, 0.0)
    away, auc = {}, {}
    for proximal in (0.0, 2.0):
        local = LocalSteps(steps=10, rate=0.3, proximal=proximal)
        found = averaged(together(sites), CENTRE, SCALE, Averaging(rounds=150, local=local))
        away[proximal] = float(np.linalg.norm(found.weights[0] - known[1:]))
        auc[proximal] = area(test, found.weights[0])
    expected = area(test, known[1:])
    assert abs(auc[0.0] - expected) < 0.01 and abs(auc[2.0] - expected) < 0.01
    assert away[2.0] < away[0.0] if shift else max(away.values()) < 0.1
    alone = local_difference(
        LogisticLearner(), [np.zeros(MARKERS), np.zeros(1)], sites[0].markers, sites[0].labels,
        LocalSteps(steps=1000, most_change=100.0), np.random.default_rng(0),
    )  # fmt: skip
    assert auc[0.0] > area(test, alone[:MARKERS]) - 0.002


def area(site, slopes) -> float:
    scores = site.markers @ slopes
    pos, neg = np.sort(scores[site.labels == 1]), scores[site.labels == 0]
    return float(1 - np.searchsorted(pos, neg).mean() / len(pos))


def test_any_list_of_arrays_is_averaged(monkeypatch):
    """A network of two layers, its gradients by differences."""

    class TwoLayers:
        def start(self, markers, seed):
            rng = np.random.default_rng(seed)
            return [rng.normal(size=(markers, 3)) / 2, np.zeros(3), rng.normal(size=(3, 1))]

        def gradients(self, weights, x, y):
            first, shift, last = weights
            hidden = np.tanh(x @ first + shift)
            left = 1 / (1 + np.exp(-(hidden @ last)[:, 0])) - y
            back = left[:, None] * last[:, 0] * (1 - hidden**2)
            return [x[:, :, None] * back[:, None], back, (left[:, None] * hidden)[:, :, None]]

    monkeypatch.setitem(averaging.LEARNERS, "layers", TwoLayers())
    sites = labelled()
    how = Averaging("layers", rounds=60, local=LocalSteps(steps=5, rate=0.5))
    found = averaged(together(sites), CENTRE, SCALE, how)
    assert [array.shape for array in found.weights] == [(MARKERS, 3), (3,), (3, 1)]
    test = labelled((0.5,), seed=9, people=1000)[0]
    scores = np.tanh(test.markers @ found.weights[0] + found.weights[1]) @ found.weights[2]
    assert area(replace(test, markers=scores), np.ones(1)) > 0.75
    arrays = TwoLayers().start(4, 0)
    for again, array in zip(shaped(flattened(arrays), arrays), arrays, strict=True):
        np.testing.assert_array_equal(again, array)


def test_nobody_counts_for_more_than_the_clip_and_no_site_either():
    rows = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(clipped(rows, 1.0), [[0.6, 0.8], [0.3, 0.4], [0, 0]])
    sites = labelled()
    how = LocalSteps(steps=1, rate=1.0, person_clip=0.1, most_change=1e3)
    x, y = sites[0].markers, sites[0].labels
    begun = [np.zeros(MARKERS), np.zeros(1)]
    rng = np.random.default_rng(0)
    one = local_difference(LogisticLearner(), begun, x, y, how, rng)
    x = x.copy()
    x[0] = 1e6  # one person, as far away as can be
    other = local_difference(LogisticLearner(), begun, x, y, how, rng)
    assert len(x) * np.linalg.norm(one - other) <= 2 * 0.1 + 1e-12
    liar = together(sites)
    liar.sites["site1"] = lambda request: scaled_up(sites[1].answer(request))
    with pytest.raises(DatasetError, match="site site1: its difference cannot be those of"):
        averaged(liar, CENTRE, SCALE, Averaging(local=LocalSteps(most_change=1.0)))


def scaled_up(message):
    return replace(message, arrays={**message.arrays, "weighted": np.full(MARKERS + 1, 1e3)})


def test_noise_is_of_the_size_that_was_asked_for_and_never_the_same():
    site = labelled()[0]
    how = LocalSteps(steps=1, rate=1.0, person_clip=0.5, noise=3.0, most_change=1e9)
    begun, rng = [np.zeros(MARKERS), np.zeros(1)], np.random.default_rng(1)
    drawn = np.array([
        local_difference(LogisticLearner(), begun, site.markers, site.labels, how, rng)
        for _ in range(600)
    ])  # fmt: skip
    assert drawn.std(axis=0) * len(site.labels) == pytest.approx(np.full(7, 1.5), rel=0.1)
    assert len(np.unique(drawn[:, 0])) == 600


def test_without_an_accountant_nothing_is_called_private(monkeypatch):
    monkeypatch.setattr(privacy_budget, "find_spec", lambda name: None)
    local = LocalSteps(person_clip=1.0, noise=1.0)
    with pytest.raises(ConfigError, match="the extra federated"):
        averaged(together(labelled()), CENTRE, SCALE, Averaging(local=local))


def test_the_accountant_knows_the_gaussian_mechanism():
    pytest.importorskip("dp_accounting", reason="the extra 'federated' is not installed")
    # One Gaussian mechanism in closed form (Balle and Wang 2018, ICML): delta of epsilon.
    from scipy.stats import norm

    noise, epsilon = 2.0, 1.0
    delta = norm.cdf(0.5 / noise - epsilon * noise) - np.exp(epsilon) * norm.cdf(
        -0.5 / noise - epsilon * noise
    )
    # Renyi's bound is no less than the truth, and not much more.
    assert epsilon <= epsilon_of([Spent(noise, 1)], float(delta)) < 1.3 * epsilon
    # Steps add up as one mechanism with less noise.
    assert epsilon <= epsilon_of([Spent(noise * 5, 25)], float(delta)) < 1.3 * epsilon
    for wanted in (1.0, 8.0):
        least = needed_noise(wanted, 30, 1e-3)
        assert wanted * 0.97 < epsilon_of([Spent(least, 30)], 1e-3) <= wanted * 1.001
