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
