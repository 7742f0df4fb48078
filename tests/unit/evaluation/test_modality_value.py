from itertools import combinations

import numpy as np
import pytest

from commissure.evaluation.modality_value import (
    coalition_values,
    modality_shares,
    permutation_importance,
    shapley_shares,
)


def test_shares_of_a_known_game_and_their_sum() -> None:
    # Shapley's own example: a and b each own one glove, c the other; c gets 2/3.
    value = {frozenset(who): float("c" in who and len(who) > 1)
             for size in range(4) for who in combinations("abc", size)}  # fmt: skip
    shares = shapley_shares("abc", value)
    assert [shares[name] for name in "abc"] == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    rng = np.random.default_rng(0)
    any_game = {who: rng.normal() for who in value}
    total = sum(shapley_shares("abc", any_game).values())
    assert total == pytest.approx(any_game[frozenset("abc")] - any_game[frozenset()], abs=1e-12)


@pytest.mark.parametrize("kind", ["late", "early", "stacked"])
def test_the_modality_that_tells_has_the_largest_share(drawn_study, kind: str) -> None:
    # methods C9, T9.
    drawn = drawn_study(120, {"a": 0.0, "b": 2.0, "c": 0.0}, seed=1)
    coalitions = coalition_values(drawn.study, drawn.fused(kind), drawn.spec.blocks, drawn.folds)
    rows = {row["name"]: row for row in modality_shares(coalitions)}
    assert max(rows, key=lambda name: rows[name]["shapley"]) == "b"
    assert rows["b"]["shapley"] > 0.15
    assert all(abs(rows[name]["shapley"]) < 0.1 for name in "ac")
    total = sum(row["shapley"] for row in rows.values())
    assert total == pytest.approx(coalitions.value(frozenset("abc")) - 0.5, abs=1e-12)
    assert rows["b"]["added_to_clinical"] is None


def test_shares_come_from_the_model_whose_result_is_the_study_s(drawn_study) -> None:
    # Inside a circle against outside: nothing for a linear model, much for a Gaussian kernel.
    drawn = drawn_study(120, {"a": 0.0, "b": 0.0}, seed=11, columns=2)
    radius = np.where(drawn.study.y == 1, 2.0, 0.5)
    angle = np.random.default_rng(12).uniform(0, 2 * np.pi, 120)
    drawn.values[:, :2] = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    share = {}
    for name in ("late", "multiple_kernel"):
        coalitions = coalition_values(
            drawn.study, drawn.fused(name), drawn.spec.blocks, drawn.folds
        )
        share[name] = modality_shares(coalitions)[0]["shapley"]
    assert share["multiple_kernel"] > 0.35
    assert abs(share["late"]) < 0.2


@pytest.mark.slow
def test_the_planted_modality_is_found_in_95_of_100_runs(drawn_study) -> None:
    # methods C9, T9: largest share in at least 95 %.
    found = 0
    for seed in range(40):
        drawn = drawn_study(100, {"a": 0.0, "b": 1.5, "c": 0.0, "d": 0.0}, seed)
        coalitions = coalition_values(drawn.study, drawn.spec, drawn.spec.blocks, drawn.folds)
        shares = modality_shares(coalitions)
        rows = {row["name"]: row["shapley"] for row in shares}
        found += max(rows, key=rows.get) == "b"
    assert found >= 38


def test_shuffling_a_modality_costs_what_it_gave(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 0.0, "b": 2.0}, seed=2)
    lost = permutation_importance(drawn.study, drawn.spec, drawn.folds)
    assert lost["b"] > 0.25
    assert abs(lost["a"]) < 0.08
