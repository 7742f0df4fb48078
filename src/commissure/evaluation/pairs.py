"""Who ranks above whom: every positive person beside every negative one, without a table of pairs.

People are sorted within their stratum, once a labelling. What each won follows from how many of the
other label stand below, so that a stratum of m people costs m log m and not m squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

#: Scores closer than this tie: equal people must not be ranked by the last bit of a product.
TIE = 1e-9
#: Numbers that are sorted and counted at once, which a processor's cache holds.
TOGETHER = 50_000
#: Pairs that are looked at at once.
PAIRS = 4_000_000


@dataclass(frozen=True)
class PairwiseComparisons:
    """Comparisons of positive with negative people, summed by person; each of shape (people,).

    Attributes
    ----------
    labels
        1, 0, and anything else for people who are not compared.
    scores
        What they are compared by.
    stratum
        Number of each person's stratum; -1 for people who are not compared.
    won
        Of a positive person how many negative ones scored lower, ties counted half; of a negative
        person how many positive ones scored higher.
    compared
        With how many people of the other label.
    """

    labels: np.ndarray
    scores: np.ndarray
    stratum: np.ndarray
    won: np.ndarray
    compared: np.ndarray

    @property
    def positive(self) -> np.ndarray:
        """Who is positive and compared with anybody."""
        return (self.labels == 1) & (self.compared > 0)

    @property
    def negative(self) -> np.ndarray:
        """Who is negative and compared with anybody."""
        return (self.labels == 0) & (self.compared > 0)

    @property
    def count(self) -> float:
        """Number of comparisons."""
        return float(self.compared[self.labels == 1].sum())

    @property
    def total_won(self) -> float:
        """Comparisons in which the positive person scored higher, ties counted half."""
        return float(self.won[self.labels == 1].sum())


def pairwise_comparisons(
    labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray
) -> PairwiseComparisons:
    """Compare every positive with every negative person of the same stratum.

    Parameters
    ----------
    labels
        Ones, zeros, and anything else for people who are not compared; shape (people,).
    scores, stratum
        Shape (people,). NaN scores are left out.
    """
    rows = np.flatnonzero(((labels == 1) | (labels == 0)) & np.isfinite(scores))
    codes = np.full(len(labels), -1)
    won, compared = np.zeros(len(labels)), np.zeros(len(labels))
    if len(rows):
        codes[rows] = np.unique(stratum[rows], return_inverse=True)[1]
        won[rows], compared[rows] = (
            counted[:, 0] for counted in _wins(labels[rows, None], scores[rows, None], codes[rows])
        )
    return PairwiseComparisons(labels, scores, codes, won, compared)


def wins_by_labelling(
    labels: np.ndarray, scores: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each person won and how often they were compared, under many labellings.

    Parameters
    ----------
    labels, scores
        Ones, zeros, and -1 for who is not compared, and scores of each labelling; shape (people,
        labellings).
    stratum
        Shape (people,).

    Returns
    -------
    won, compared : numpy.ndarray
        The shape of ``labels``, as in :class:`PairwiseComparisons`; of several repeats they add up.
    """
    won, compared = np.zeros(labels.shape), np.zeros(labels.shape)
    rows = np.flatnonzero(np.isfinite(scores[:, 0]))
    if len(rows):
        codes = np.unique(stratum[rows], return_inverse=True)[1]
        won[rows], compared[rows] = _wins(labels[rows], scores[rows], codes)
    return won, compared


def share_and_influence(pairs: PairwiseComparisons) -> tuple[float, np.ndarray]:
    """Share of the comparisons won, and each person's influence on it.

    Returns
    -------
    value, influence
        NaN and zeros where nobody is compared; the squares of the influence, shape (people,), sum
        to DeLong's variance.
    """
    influence = np.zeros(len(pairs.labels))
    if not pairs.count:
        return np.nan, influence
    value = pairs.total_won / pairs.count
    rest = (pairs.won - value * pairs.compared) / pairs.count
    for side in (pairs.positive, pairs.negative):
        size = max(2, int(side.sum()))
        influence[side] = rest[side] * np.sqrt(size / (size - 1))
    return value, influence


def difference_of(
    first: PairwiseComparisons, second: PairwiseComparisons
) -> PairwiseComparisons | None:
    """By how much the first wins more, over the pairs that both compare; None where there are none.

    Parameters
    ----------
    first, second
        The same people by two scores.
    """
    both = (first.stratum >= 0) & (second.stratum >= 0)
    width = int(second.stratum.max(initial=0)) + 1
    cell = np.where(both, first.stratum * width + second.stratum, -1)
    labels = np.where(both, first.labels, -1)
    left, right = (pairwise_comparisons(labels, one.scores, cell) for one in (first, second))
    if not left.count:
        return None
    return PairwiseComparisons(labels, left.scores, left.stratum, left.won - right.won,
                               left.compared)  # fmt: skip


def together(repeats: Sequence[PairwiseComparisons]) -> PairwiseComparisons:
    """The comparisons of several repeats over the same people, added up.

    Whose labels differ between the repeats (some leave a person out) counts as labelled in any.
    """
    labels = np.max([np.where(one.stratum >= 0, one.labels, -1) for one in repeats], axis=0)
    return PairwiseComparisons(
        labels, repeats[0].scores, repeats[0].stratum,
        np.sum([one.won for one in repeats], axis=0),
        np.sum([one.compared for one in repeats], axis=0),
    )  # fmt: skip


def distinct_pairs(repeats: Sequence[PairwiseComparisons]) -> int:
    """Pairs of people who are compared in any of the repeats.

    Two people are where they share a stratum in one of them. Each stratum of each repeat is a bit
    of those who are in it, so that a pair costs one operation whatever the number of repeats.
    """
    first = repeats[0]
    if all(np.array_equal(first.stratum, other.stratum) for other in repeats[1:]):
        return int(first.count)
    labels = together(repeats).labels
    total = 0
    for people, codes in _islands(np.array([one.stratum for one in repeats])):
        masks = _bits(codes)
        sides = [np.unique(masks[labels[people] == label], axis=0, return_counts=True)
                 for label in (1, 0)]  # fmt: skip
        (high, many), (low, others) = sides
        step = max(1, PAIRS // max(1, len(low)))
        for start in range(0, len(high), step):
            part = slice(start, start + step)
            met = np.zeros((len(high[part]), len(low)), dtype=bool)
            for word in range(masks.shape[1]):
                met |= (high[part, word, None] & low[None, :, word]) != 0
            total += int(many[part] @ (met @ others))
    return total


def _islands(strata: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of people whom strata connect; rows, and strata of each repeat numbered from 0.

    Sites, where strata are sites and folds. ``strata`` has shape (repeats, people).
    """
    repeats, people = strata.shape
    size = int(strata.max()) + 1
    here = strata >= 0
    person = np.broadcast_to(np.arange(people), strata.shape)[here]
    node = (people + np.arange(repeats)[:, None] * size + strata)[here]
    count = people + repeats * size
    graph = coo_array((np.ones(len(node)), (person, node)), shape=(count, count))
    island = connected_components(graph, directed=False)[1][:people]
    rows = np.flatnonzero(here.any(axis=0))
    order = rows[np.argsort(island[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(island[order])) + 1)
    return [(group, strata[:, group]) for group in groups if len(group)]


def _bits(codes: np.ndarray) -> np.ndarray:
    """Strata of each repeat as bits, shape (people, words), from codes (repeats, people)."""
    numbered, before = np.zeros(codes.shape, dtype=np.int64), 0
    for repeat, code in enumerate(codes):
        values, numbers = np.unique(code, return_inverse=True)
        # Who takes no part shares nothing: number -1.
        absent = int(len(values) > 0 and values[0] < 0)
        numbered[repeat] = np.where(code >= 0, before + numbers - absent, -1)
        before += len(values) - absent
    masks = np.zeros((codes.shape[1], -(-before // 64)), dtype=np.uint64)
    for number in numbered:
        known = np.flatnonzero(number >= 0)
        bit = np.uint64(1) << (number[known] % 64).astype(np.uint64)
        masks[known, number[known] // 64] |= bit
    return masks


def _wins(
    labels: np.ndarray, scores: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Won and compared (people, labellings) of people in strata numbered from 0."""
    people, labellings = labels.shape
    by_stratum = np.argsort(codes, kind="stable")
    size = np.bincount(codes)
    ends = np.cumsum(size)
    first = np.repeat(ends - size, size)
    last = np.repeat(ends - 1, size)
    won, compared = np.empty(labels.shape), np.empty(labels.shape)
    step = max(1, TOGETHER // people)
    for start in range(0, labellings, step):
        part = slice(start, start + step)
        y = np.ascontiguousarray(labels[by_stratum, part].T, dtype=np.int32)
        s = np.ascontiguousarray(scores[by_stratum, part].T)
        if len(y) == 1:
            order = np.lexsort((s[0], codes[by_stratum]))[None]
        else:
            order = np.empty(y.shape, dtype=np.intp)
            for end, many in zip(ends, size, strict=True):
                block = slice(end - many, end)
                order[:, block] = np.argsort(s[:, block], axis=1) + (end - many)
        counted = _counted(
            np.take_along_axis(y, order, 1), np.take_along_axis(s, order, 1), first, last
        )
        for target, values in zip((won, compared), counted, strict=True):
            unsorted = np.empty(y.shape)
            np.put_along_axis(unsorted, order, values, 1)
            target[by_stratum, part] = unsorted.T
    return won, compared


def _counted(
    y: np.ndarray, s: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Won and compared of sorted people, shape (labellings, people).

    Parameters
    ----------
    y, s
        Labels and scores, rising within each stratum.
    first, last
        Place of the first and the last person of each one's stratum.
    """
    positive, negative = y == 1, y == 0
    ones, zeros = (np.cumsum(side, axis=1, dtype=np.int32) for side in (positive, negative))
    ones_before, zeros_before = (
        (counts - side)[:, first] for counts, side in ((ones, positive), (zeros, negative))
    )
    ones_above, zeros_below = ones[:, last] - ones, zeros - negative - zeros_before
    compared = np.where(positive, zeros[:, last] - zeros_before, 0)
    compared += np.where(negative, ones[:, last] - ones_before, 0)
    won = np.where(positive, zeros_below, np.where(negative, ones_above, 0)).astype(float)
    close = np.zeros(s.shape, dtype=bool)
    close[:, 1:] = (s[:, 1:] - s[:, :-1] <= TIE) & (first[1:] == first[:-1])
    tied = np.flatnonzero(close.any(axis=1))
    if len(tied):
        won[tied] = _won_with_ties(y[tied], s[tied], close[tied], first, last)
    return won, compared


def _won_with_ties(
    y: np.ndarray, s: np.ndarray, close: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """What each won where some are as close to the one before as to tie with them."""
    place = np.arange(y.shape[1])
    ones, zeros = (np.cumsum(y == label, axis=1, dtype=np.int32) for label in (1, 0))
    start = np.maximum.accumulate(np.where(close, 0, place), axis=1)
    ends_here = np.ones(close.shape, dtype=bool)
    ends_here[:, :-1] = ~close[:, 1:]
    end = np.minimum.accumulate(np.where(ends_here, place, len(place))[:, ::-1], axis=1)[:, ::-1]

    def below(counts: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.where(at > 0, np.take_along_axis(counts, np.maximum(at - 1, 0), 1), 0)

    zeros_before, ones_before = below(zeros, start), below(ones, start)
    zeros_tied = np.take_along_axis(zeros, end, 1) - zeros_before
    ones_end = np.take_along_axis(ones, end, 1)
    of_stratum = below(zeros, np.broadcast_to(first, y.shape))
    won = np.select(
        [y == 1, y == 0],
        [
            zeros_before - of_stratum + 0.5 * zeros_tied,
            ones[:, last] - ones_end + 0.5 * (ones_end - ones_before),
        ],
        0.0,
    )
    # Neighbours that tie, one after the other, until the ends of the row do not.
    stretched = np.take_along_axis(s, end, 1) - np.take_along_axis(s, start, 1) > TIE
    for row in np.flatnonzero(stretched.any(axis=1)):
        for begin in np.unique(first[stretched[row]]):
            block = slice(begin, last[begin] + 1)
            won[row, block] = _won_by_pair(y[row, block], s[row, block])
    return won


def _won_by_pair(y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """What each person of one stratum won, pair by pair."""
    won = np.zeros(len(y))
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    step = max(1, PAIRS // max(1, len(negative)))
    for begin in range(0, len(positive), step):
        some = positive[begin : begin + step]
        lead = s[some][:, None] - s[negative][None, :]
        gain = 0.5 * (1.0 + np.where(np.abs(lead) > TIE, np.sign(lead), 0.0))
        won[some] = gain.sum(axis=1)
        won[negative] += gain.sum(axis=0)
    return won
