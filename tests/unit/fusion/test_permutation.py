import numpy as np
import pytest

from commissure.fusion.blocks import SITE
from commissure.fusion.falsification import FOUND, drawn_checks, permuted_check
from commissure.fusion.panel import ModelSpec
from commissure.fusion.permutation import Null, null_areas, permuted_labels
from commissure.fusion.settings import FusionSettings
from commissure.fusion.splits import Fold

FEW = FusionSettings(permutations=99, permutation_repeats=1, inner_folds=3, penalties=[1.0, 10.0])


def spec(design, name: str = "x") -> ModelSpec:
    return ModelSpec(name, "modality", "", (name,), (design.blocks[name],))


def drawn(n: int, d: float, seed: int):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    return rng.normal(size=(n, 12)) + d / np.sqrt(12) * y[:, None], y, sites


def test_labels_move_within_their_site_only() -> None:
    labels = np.array([1, 1, 1, 0, 0, -1, -1, 0, 0, 1])
    sites = np.array(list("aaaabbbbbb"))
    table = permuted_labels(labels, sites, 200, seed=0)
    assert (table[:, 0] == labels).all()
    assert (table[labels == -1] == -1).all()
    for site in "ab":
        own = (sites == site) & (labels >= 0)
        assert (table[own].sum(axis=0) == labels[own].sum()).all()
    assert len(np.unique(table, axis=1).T) == 4 * 4  # one of four is 0 in site a and 1 in b


def test_parts_of_the_permutations_are_what_one_job_makes() -> None:
    labels, sites = np.arange(20) % 2, np.array(["N", "S"])[np.arange(20) // 10]
    whole = permuted_labels(labels, sites, 10, seed=2)
    parts = [permuted_labels(labels, sites, 5, seed=2, first=at)[:, 1:] for at in (0, 5)]
    assert (whole[:, 1:] == np.hstack(parts)).all()


def test_p_is_small_for_a_planted_difference_and_counts_the_observed_labelling(
    plain_design,
) -> None:
    X, y, sites = drawn(80, 2.0, 0)
    design = plain_design(X, sites)
    null = null_areas(design, y, [spec(design)], FEW)["x"]
    assert null.p == pytest.approx(1 / 100)
    assert null.observed > 0.8
    assert Null(0.7, np.array([0.6, 0.7, 0.8])).p == pytest.approx(3 / 4)


def test_p_is_uniform_on_noise(plain_design) -> None:
    # Mean of 40 uniform numbers: 0.5 +- 3 x 0.289 / sqrt(40).
    found = []
    for seed in range(40):
        X, y, sites = drawn(40, 0.0, seed)
        design = plain_design(X, sites)
        settings = FEW.model_copy(update={"permutations": 39, "inner_folds": 2})
        found.append(null_areas(design, y, [spec(design)], settings)["x"].p)
    assert pytest.approx(np.mean(found), abs=0.137) == 0.5


def test_the_site_alone_is_exactly_at_chance_within_site(plain_design) -> None:
    X, y, sites = drawn(40, 0.0, 1)
    design = plain_design(X, sites)
    null = null_areas(design, y, [spec(design, SITE)], FEW)[SITE]
    assert null.observed == 0.5
    assert (null.permuted == 0.5).all()
    assert null.p == 1.0


def test_verdicts_on_permuted_labels() -> None:
    fair = permuted_check(Null(0.6, 0.5 + 0.1 * np.tile([-1, 1], 50)))
    leaky = permuted_check(Null(0.9, 0.7 + 0.1 * np.tile([-1, 1], 50)))
    assert (fair["passed"], leaky["passed"], permuted_check(None)["passed"]) == (True, False, None)


def test_noise_is_chance_and_a_planted_signal_is_found(plain_design) -> None:
    X, y, sites = drawn(60, 0.0, 2)
    design = plain_design(X, sites)
    number = np.arange(60) // 4 % 3
    folds = [
        Fold("cv", 0, str(k), np.flatnonzero(number != k), np.flatnonzero(number == k))
        for k in range(3)
    ]
    noise, planted = drawn_checks(design, y, [spec(design)], "x", folds, FEW, spread=0.1)
    assert noise["passed"] and noise["value"] == pytest.approx(0.5, abs=0.12)
    assert planted["passed"] and planted["value"] > FOUND
