import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.study.splits import check_splits, folds, split_table, stratified_folds


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
