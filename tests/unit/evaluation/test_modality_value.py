import math
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from commissure.evaluation.auc import (
    area,
    area_difference,
    calibration_curve,
    calibration_index,
    compared_pairs,
    corrected_t,
    net_benefit,
)
from commissure.evaluation.learning_curve import followed_curve, learning_curve
from commissure.evaluation.modality_value import (
    modality_shares,
    nogueira_index,
    permutation_importance,
    played,
    shapley_shares,
    stability,
)
from commissure.evaluation.sample_size import cox_snell_r2, people_needed, predictors_carried
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.design import Block, Column, Design
from commissure.study.splits import Fold, stratified_folds

FEW = FusionSettings(penalties=[1.0, 10.0], inner_folds=3)


def study(n: int, effects: dict[str, float], seed: int, columns: int = 4):
    """A design with one block per effect, its labels and folds."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    blocks, parts, names = {}, [], []
    for at, (name, d) in enumerate(effects.items()):
        parts.append(rng.normal(size=(n, columns)) + d / np.sqrt(columns) * y[:, None])
        blocks[name] = Block(name, tuple(range(at * columns, (at + 1) * columns)))
        names += [Column(name, f"r{i}", "m") for i in range(columns)]
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    design = Design(who, sites, np.hstack(parts), tuple(names), blocks, tuple(effects))
    fold = stratified_folds(np.char.add(y.astype(str), sites), 4, (seed,))
    folds = [
        Fold("cv", 0, str(k), np.flatnonzero(fold != k), np.flatnonzero(fold == k))
        for k in range(4)
    ]
    return design, y, folds, ModelSpec("late", "fusion", "", tuple(effects), tuple(blocks.values()))


def test_shares_of_a_known_game_and_their_sum() -> None:
    # Shapley's own example: a and b each own one glove, c the other; c gets 2/3.
    value = {frozenset(who): float("c" in who and len(who) > 1)
             for size in range(4) for who in combinations("abc", size)}  # fmt: skip
    shares = shapley_shares("abc", value)
    assert [float(shares[name]) for name in "abc"] == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    rng = np.random.default_rng(0)
    any_game = {who: rng.normal() for who in value}
    total = sum(float(one) for one in shapley_shares("abc", any_game).values())
    assert total == pytest.approx(any_game[frozenset("abc")] - any_game[frozenset()], abs=1e-12)


@pytest.mark.parametrize("kind", ["late", "early", "stacked"])
def test_the_modality_that_tells_has_the_largest_share(kind: str) -> None:
    # methods C9, T9.
    design, y, folds, spec = study(120, {"a": 0.0, "b": 2.0, "c": 0.0}, seed=1)
    spec = ModelSpec(kind, "fusion", "", spec.modalities, spec.blocks)
    game = played(design, y, spec, spec.blocks, folds, FEW)
    rows = {row["name"]: row for row in modality_shares(game, seed=0)}
    assert max(rows, key=lambda name: rows[name]["shapley"]["value"]) == "b"
    assert rows["b"]["shapley"]["ci_low"] > 0.1
    for name in "ac":
        assert rows[name]["shapley"]["ci_low"] < 0 < rows[name]["shapley"]["ci_high"] + 0.05
    everyone = np.ones((1, 60))
    total = sum(row["shapley"]["value"] for row in rows.values())
    assert total == pytest.approx(
        game.value(frozenset("abc"), everyone, everyone)[0] - 0.5, abs=1e-12
    )
    assert rows["b"]["added_to_clinical"] is None


def test_shares_come_from_the_model_whose_result_is_the_study_s() -> None:
    # Inside a circle against outside: nothing for a linear model, much for a Gaussian kernel.
    design, y, folds, spec = study(120, {"a": 0.0, "b": 0.0}, seed=11, columns=2)
    radius = np.where(y == 1, 2.0, 0.5)
    angle = np.random.default_rng(12).uniform(0, 2 * np.pi, 120)
    design.values[:, :2] = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    share = {}
    for kind in ("late", "multiple_kernel"):
        own = ModelSpec(kind, "fusion", "", spec.modalities, spec.blocks)
        game = played(design, y, own, own.blocks, folds, FEW)
        share[kind] = modality_shares(game, seed=0)[0]["shapley"]["value"]
    assert share["multiple_kernel"] > 0.35
    assert abs(share["late"]) < 0.2


@pytest.mark.slow
def test_the_planted_modality_is_found_in_95_of_100_runs() -> None:
    # methods C9, T9: largest share in at least 95 %.
    found = 0
    for seed in range(40):
        design, y, folds, spec = study(100, {"a": 0.0, "b": 1.5, "c": 0.0, "d": 0.0}, seed)
        game = played(design, y, spec, spec.blocks, folds, FEW)
        rows = {row["name"]: row["shapley"]["value"] for row in modality_shares(game, seed=0)}
        found += max(rows, key=rows.get) == "b"
    assert found >= 38


def test_shuffling_a_modality_costs_what_it_gave() -> None:
    design, y, folds, spec = study(120, {"a": 0.0, "b": 2.0}, seed=2)
    lost = permutation_importance(design, y, spec, folds, FEW)
    assert lost["b"] > 0.25
    assert abs(lost["a"]) < 0.08


def test_nogueira_index_of_known_selections() -> None:
    same = np.tile([1, 1, 0, 0, 0], (6, 1)).astype(float)
    assert nogueira_index(same) == pytest.approx(1.0)
    rng = np.random.default_rng(3)
    chance = np.array([rng.permutation([1.0] * 10 + [0.0] * 90) for _ in range(300)])
    assert nogueira_index(chance) == pytest.approx(0.0, abs=0.005)
    # Two disjoint selections of half the markers are as unlike as can be: 1 - 2 * 0.25 / 0.25.
    assert nogueira_index(np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])) == pytest.approx(-1.0)


def test_stability_stands_out_from_labels_that_mean_nothing() -> None:
    design, y, _, spec = study(160, {"a": 0.0, "b": 3.0}, seed=4, columns=20)
    design.values[:, 20:23] += 1.0 * y[:, None]
    found = stability(design, y, spec, FEW)
    assert found["index"] > found["null_95"]
    assert {("b", "r0"), ("b", "r1"), ("b", "r2")} <= {(m, r) for m, r, *_ in found["frequent"]}
    null_design, y, _, spec = study(160, {"a": 0.0, "b": 0.0}, seed=5, columns=20)
    null = stability(null_design, y, spec, FEW)
    assert null["index"] < null["null_95"] + 0.1 and null["frequent"] == []


def test_learning_curve_rises_and_follows_its_law() -> None:
    n = np.array([50.0, 100, 200, 400, 800])
    points = [{"n": one, "auc": 1 - (0.2 + 2 * one**-0.5)} for one in n]
    told = followed_curve(points)
    assert told["auc_asymptote"] == pytest.approx(0.8, abs=1e-3)
    assert told["people_needed"] == pytest.approx(10_000, rel=0.02)  # 2 n^-0.5 = 0.02
    flat = followed_curve([{"n": one, "auc": 0.5} for one in n])
    assert flat["people_needed"] is None and "does not rise" in flat["description"]
    design, y, folds, spec = study(240, {"a": 1.0, "b": 1.0}, seed=6, columns=30)
    curve = learning_curve(design, y, spec, folds, FEW)["points"]
    assert curve[-1]["n"] == pytest.approx(180)
    assert curve[-1]["auc"] > curve[0]["auc"]


def test_people_needed_by_riley() -> None:
    # methods C5: prevalence 0.3; AUC 0.70 (R2 0.105) 486, 810, 1619 and AUC 0.75 304, 510, 1013 at
    # 6, 10 and 20 predictors; 323 for the prevalence.
    assert cox_snell_r2(0.70, 0.3) == pytest.approx(0.105, abs=0.002)
    for auc, expected in ((0.70, (486, 810, 1619)), (0.75, (304, 510, 1013))):
        for predictors, people in zip((6, 10, 20), expected, strict=True):
            found = people_needed(auc, 0.3, predictors)
            assert found["shrinkage"] == pytest.approx(people, rel=0.025)
            assert found["prevalence"] == 323
            assert found["needed"] >= found["shrinkage"]
    assert predictors_carried(0.70, 0.3, 830) == 10
    assert cox_snell_r2(0.5, 0.3) == pytest.approx(0.0, abs=1e-12)


def test_corrected_t_is_wider_by_the_overlap_of_training_sets() -> None:
    # Nadeau and Bengio: 10 folds of 1 / 4; variance factor 1 / 10 + 1 / 4 instead of 1 / 10.
    gaps = np.linspace(-0.1, 0.3, 10)
    found = corrected_t(gaps, 0.25)
    error = math.sqrt((0.1 + 0.25) * gaps.var(ddof=1))
    assert found["value"] == pytest.approx(0.1)
    assert found["ci_high"] - 0.1 == pytest.approx(2.2622 * error, rel=1e-4)
    assert math.isnan(corrected_t(np.array([0.1]), 0.25)["p"])
    assert corrected_t(np.zeros(5), 0.25)["p"] == 1.0


def test_paired_difference_is_that_of_delong() -> None:
    rng = np.random.default_rng(7)
    y = np.arange(400) % 2
    first = rng.normal(size=400) + y
    second = first + 0.3 * rng.normal(size=400)
    pairs = [[compared_pairs(y, one, np.zeros(400))] for one in (first, second)]
    gap = area_difference(*pairs)
    assert gap.value == pytest.approx(roc_auc_score(y, first) - roc_auc_score(y, second))
    # The two scores agree nearly everywhere: the paired error is far below that of one AUC.
    assert gap.standard_error < 0.4 * area(pairs[0]).standard_error
    # Bootstrap of the people as the yardstick.
    samples = []
    for _ in range(300):
        own = rng.integers(0, 400, 400)
        samples.append(roc_auc_score(y[own], first[own]) - roc_auc_score(y[own], second[own]))
    assert gap.standard_error == pytest.approx(np.std(samples), rel=0.2)


def test_calibration_curve_finds_the_true_probability() -> None:
    rng = np.random.default_rng(8)
    logit = rng.normal(size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-logit))).astype(int)
    p = 1 / (1 + np.exp(-logit))
    assert calibration_index(y, p) < 0.02
    # Logits twice too large: the mean distance of p and truth over the people is known.
    extreme = 1 / (1 + np.exp(-2 * logit))
    assert calibration_index(y, extreme) == pytest.approx(np.abs(extreme - p).mean(), abs=0.03)
    assert calibration_curve(y, p, np.array([0.3, 0.5, 0.7])) == pytest.approx(
        [0.3, 0.5, 0.7], abs=0.04
    )


def test_net_benefit_by_hand() -> None:
    y, p = np.array([1, 1, 0, 0]), np.array([0.9, 0.3, 0.6, 0.1])
    # At 0.5: one true, one false positive of four; odds 1. At 0.2: two true, one false; odds 1/4.
    assert net_benefit(y, p, np.array([0.5, 0.2])) == pytest.approx([0.0, 0.5 - 0.25 / 4])


def test_a_study_tells_all_of_it(fitted_study) -> None:
    import json

    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    rows = {row["name"]: row for row in metrics["modalities"]}
    assert set(rows) == {"clinical", "anat", "func", "mrs"}
    assert max(rows, key=lambda name: rows[name]["shapley"]["value"]) == "mrs"
    assert rows["mrs"]["added_to_clinical"]["value"] > 0
    assert metrics["learning_curve"]["points"][-1]["n"] > 20
    assert {row["model"] for row in metrics["comparisons"]} >= {"clinical", "early", "mrs"}
    assert sum(row["n"] for row in metrics["missingness_patterns"]) == 32
    assert metrics["missingness_patterns"][0]["modalities"] == "anat func mrs"
    declared = metrics["exclusion_sensitivity"][0]
    assert declared["analysis"] == "as declared"
    last = metrics["learning_curve"]["points"][-1]["auc"]  # everybody: the same folds and fits
    assert last == pytest.approx(declared["auc_within_site"]["value"], abs=1e-12)
    assert metrics["sample_size"]["rows"][0]["people_needed"]["10"] > 600
    assert 0 <= metrics["models"]["late"]["calibration_index"] < 0.5


@pytest.mark.slow
def test_each_rule_can_be_lifted(make_study) -> None:
    import pandas as pd

    study = make_study()
    rows = [(f"sub-{i:03d}", "", "func", "motion", "<= 0.5", 0.9) for i in range(1, 9)]
    rows += [("sub-020", "", "mrs", "linewidth", "<= 12", 15.0)]
    columns = ["participant_id", "session", "modality", "rule", "limit", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(
        study.folder / "exclusions.tsv", sep="\t", index=False
    )
    metrics = study.run(secondary_analyses=True, repeats=1, permutations=0)
    table = {row["analysis"]: row for row in metrics["exclusion_sensitivity"]}
    assert {"as declared", "without the rule motion", "without the rule linewidth",
            "without any rule", "without site north"} <= set(table)  # fmt: skip
    complete = table["only people with all modalities"]
    assert complete["n"] < table["as declared"]["n"]
    assert table["without site north"]["description"] == "too few people are left"


def test_the_site_is_told_before_combat_and_not_after() -> None:
    from dataclasses import replace

    from commissure.evaluation.comparisons import site_classifier

    design, y, folds, spec = study(240, {"a": 0.0, "b": 0.0}, seed=9, columns=12)
    south = design.sites == "S"
    design.values[south, :12] += 1.0  # block a carries the site, b does not
    marks = np.column_stack([~south, south]).astype(float)
    values = np.hstack([design.values, marks])
    blocks = tuple(replace(block, sites=(24, 25)) for block in spec.blocks)
    design = replace(design, values=values)
    rows = {
        r["modality"]: r for r in site_classifier(design, y, replace(spec, blocks=blocks), folds)
    }
    assert rows["a"]["before"] > 0.95
    assert rows["a"]["after"] == pytest.approx(0.5, abs=0.12)
    assert rows["b"]["before"] == pytest.approx(0.5, abs=0.12)
    assert site_classifier(design, y, spec, folds)[0]["after"] is None
