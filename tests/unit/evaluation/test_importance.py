import numpy as np
import pytest

from commissure.evaluation.importance import Importance, haufe_patterns, marker_patterns
from commissure.models.fitting import fit_models
from commissure.models.registry import ModelSpec


def single(drawn, name: str) -> ModelSpec:
    block = drawn.study.design.blocks[name]
    return ModelSpec(name, "modality", "", (name,), (block,))


def fitted(drawn, *specs: ModelSpec):
    study = drawn.study
    return fit_models(specs, study.design.values, study.y, settings=study.settings)


def test_a_pattern_is_the_correlation_of_marker_and_logit(drawn_study) -> None:
    drawn = drawn_study(80, {"a": 2.0}, seed=1)
    model = fitted(drawn, single(drawn, "a"))["a"]
    logit = model.logits(drawn.values)[:, 0]
    expected = [np.corrcoef(column, logit)[0, 1] for column in drawn.values.T]
    assert haufe_patterns(model, drawn.values)[:, 0] == pytest.approx(expected)
    assert list(marker_patterns(model, drawn.values)) == [0, 1, 2, 3]


def test_people_without_the_block_say_nothing_of_its_markers(drawn_study) -> None:
    drawn = drawn_study(80, {"a": 2.0}, seed=2)
    model = fitted(drawn, single(drawn, "a"))["a"]
    more = np.vstack([drawn.values, np.full((20, 4), np.nan)])
    assert np.array_equal(haufe_patterns(model, more), haufe_patterns(model, drawn.values))


def test_rows_are_means_over_folds_in_the_order_asked_for(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 0.0, "b": 3.0}, seed=3)
    importance = Importance(drawn.study.design)
    models = fitted(drawn, drawn.spec, single(drawn, "b"))
    for _ in range(2):
        importance.add(models, drawn.values)
    rows = importance.rows(["b", "late"])
    assert [row[0] for row in rows] == ["b"] * 4 + ["late"] * 2
    sizes = [abs(row[4]) for row in rows[:4]]
    assert sizes == sorted(sizes, reverse=True)
    shares = {row[1]: row[4] for row in rows if row[0] == "late"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["b"] > 0.7
