import json

import pytest


def test_a_study_tells_all_of_it(fitted_study) -> None:
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    rows = {row["name"]: row for row in metrics["modalities"]}
    assert set(rows) == {"clinical", "anat", "func", "mrs"}
    assert max(rows, key=lambda name: rows[name]["shapley"]) == "mrs"
    assert rows["mrs"]["added_to_clinical"] > 0
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


def test_what_a_report_draws_is_in_the_metrics(fitted_study) -> None:
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    baselines = {n: m for n, m in metrics["models"].items() if m["kind"] == "baseline"}
    best = max(baselines, key=lambda name: baselines[name]["auc_within_site"]["value"])
    assert metrics["best_baseline"] == best
    assert list(metrics["curves"]) == ["late", best]
    curve = metrics["curves"]["late"]
    assert curve["roc"]["false_positive_rate"][-1] == curve["roc"]["true_positive_rate"][-1] == 1.0
    assert sum(row["n"] for row in curve["calibration"]) == curve["n"] == 32
    assert {"threshold", "all", "none", "late", "clinical"} <= set(metrics["decision_curve"])
    assert set(metrics["decisions"]["models"]) == {"late", "early", "stacked"}
    late = metrics["decisions"]["models"]["late"]
    assert late["n"] == 32 and late["declared"] is None
    assert late["sample"]["brier"] == pytest.approx(metrics["models"]["late"]["brier"], abs=1e-12)
    assert set(metrics["conformal"]["models"]) == {"late", "early", "stacked"}
    needed = metrics["sample_size"]["rows"][0]["people_needed"]["10"]
    assert any(f"about {needed} people" in caution for caution in metrics["cautions"])
