"""What a reader of the primary result must know."""

from __future__ import annotations

import json


def test_without_permutations_chance_is_told_from_the_numbers_of_people(stored_study) -> None:
    metrics = json.loads((stored_study.results / "metrics.json").read_text())
    [caution] = [text for text in metrics["cautions"] if "not permuted" in text]
    assert "exceeds an AUC within site of 0.6" in caution or "of 0.7" in caution


def test_with_permutations_they_tell_it(fitted_study) -> None:
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    assert not any("not permuted" in text for text in metrics["cautions"])
    assert any("labels that mean nothing" in text for text in metrics["cautions"])
