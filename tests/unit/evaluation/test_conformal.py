"""Sets of labels hold the true one as often as they promise."""

import numpy as np
import pytest

from commissure.evaluation.conformal import conformal_results, label_sets
from commissure.evaluation.decisions import ScoredPeople
from commissure.evaluation.out_of_fold import out_of_fold


def test_sets_by_hand() -> None:
    labels = np.array([1, 1, 1, 0, 0, 0, 1, 1])
    logits = np.array([1.0, 2, 3, -1, -2, -3, 1.5, -5])
    people = ScoredPeople(labels, logits, np.array(["a"] * 6 + ["b"] * 2))
    # 1.5 is the second lowest of four among positive people: p = 2/4; above all negative: 1/4.
    # -5 is below all positive people: 1/4; below all negative: 4/4.
    assert label_sets(people, 0.7)[6:].tolist() == [[True, False], [False, True]]
    assert label_sets(people, 0.8)[6:].tolist() == [[True, True], [True, True]]
    assert label_sets(people, 0.5)[6:].tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("d", [0.0, 1.5])
def test_coverage_is_that_of_the_level_by_label(d: float) -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(100):
        labels = (rng.random(120) < 0.25).astype(int)
        people = ScoredPeople(labels, rng.normal(size=120) + d * labels, np.arange(120) % 5)
        sets = label_sets(people, 0.9)
        held.append([sets[labels == 1, 0].mean(), sets[labels == 0, 1].mean()])
    # (1 + n) steps make it a little more than .9 where a label has few people.
    assert np.mean(held, axis=0) == pytest.approx([0.92, 0.905], abs=0.015)


def test_a_study_tells_coverage(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 2.0, "b": 2.0}, seed=3)
    scores, _ = out_of_fold(drawn.study, [drawn.spec], drawn.folds, lambda line: None)
    told = conformal_results(drawn.study, scores, ["late"])
    late = told["models"]["late"]
    assert told["level"] == 0.9
    assert late["coverage_positive"]["ci_low"] < 0.9 < late["coverage_positive"]["ci_high"]
    assert late["one"] + late["both"] + late["none"] == pytest.approx(1)
    assert late["one"] > 0.7
