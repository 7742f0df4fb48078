"""Folds by person, as a table that anyone can read and check.

People are dealt out like cards: each stratum (label x site) is shuffled and dealt round the folds,
the next one going on where the last stopped, so that classes, sites and sizes are even. People who
must not be separated are one card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from commissure.errors import DatasetError
from commissure.outputs import SPLITS
from commissure.study.labels.vocabulary import CONTROL

#: People of each label without whom a training fold is not used.
MIN_TRAINING = 5
CV, LEAVE_SITE_OUT = "cv", "leave_site_out"


@dataclass(frozen=True)
class Fold:
    """One division into training and test people.

    Attributes
    ----------
    scheme, repeat, name
        Where it belongs; the name of a fold of ``leave_site_out`` is its site.
    train, test
        Row numbers.
    """

    scheme: str
    repeat: int
    name: str
    train: np.ndarray
    test: np.ndarray


def stratified_folds(
    strata: np.ndarray, n_folds: int, seed: tuple[int, ...], cards: np.ndarray | None = None
) -> np.ndarray:
    """Fold of each person, shape (people,), evenly within every stratum.

    Parameters
    ----------
    strata
        One value per person.
    n_folds
        Number of folds.
    seed
        Seed of the shuffle.
    cards
        Number of each person's card, shape (people,): people of one card stay together and are
        dealt in the stratum of the first of them. By default everybody is a card.
    """
    rng = np.random.default_rng(np.random.SeedSequence(list(seed)))
    leaders = np.arange(len(strata))
    if cards is not None:
        _, first, number = np.unique(cards, return_index=True, return_inverse=True)
        leaders = first[number]
    dealt = leaders == np.arange(len(strata))
    order = np.concatenate(
        [rng.permutation(np.flatnonzero((strata == value) & dealt)) for value in np.unique(strata)]
    )
    fold = np.empty(len(strata), dtype=int)
    fold[order] = np.arange(len(order)) % n_folds
    return rng.permutation(n_folds)[fold[leaders]]


def folds_that_compare(
    labels: np.ndarray,
    sites: np.ndarray,
    n_folds: int,
    seed: tuple[int, ...],
    families: np.ndarray | None = None,
) -> np.ndarray:
    """Folds stratified by label and site in which small sites can be compared within.

    Only people of one site and one fold are compared. Where a site has fewer people of two labels
    than there are folds, they could be dealt to different folds, and nobody would be compared (23
    sites of one patient and one control). In such a site one person of each label make a card.

    Parameters
    ----------
    labels, sites
        Label and site of each person in words; controls are compared with nobody.
    n_folds, seed
        As :func:`stratified_folds` takes them.
    families
        Number of each person's family, where people are related: a family stays in one fold.
    """
    strata = np.char.add(np.char.add(labels, "\t"), sites)
    cards = np.arange(len(labels))
    rng = np.random.default_rng(np.random.SeedSequence([*seed, 1]))
    for site in np.unique(sites):
        here = [
            np.flatnonzero((sites == site) & (labels == label))
            for label in np.unique(labels[sites == site])
            if label != CONTROL
        ]
        if len(here) < 2 or sorted(map(len, here))[1] >= n_folds:
            continue
        shuffled = [rng.permutation(people) for people in here]
        for met in range(sorted(map(len, here))[-2]):
            together = [people[met] for people in shuffled if met < len(people)]
            cards[together] = min(together)
            strata[together] = site
    return stratified_folds(strata, n_folds, seed, _with_families(cards, families))


def folds_without_labels(
    labelled: np.ndarray,
    sites: np.ndarray,
    n_folds: int,
    seed: tuple[int, ...],
    families: np.ndarray | None = None,
) -> np.ndarray:
    """Folds stratified by site that look at no label, for labels that are permuted within site.

    The people of a site with fewer than two a fold are dealt in cards of two or three, so that
    people of different labels can meet.

    Parameters
    ----------
    labelled
        Who has a label, shape (people,).
    sites, n_folds, seed, families
        As :func:`folds_that_compare` takes them.
    """
    strata = np.char.add(np.where(labelled, "labelled ", "reference "), sites)
    cards = np.arange(len(sites))
    rng = np.random.default_rng(np.random.SeedSequence([*seed, 1]))
    for site in np.unique(sites[labelled]):
        people = np.flatnonzero((sites == site) & labelled)
        if 2 <= len(people) < 2 * n_folds:
            shuffled = rng.permutation(people)
            number = np.minimum(np.arange(len(people)) // 2, len(people) // 2 - 1)
            for card in np.unique(number):
                cards[shuffled[number == card]] = shuffled[number == card].min()
    return stratified_folds(strata, n_folds, seed, _with_families(cards, families))


def _with_families(cards: np.ndarray, families: np.ndarray | None) -> np.ndarray:
    """Cards joined where they hold people of one family."""
    if families is None:
        return cards
    _, first, number = np.unique(families, return_index=True, return_inverse=True)
    people = np.arange(len(cards))
    edges = (np.concatenate([people, people]), np.concatenate([cards, first[number]]))
    graph = coo_array((np.ones(2 * len(cards)), edges), shape=(len(cards), len(cards)))
    return connected_components(graph, directed=False)[1]


def split_table(people: pd.DataFrame, *, outer_folds: int, repeats: int, seed: int) -> pd.DataFrame:
    """Assign everyone to the folds of every repeat, and to the fold of their site.

    Parameters
    ----------
    people
        ``participant_id label site``, one row per person, controls included; with ``family`` the
        people of one number stay in one fold.
    outer_folds, repeats, seed
        As in the settings.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.SPLITS`; folds are text. The same people in another
        order give the same table.
    """
    people = people.sort_values("participant_id", ignore_index=True)
    labels, sites = people["label"].to_numpy(str), people["site"].to_numpy(str)
    families = people["family"].to_numpy() if "family" in people else None
    parts = []
    for repeat in range(repeats):
        fold = folds_that_compare(labels, sites, outer_folds, (seed, 1, repeat), families)
        parts.append(
            pd.DataFrame(
                {"participant_id": people["participant_id"], "scheme": CV, "repeat": repeat,
                 "fold": [str(f + 1) for f in fold]}
            )
        )  # fmt: skip
    if len(people["site"].unique()) > 1:
        parts.append(
            pd.DataFrame(
                {"participant_id": people["participant_id"], "scheme": LEAVE_SITE_OUT,
                 "repeat": 0, "fold": people["site"]}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)[SPLITS.names]


def drawn_people(
    people: np.ndarray,
    strata: np.ndarray,
    wanted: Callable[[int], int],
    rng: np.random.Generator,
    families: np.ndarray | None = None,
) -> np.ndarray:
    """Some of the people of each stratum; who is related is drawn together or not at all.

    Parameters
    ----------
    people
        Row numbers.
    strata
        Stratum of each of them, the same shape.
    wanted
        How many people of a stratum with so many are drawn, at least: whole families may bring
        more.
    rng
        Draws them.
    families
        Number of the family of every row of the study; None where nobody is related.

    Returns
    -------
    numpy.ndarray
        Row numbers, in the order of drawing.
    """
    if families is None:
        families = np.arange(int(people.max(initial=0)) + 1)
    relatives: dict[float, list[int]] = {}
    for person in people.tolist():
        relatives.setdefault(families[person], []).append(person)
    taken: dict[int, None] = {}
    for value in np.unique(strata):
        members = people[strata == value].tolist()
        missing = wanted(len(members)) - sum(person in taken for person in members)
        own = set(members)
        for person in rng.permutation(members).tolist():
            if missing <= 0:
                break
            if person not in taken:
                family = relatives[families[person]]
                taken |= dict.fromkeys(family)
                missing -= len(own.intersection(family))
    return np.array([*taken], dtype=int)


def enough_to_train(labels: np.ndarray) -> bool:
    """Whether people with these labels (1, 0, others) are enough to be trained on."""
    return min((labels == 1).sum(), (labels == 0).sum()) >= MIN_TRAINING


def check_splits(splits: pd.DataFrame) -> None:
    """Refuse a person who stands in two folds of one repeat.

    Raises
    ------
    DatasetError
        The person is named, with both folds.
    """
    key = ["participant_id", "scheme", "repeat"]
    twice = splits[splits.duplicated(key, keep=False)]
    if len(twice):
        first = twice.iloc[0]
        same = twice[(twice[key] == first[key]).all(axis=1)]
        raise DatasetError(
            str(first["participant_id"]),
            found=f"the person is in the folds {' and '.join(same['fold'].astype(str))} of repeat "
            f"{first['repeat']} ({first['scheme']})",
            wanted="one fold per person and repeat",
            mend="Give every person one row in the participants table",
        )


def unrelated(train: np.ndarray, test: np.ndarray, families: np.ndarray | None) -> np.ndarray:
    """The training people who have no relative among the test people (a family at two sites)."""
    return train if families is None else train[~np.isin(families[train], families[test])]


def folds(
    splits: pd.DataFrame, participants: np.ndarray, families: np.ndarray | None = None
) -> Iterator[Fold]:
    """Walk through all divisions of a split table.

    Parameters
    ----------
    splits
        A table as from :func:`split_table`.
    participants
        Identifiers in the order of the rows to be divided; each must be in the table.
    families
        Number of each person's family: relatives of test people are no training people.

    Raises
    ------
    DatasetError
        A person is in two folds, or twice among ``participants``.
    """
    check_splits(splits)
    names, counts = np.unique(participants, return_counts=True)
    if (counts > 1).any():
        raise DatasetError(
            str(names[counts > 1][0]),
            found=f"the person has {counts.max()} rows among the people to be classified",
            wanted="one row per person, so that nobody is in training and test at once",
            mend="Give every person one row in the participants table",
        )
    divisions = splits[["scheme", "repeat"]].drop_duplicates()
    for scheme, repeat in zip(divisions["scheme"], divisions["repeat"], strict=True):
        part = splits[(splits["scheme"] == scheme) & (splits["repeat"] == repeat)]
        fold = part.set_index("participant_id")["fold"].loc[list(participants)].to_numpy(str)
        for name in np.unique(fold):
            test = np.flatnonzero(fold == name)
            train = unrelated(np.flatnonzero(fold != name), test, families)
            yield Fold(str(scheme), int(repeat), str(name), train, test)
