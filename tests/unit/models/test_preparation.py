import numpy as np
import pytest

from commissure.models.preparation import Preparation
from commissure.study.design import Block


def test_an_unseen_site_has_no_number_of_a_known_one() -> None:
    rng = np.random.default_rng(6)
    site = np.arange(60) % 2
    X = np.column_stack([rng.normal(size=(60, 3)) + 3.0 * site[:, None], np.eye(2)[site]])
    prepared = Preparation(Block("a", (0, 1, 2), sites=(3, 4))).fit(X)
    plain = Preparation(Block("a", (0, 1, 2))).fit(X)
    new = np.column_stack([rng.normal(size=(5, 3)), np.zeros((5, 2))])
    raw = prepared.transform(new) * prepared.scale_ + prepared.mean_
    assert raw == pytest.approx(new[:, :3])
    assert plain.combat_ is None


@pytest.mark.parametrize("code", [-999.0, 1e6, 9999.0])
def test_values_far_from_all_others_are_brought_to_the_limit_of_the_training_people(code) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    spoilt = X.copy()
    spoilt[rng.random(200) < 0.05, 0] = code
    block = Block("x", (0, 1, 2))
    prepared = Preparation(block).fit(spoilt).transform(X)
    clean = Preparation(block).fit(X).transform(X)
    # Scaled by the spread of all the others: one code in twenty took all of it before.
    assert 0.6 < np.ptp(prepared[:, 0]) / np.ptp(clean[:, 0]) <= 1.05
    np.testing.assert_allclose(prepared[:, 1:], clean[:, 1:])
    new = np.vstack([X[:1], [[code, 0, 0]]])
    assert np.abs(Preparation(block).fit(X).transform(new)).max() < 4.5


def test_far_values_of_head_size_and_volumes_do_not_bend_the_adjustment() -> None:
    rng = np.random.default_rng(3)
    head = rng.normal(1500, 100, 120)
    X = np.column_stack([4 * head + rng.normal(0, 10, 120), head])
    X[:4, 1] = -999.0
    block = Block("anat", (0,), adjusted=(0,), head_size=1)
    prepared = Preparation(block).fit(X)
    assert prepared.slopes_[0] == pytest.approx(4, abs=0.6)


def test_columns_of_few_values_have_no_limits() -> None:
    X = np.zeros((40, 2))
    X[:6, 0] = 1.0
    X[:, 1] = np.arange(40)
    assert np.ptp(Preparation(Block("x", (0, 1))).fit(X).transform(X)[:, 0]) > 1


def test_confounds_are_taken_out_with_slopes_of_the_training_controls() -> None:
    rng = np.random.default_rng(7)
    age, patient = rng.normal(40, 10, 300), np.arange(300) >= 100
    # In patients the markers hang on age twice as steeply: that is no part of the confound.
    slope = np.where(patient, 2.0, 1.0)[:, None]
    X = np.column_stack([slope * age[:, None] + rng.normal(size=(300, 4)), age])
    block = Block("a", (0, 1, 2, 3), removed=(4,))
    prepared = Preparation(block).fit(X, np.where(patient, 1, -1))
    assert prepared.removal_[0] == pytest.approx(np.ones((1, 4)), abs=0.05)
    everyone = Preparation(block).fit(X, np.where(patient, 1, 0))
    cleared = everyone.transform(X)
    for column in cleared.T:
        assert abs(np.corrcoef(column, age)[0, 1]) < 1e-9


def test_what_is_taken_out_of_a_person_hangs_on_training_and_on_them_alone() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(80, 6))
    prepared = Preparation(Block("a", (0, 1, 2, 3), removed=(4, 5))).fit(X[:60])
    alone, together = prepared.transform(X[60:61]), prepared.transform(X[60:])
    assert alone[0] == pytest.approx(together[0], abs=1e-12)
    gap = X[60:61].copy()
    gap[0, 4:] = np.nan
    assert np.isfinite(prepared.transform(gap)).all()


def test_combat_keeps_the_part_of_age_where_it_is_told_it() -> None:
    rng = np.random.default_rng(9)
    site = np.repeat([0, 1], 150)
    age = rng.normal(30, 5, 300) + 20 * site
    truth = 0.1 * age[:, None] + rng.normal(size=(300, 8))
    X = np.column_stack([truth + 1.5 * site[:, None], np.eye(2)[site], age])

    def gap(kept: tuple[int, ...]) -> float:
        block = Block("a", tuple(range(8)), sites=(8, 9), kept=kept)
        prepared = Preparation(block).fit(X)
        even = prepared.transform(X) * prepared.scale_ + prepared.mean_
        return float((even[site == 1] - even[site == 0].mean(axis=0)).mean())

    # Twenty years are two units of every marker; the site's own 1.5 is to go.
    assert gap((10,)) == pytest.approx(2.0, abs=0.35)
    assert gap(()) == pytest.approx(0.0, abs=0.1)


def test_combat_with_covariates_is_that_of_combatlearn() -> None:
    from combatlearn import ComBat

    rng = np.random.default_rng(10)
    site, sex, age = rng.integers(0, 3, 120), rng.integers(0, 2, 120), rng.normal(40, 10, 120)
    X = np.column_stack([
        rng.normal(size=(120, 5)) * (1 + 0.3 * site[:, None]) + site[:, None] + 0.05 * age[:, None],
        np.eye(3)[site], age, sex,
    ])  # fmt: skip
    prepared = Preparation(Block("a", tuple(range(5)), sites=(5, 6, 7), kept=(8, 9))).fit(X)
    ours = prepared.transform(X) * prepared.scale_ + prepared.mean_
    covariates = X[:, 8:] - X[:, 8:].mean(axis=0)
    theirs = ComBat(batch=site.astype(str), continuous_covariates=covariates, method="fortin")
    assert ours == pytest.approx(np.asarray(theirs.fit_transform(X[:, :5])), abs=1e-8)
