import numpy as np
import pytest

from commissure.evaluation.stability import nogueira_index, stability


def test_nogueira_index_of_known_selections() -> None:
    same = np.tile([1, 1, 0, 0, 0], (6, 1)).astype(float)
    assert nogueira_index(same) == pytest.approx(1.0)
    rng = np.random.default_rng(3)
    chance = np.array([rng.permutation([1.0] * 10 + [0.0] * 90) for _ in range(300)])
    assert nogueira_index(chance) == pytest.approx(0.0, abs=0.005)
    # Two disjoint selections of half the markers are as unlike as can be: 1 - 2 * 0.25 / 0.25.
    assert nogueira_index(np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])) == pytest.approx(-1.0)


def test_stability_stands_out_from_labels_that_mean_nothing(drawn_study) -> None:
    drawn = drawn_study(160, {"a": 0.0, "b": 3.0}, seed=4, columns=20)
    drawn.values[:, 20:23] += 1.0 * drawn.study.y[:, None]
    found = stability(drawn.study, drawn.spec)
    assert found["index"] > found["null_95"]
    assert {("b", "r0"), ("b", "r1"), ("b", "r2")} <= {(m, r) for m, r, *_ in found["frequent"]}
    without = drawn_study(160, {"a": 0.0, "b": 0.0}, seed=5, columns=20)
    null = stability(without.study, without.spec)
    assert null["index"] < null["null_95"] + 0.1 and null["frequent"] == []
