"""How far people lie from those of training."""

import numpy as np
import pytest

from commissure.study.design import Block
from commissure.transport.applicability_domain import (
    MIN_NEW,
    distance,
    training_domain,
    two_sample_auc,
)

BLOCK = Block("x", tuple(range(6)))


@pytest.fixture(scope="module")
def domain() -> dict:
    return training_domain(np.random.default_rng(0).normal(size=(120, 6)), BLOCK)


def test_typical_people_are_about_one_away_and_far_ones_beyond_the_limit(domain) -> None:
    rng = np.random.default_rng(1)
    assert np.median(distance(domain, rng.normal(size=(200, 6)))) == pytest.approx(1, abs=0.15)
    assert (distance(domain, rng.normal(size=(50, 6)) + 10) > domain["limit"]).all()
    # A gap counts as the mean: whoever has nothing lies at the centre.
    assert distance(domain, np.full((1, 6), np.nan))[0] == 0


def test_only_people_who_differ_are_told_from_the_training_people(domain) -> None:
    rng = np.random.default_rng(2)
    assert two_sample_auc(domain, rng.normal(size=(80, 6))) < 0.65
    assert two_sample_auc(domain, rng.normal(size=(80, 6)) + 2 * np.eye(6)[0]) > 0.85
    assert np.isnan(two_sample_auc(domain, rng.normal(size=(MIN_NEW - 1, 6))))
