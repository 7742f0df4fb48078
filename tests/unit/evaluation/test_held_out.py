from dataclasses import replace

import numpy as np
import pytest

from commissure.evaluation.auc import auc, auc_of_wins
from commissure.evaluation.held_out import HeldOut, held_out, held_out_each
from commissure.evaluation.out_of_fold import out_of_fold, repeats_of
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.models.fitting import fit_models
from commissure.models.registry import FUSED_MODELS


@pytest.mark.parametrize("name", FUSED_MODELS)
def test_scores_are_those_of_models_fitted_by_hand(drawn_study, name: str) -> None:
    drawn = drawn_study(60, {"a": 1.0, "b": 1.0}, seed=1)
    y = np.where(np.arange(60) < 8, -1, drawn.study.y)  # eight controls
    study, spec = drawn.study.with_labels(y), drawn.fused(name)
    expected = np.full(60, np.nan)
    cell = np.full(60, "", dtype="U160")
    for fold in drawn.folds:
        X, labels = study.design.values[fold.train], y[fold.train]
        model = fit_models([spec], X, labels, settings=study.settings)[name]
        test = fold.test[y[fold.test] >= 0]
        expected[test] = model.logits(study.design.values[test])[:, 0]
        cell[test] = np.char.add(f"{fold.name}\t", study.design.sites[test])
    held = held_out(study, spec, drawn.folds)
    assert np.array_equal(held.logits, expected, equal_nan=True)
    assert held.auc().value == auc([pairwise_comparisons(y, expected, cell)]).value
    scores, _ = out_of_fold(study, [spec], drawn.folds, lambda line: None)
    (repeat,) = repeats_of(study, scores[name])
    assert np.array_equal(repeat.logits, expected, equal_nan=True)
    assert repeat.auc() == held.auc()


def test_other_values_and_labels_take_the_place_of_the_study_s(drawn_study) -> None:
    drawn = drawn_study(60, {"a": 3.0, "b": 3.0}, seed=2)
    noise = np.random.default_rng(0).normal(size=drawn.values.shape)
    assert held_out(drawn.study, drawn.spec, drawn.folds).auc().value > 0.9
    assert held_out(drawn.study, drawn.spec, drawn.folds, values=noise).auc().value < 0.8
    turned = held_out(drawn.study, drawn.spec, drawn.folds, labels=1 - drawn.study.y)
    assert turned.auc().value > 0.9 and (turned.labels == 1 - drawn.study.y).all()


def test_many_labellings_have_the_aucs_of_each_alone(drawn_study) -> None:
    drawn = drawn_study(60, {"a": 1.0, "b": 1.0}, seed=3)
    rng = np.random.default_rng(1)
    table = np.column_stack([drawn.study.y, rng.permutation(drawn.study.y)])
    given = rng.normal(size=(60, 2))
    scores = held_out_each(
        drawn.study, ["x"], drawn.folds, lambda fold, test: {"x": given[test]}, labels=table
    )["x"]
    aucs, _ = auc_of_wins(*scores.wins_by_labelling())
    for column in (0, 1):
        alone = replace(scores, labels=table[:, column], logits=given[:, column])
        assert aucs[column] == pytest.approx(alone.auc().value, abs=1e-14)


def test_nobody_is_compared_where_no_fold_is_left(drawn_study) -> None:
    drawn = drawn_study(40, {"a": 1.0}, seed=4)
    assert np.isnan(held_out(drawn.study, drawn.spec, []).auc().value)


def test_cells_are_told_apart_by_site_and_fold() -> None:
    sites, fold = np.array(list("aabbb")), np.array(["1", "2", "1", "", "1"])
    cells = HeldOut(np.zeros(5), sites, fold, np.zeros(5)).cells
    same = cells[:, None] == cells[None, :]
    assert same.sum() == 5 + 2
    assert same[2, 4]
