import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.study.splits import (
    check_splits,
    drawn_people,
    folds,
    folds_that_compare,
    folds_without_labels,
    split_table,
    stratified_folds,
)


def people(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {"participant_id": [f"sub-{i:02d}" for i in range(n)],
         "label": [("resistant", "responsive", "control")[i % 3] for i in range(n)],
         "site": [("north", "south")[i % 2] for i in range(n)]}
    )  # fmt: skip


def test_every_stratum_is_dealt_evenly() -> None:
    strata = np.array(["a"] * 11 + ["b"] * 7 + ["c"] * 3)
    fold = stratified_folds(strata, 5, (0,))
    assert {11 // 5, 11 // 5 + 1} == set(np.bincount(fold[:11]))
    assert np.bincount(fold, minlength=5).tolist().count(4) == 4  # 21 people: 4 4 4 4 5
    assert (fold == stratified_folds(strata, 5, (0,))).all()
    assert not (fold == stratified_folds(strata, 5, (1,))).all()


@pytest.mark.parametrize("pairs", [19, 20, 21, 22, 23])
@pytest.mark.parametrize("repeat", range(3))
def test_a_patient_and_a_control_of_one_site_meet_in_one_fold(pairs: int, repeat: int) -> None:
    labels = np.array(["patient", "well"] * pairs)
    sites = np.repeat([f"site {i:02d}" for i in range(pairs)], 2)
    fold = folds_that_compare(labels, sites, 5, (0, 1, repeat))
    assert (fold[::2] == fold[1::2]).all()
    assert np.ptp(np.bincount(fold, minlength=5)) <= 2
    blind = folds_without_labels(np.ones(2 * pairs, dtype=bool), sites, 5, (0, 4, repeat))
    assert (blind[::2] == blind[1::2]).all()


def test_small_sites_compare_as_many_people_as_their_rarer_label_has() -> None:
    rng = np.random.default_rng(3)
    sites = rng.choice([f"site {i:02d}" for i in range(30)], 120)
    labels = rng.choice(["patient", "well", "control"], 120)
    fold = folds_that_compare(labels, sites, 5, (1,))
    for site in np.unique(sites):
        patients, well = (
            fold[(sites == site) & (labels == label)] for label in ("patient", "well")
        )
        met = sum(min((patients == f).sum(), (well == f).sum()) for f in range(5))
        assert met >= min(len(patients), len(well), 5)
    for label in ("patient", "well"):
        assert np.ptp(np.bincount(fold[labels == label], minlength=5)) <= 3


def test_folds_of_large_sites_are_dealt_by_stratum_alone() -> None:
    table = people(120)
    labels, sites = table["label"].to_numpy(str), table["site"].to_numpy(str)
    strata = np.char.add(np.char.add(labels, "\t"), sites)
    seed = (0, 1, 2)
    assert (folds_that_compare(labels, sites, 5, seed) == stratified_folds(strata, 5, seed)).all()


def test_people_of_one_card_stay_together() -> None:
    cards = np.arange(60) // 3
    fold = stratified_folds(np.array(["a", "b"])[np.arange(60) // 30], 5, (4,), cards)
    assert (fold.reshape(-1, 3) == fold[::3, None]).all()
    assert np.bincount(fold).tolist() == [12] * 5


def test_everyone_is_tested_once_a_repeat_and_trained_on_otherwise() -> None:
    table = split_table(people(), outer_folds=5, repeats=3, seed=0)
    ids = people()["participant_id"].to_numpy(str)
    for scheme, repeats, count in (("cv", 3, 5), ("leave_site_out", 1, 2)):
        for repeat in range(repeats):
            own = [f for f in folds(table, ids) if (f.scheme, f.repeat) == (scheme, repeat)]
            assert len(own) == count
            assert sorted(np.concatenate([f.test for f in own])) == list(range(60))
            assert all(not set(f.train) & set(f.test) for f in own)


def test_the_order_of_the_rows_does_not_matter() -> None:
    shuffled = people().sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        split_table(people(), outer_folds=5, repeats=2, seed=3),
        split_table(shuffled, outer_folds=5, repeats=2, seed=3),
    )


def test_a_person_in_two_folds_is_refused() -> None:
    table = split_table(people(), outer_folds=5, repeats=1, seed=0)
    second = table.iloc[[0]].assign(fold="9")
    with pytest.raises(DatasetError, match="sub-00: the person is in the folds"):
        check_splits(pd.concat([table, second]))


def test_two_rows_of_one_person_are_refused() -> None:
    table = split_table(people(), outer_folds=5, repeats=1, seed=0)
    with pytest.raises(DatasetError, match="sub-01: the person has 2 rows"):
        list(folds(table, np.array(["sub-01", "sub-01", "sub-02"])))


def test_a_family_stays_in_one_fold_and_out_of_the_training_of_its_relatives() -> None:
    n = 60
    table = pd.DataFrame({
        "participant_id": [f"sub-{i:02d}" for i in range(n)],
        "label": np.where(np.arange(n) % 3 == 0, "a", "b"),
        "site": np.where(np.arange(n) % 4 == 0, "north", "south"),
        "family": np.arange(n) // 3,
    })  # fmt: skip
    splits = split_table(table, outer_folds=5, repeats=3, seed=1)
    cv = splits[splits["scheme"] == "cv"].merge(table[["participant_id", "family"]])
    assert cv.groupby(["repeat", "family"])["fold"].nunique().max() == 1
    sizes = cv[cv["repeat"] == 0]["fold"].value_counts()
    assert sizes.max() - sizes.min() <= 6
    families = table["family"].to_numpy()
    for fold in folds(splits, table["participant_id"].to_numpy(), families):
        assert not set(families[fold.train]) & set(families[fold.test])
    # Families at two sites: somebody is left out of training for a relative's sake.
    left = [f for f in folds(splits, table["participant_id"].to_numpy(), families)
            if f.scheme == "leave_site_out"]  # fmt: skip
    assert any(len(fold.train) + len(fold.test) < n for fold in left)


def test_families_and_pairs_of_small_sites_are_dealt_together() -> None:
    sites = np.repeat([f"s{i}" for i in range(12)], 2)
    labels = np.tile(["a", "b"], 12)
    families = np.arange(24)
    families[[1, 2]] = 50
    fold = folds_that_compare(labels, sites, 5, (0,), families)
    assert (fold[0::2] == fold[1::2]).all()
    assert fold[1] == fold[2]


def test_families_are_drawn_whole_and_strangers_as_before() -> None:
    people = np.arange(5, 65)
    strata = np.array(["a", "b"])[people % 2]
    alone = drawn_people(people, strata, lambda size: size // 2, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    halves = [rng.permutation(people[strata == value])[:15] for value in ("a", "b")]
    assert alone.tolist() == np.concatenate(halves).tolist()

    # Pairs of both strata, and a family of four in one.
    families = np.arange(65) // 2
    families[[6, 8, 10, 12]] = 99
    drawn = drawn_people(people, strata, lambda size: size // 2, np.random.default_rng(0), families)
    assert len(set(drawn.tolist())) == len(drawn)
    for family in np.unique(families[people]):
        members = people[families[people] == family]
        assert np.isin(members, drawn).sum() in (0, len(members))
    counts = [int((strata[np.isin(people, drawn)] == value).sum()) for value in ("a", "b")]
    assert min(counts) >= 15 and max(counts) <= 19
