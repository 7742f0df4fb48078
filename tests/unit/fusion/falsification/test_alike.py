"""One person measured twice is seen, and nobody else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.fusion.falsification import leakage_audit
from commissure.fusion.falsification.alike import near_copies
from commissure.fusion.falsification.leakage_audit import people_twice_verdict
from commissure.study.design import Block, Design, DesignColumn


def cohort(seed: int, people: int = 100, columns: int = 60, common: float = 1.0) -> np.ndarray:
    """Markers that share a size and some structure; some people lack half of them."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(columns, columns)) / np.sqrt(columns)
    x = rng.normal(size=(people, columns)) @ (np.eye(columns) + mixing)
    x += common * rng.normal(size=(people, 1)) + 0.5 * rng.integers(0, 3, (people, 1))
    x[rng.random(people) < 0.15, : columns // 2] = np.nan
    x[rng.random(x.shape) < 0.03] = np.nan
    return x


@pytest.mark.parametrize("noise", [0.05, 0.28])
def test_another_scan_of_a_person_is_seen(noise: float) -> None:
    # 5 % noise is r = .9988; .28 is r = .96, as of another scan.
    for seed in range(10):
        x = cohort(seed)
        whole = np.flatnonzero(np.isfinite(x[:, 0]))[:2]
        rng = np.random.default_rng(seed + 100)
        again = x[whole] + noise * np.nanstd(x, axis=0) * rng.normal(size=(2, x.shape[1]))
        pairs = near_copies(np.vstack([x, again]))
        assert sorted(pairs) == [(int(whole[0]), 100), (int(whole[1]), 101)]


@pytest.mark.parametrize(("people", "columns"), [(30, 12), (100, 60), (60, 300), (400, 40)])
def test_people_who_are_not_related_are_not_taken_for_one(people: int, columns: int) -> None:
    for seed in range(40):
        assert near_copies(cohort(seed, people, columns, common=2.0)) == []


def test_too_little_is_compared_with_nobody() -> None:
    assert near_copies(np.zeros((50, 30))) == []
    assert near_copies(np.random.default_rng(0).normal(size=(50, 5))) == []
    assert near_copies(np.full((20, 20), np.nan)) == []


def test_declared_relatives_may_be_alike() -> None:
    x = cohort(3)
    x[1] = x[0] + 0.2 * np.nanstd(x, axis=0) * np.random.default_rng(1).normal(size=x.shape[1])
    x[:2] = np.nan_to_num(x[:2])
    columns = tuple(DesignColumn("anat", f"r{i}", "m") for i in range(60))
    columns += (DesignColumn("family", "", "family"),)
    ids = np.array([f"sub-{i:03d}" for i in range(100)])
    for families, passed in ((np.arange(100), False), (np.r_[0, 0, 2:100], True)):
        block = Block("anat", tuple(range(60)), family=60)
        design = Design(ids, np.full(100, "s"), np.column_stack([x, families]), columns,
                        {"anat": block}, ("anat",))  # fmt: skip
        verdict = people_twice_verdict(design)
        assert verdict.passed is passed
        assert ("sub-000 and sub-001" in verdict.description) is not passed


def test_repeated_people_of_a_public_cohort_are_found(shared_data) -> None:
    table = pd.read_csv(shared_data / "tables/fcon1000-freesurfer/fcon1000.csv")
    pairs = near_copies(table.select_dtypes("number").drop(columns="age").to_numpy(float))
    # Each at one site, and of one age to two years: Cleveland has one of them three times.
    assert len(pairs) == 7
    assert all(table["site"][a] == table["site"][b] for a, b in pairs)
    assert all(abs(table["age"][a] - table["age"][b]) <= 2 for a, b in pairs)


def test_people_in_parts_are_compared_as_all_at_once(monkeypatch) -> None:
    x = cohort(3, 90, 30, common=1.0)
    x[70], x[12], x[89] = x[4], x[11], x[88]
    whole, same = near_copies(x), leakage_audit.same_people(x)
    assert same == [(4, 70), (11, 12), (88, 89)]
    monkeypatch.setattr("commissure.fusion.falsification.alike._ROWS", 7)
    monkeypatch.setattr("commissure.fusion.falsification.alike._DRAWN", 100)
    monkeypatch.setattr("commissure.fusion.falsification.leakage_audit._ROWS", 7)
    assert near_copies(x) == whole
    assert sorted(whole) == [(11, 12), (88, 89)]  # person 4 has too many gaps
    assert leakage_audit.same_people(x) == same
