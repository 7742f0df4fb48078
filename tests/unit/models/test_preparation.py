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
