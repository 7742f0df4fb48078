from dataclasses import replace

import numpy as np
import pytest

from commissure.evaluation.held_out import held_out
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.falsification import planted
from commissure.fusion.falsification.planted import (
    FOUND,
    PLANTED_D,
    leaks_verdict,
    noise_aucs,
    noise_verdict,
    signal_verdict,
)
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.design import Block
from commissure.study.splits import Fold
from commissure.study.study import Study

FEW = FusionSettings(inner_folds=3, penalties=[1.0, 10.0])


def drawn(n: int, d: float, seed: int):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    return rng.normal(size=(n, 12)) + d / np.sqrt(12) * y[:, None], y, sites


def test_noise_is_chance_and_a_planted_signal_is_found(plain_design) -> None:
    study, spec, folds = study_of(*drawn(60, 0.0, 2), plain_design)
    noise = noise_verdict(noise_aucs(study, spec, folds), spec.name, spread=0.1)
    signal = signal_verdict(study, spec, folds)
    assert noise.passed and noise.value == pytest.approx(0.5, abs=0.12)
    assert signal.passed and signal.value > FOUND


def study_of(X, y, sites, plain_design):
    design = plain_design(X, sites)
    number = np.arange(len(y)) // 4 % 3
    folds = [
        Fold("cv", 0, str(k), np.flatnonzero(number != k), np.flatnonzero(number == k))
        for k in range(3)
    ]
    return (
        Study(FEW, design, y),
        ModelSpec("x", "modality", "", ("x",), (design.blocks["x"],)),
        folds,
    )


def test_a_planted_signal_that_nobody_can_find_decides_nothing(plain_design) -> None:
    rng = np.random.default_rng(1)
    y, sites = np.arange(36) % 2, np.array(["N", "S"])[np.arange(36) // 2 % 2]
    verdict = signal_verdict(*study_of(rng.normal(size=(36, 3000)), y, sites, plain_design))
    assert verdict.value < FOUND and verdict.passed is None
    assert "nobody could find it" in verdict.description


def test_a_procedure_that_misses_the_planted_signal_fails(plain_design, monkeypatch) -> None:
    X, y, sites = drawn(60, 0.0, 2)

    def broken(study, spec, folds, **options):
        scored = held_out(study, spec, folds, **options)
        return replace(scored, logits=np.random.default_rng(3).permutation(scored.logits))

    monkeypatch.setattr(planted, "held_out", broken)
    verdict = signal_verdict(*study_of(X, y, sites, plain_design))
    assert verdict.passed is False and "broken" in verdict.description


def test_gaps_that_follow_the_labels_are_no_leak(plain_design) -> None:
    # Four of five ones and one of five zeros lack the second block: that alone tells them apart.
    X, y, sites = drawn(100, 0.0, 3)
    rng = np.random.default_rng(4)
    X[rng.random(100) < np.where(y == 1, 0.8, 0.2), 6:] = np.nan
    design = plain_design(X, sites)
    blocks = Block("a", tuple(range(6))), Block("b", tuple(range(6, 12)))
    late = ModelSpec("late", "fusion", "", ("a", "b"), blocks)
    number = np.arange(100) // 4 % 5
    folds = [
        Fold("cv", 0, str(k), np.flatnonzero(number != k), np.flatnonzero(number == k))
        for k in range(5)
    ]
    noise = noise_verdict(noise_aucs(Study(FEW, design, y), late, folds), late.name, spread=0.07)
    assert noise.passed and noise.value == pytest.approx(0.5, abs=0.08)


def test_every_study_audits_itself_and_its_audit(plain_design) -> None:
    rng = np.random.default_rng(2)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 12)) + PLANTED_D / 4 * y[:, None] / np.sqrt(12)
    design = plain_design(x)
    fold = Fold("cv", 0, "1", np.arange(15, 60), np.arange(15))
    spec = ModelSpec("x", "modality", "", ("x",), (design.blocks["x"],))
    study = Study(FEW, design, y)
    audited = audit.study_procedure(spec, FEW), design.values, y, fold
    verdicts = [
        audit.labels_verdict(*audited, trials=4),
        audit.people_verdict(*audited, trials=4),
        audit.repetition_verdict(*audited),
        audit.label_copy_verdict(design, y),
        audit.people_twice_verdict(design),
        audit.post_outcome_verdict([], []),
    ]
    assert all(verdict.passed for verdict in verdicts), verdicts
    leaks = leaks_verdict(study, spec, fold)
    assert leaks.passed and leaks.value == 2
