"""The section on models shows what the run computed."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from commissure.report.sections.models import content, person_probabilities


def test_probabilities_are_averaged_per_person():
    table = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-1", "sub-2", "sub-2", "sub-1"],
            "model": ["a", "a", "a", "a", "b"],
            "label": ["resistant", "resistant", "responsive", "responsive", "resistant"],
            "probability": [0.2, 0.6, 0.1, 0.3, 0.99],
            "scheme": "cv",
        }
    )
    left_out = table.head(4).assign(scheme="leave_site_out", probability=0.95)
    table = pd.concat([table, left_out], ignore_index=True)
    assert list(person_probabilities(table, "a", "resistant")) == pytest.approx([0.4])
    assert list(person_probabilities(table, "a", "responsive")) == pytest.approx([0.2])
    assert len(person_probabilities(table, "b", "responsive")) == 0


def test_areas_of_the_curves_are_those_of_the_metrics(small):
    run = small.input()
    curves = run.results.metrics["curves"]
    shown = content(run, {})["curves"]
    assert shown["areas"] == [(name, f"{curves[name]['roc']['auc']:.2f}") for name in curves]
    assert shown["people"] == curves["late"]["n"]
    assert shown["roc"] and shown["calibration"] and shown["decision"]


def test_a_run_without_curves_draws_none(small):
    run = small.input()
    metrics = {key: value for key, value in run.results.metrics.items() if key != "curves"}
    results = dataclasses.replace(run.results, metrics=metrics)
    assert content(dataclasses.replace(run, results=results), {})["curves"] is None
