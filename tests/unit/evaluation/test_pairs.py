import numpy as np
import pytest

from commissure.evaluation.pairs import (
    TIE,
    difference_of,
    distinct_pairs,
    pairwise_comparisons,
    together,
    wins_by_labelling,
)


def by_hand(y: np.ndarray, s: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair looked at, one after the other."""
    won, compared = np.zeros(len(y)), np.zeros(len(y))
    for a in np.flatnonzero(y == 1):
        for b in np.flatnonzero((y == 0) & (stratum == stratum[a])):
            if np.isfinite(s[a] - s[b]):
                gain = 0.5 if abs(s[a] - s[b]) <= TIE else float(s[a] > s[b])
                won[[a, b]] += gain
                compared[[a, b]] += 1
    return won, compared


@pytest.mark.parametrize("scale", [1.0, 0.0, TIE, 3 * TIE])
@pytest.mark.parametrize("digits", [1, 15])
def test_wins_are_those_of_every_pair(scale: float, digits: int) -> None:
    # At a scale of TIE neighbours tie in chains whose ends do not.
    rng = np.random.default_rng(3)
    labels, stratum = rng.integers(-1, 2, (70, 5)), rng.integers(0, 6, 70)
    scores = np.round(rng.normal(size=(70, 5)), digits) * scale
    scores[::7] = np.nan
    won, compared = wins_by_labelling(labels, scores, stratum)
    for at in range(5):
        expected = by_hand(labels[:, at], scores[:, at], stratum)
        alone = pairwise_comparisons(labels[:, at], scores[:, at], stratum)
        np.testing.assert_array_equal(expected, (won[:, at], compared[:, at]))
        np.testing.assert_array_equal(expected, (alone.won, alone.compared))


def test_labellings_beyond_a_block_are_counted_as_those_in_it(monkeypatch) -> None:
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, (30, 9)), rng.normal(size=(30, 9))
    whole = wins_by_labelling(labels, scores, np.arange(30) % 4)
    monkeypatch.setattr("commissure.evaluation.pairs.TOGETHER", 60)
    np.testing.assert_array_equal(whole, wins_by_labelling(labels, scores, np.arange(30) % 4))


def test_a_pair_of_several_repeats_is_counted_once() -> None:
    # Seventy strata a repeat need more than one word of bits.
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 400)
    for strata in (3, 70):
        repeats = []
        for _ in range(3):
            scores = rng.normal(size=400)
            scores[rng.random(400) < 0.1] = np.nan
            repeats.append(pairwise_comparisons(y, scores, rng.integers(0, strata, 400)))
        expected = {
            (a, b)
            for one in repeats
            for a in np.flatnonzero(y == 1)
            for b in np.flatnonzero((y == 0) & (one.stratum == one.stratum[a]))
            if one.stratum[a] >= 0
        }
        assert distinct_pairs(repeats) == len(expected)
        assert together(repeats).count == sum(one.count for one in repeats)


def test_a_difference_takes_pairs_that_both_compare() -> None:
    y = np.array([1, 1, 0, 0])
    first = pairwise_comparisons(y, np.array([3.0, 1.0, 2.0, 0.0]), np.zeros(4))
    second = pairwise_comparisons(y, np.array([1.0, np.nan, 2.0, 0.0]), np.zeros(4))
    gap = difference_of(first, second)
    # The second person is left out: 2 of 2 against 1 of 2.
    assert gap is not None
    assert (gap.count, gap.total_won) == (2.0, 1.0)
    apart = pairwise_comparisons(y, np.arange(4.0), np.arange(4))
    assert difference_of(first, apart) is None
