"""The first section says what metrics.json holds, and nothing beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from commissure.report.sections.summary import content

BELOW = {
    "falsification": {"rows": [], "held": 0, "failed": [], "open": 0},
    "quality": {"flagged": []},
}


def summary(run, **changed: Any):
    """The summary where the main model and the metrics are changed."""
    inputs = run.input()
    metrics = {**inputs.results.metrics, **changed.pop("metrics", {})}
    late = {**metrics["models"]["late"], **changed}
    metrics["models"] = {**metrics["models"], "late": late}
    results = dataclasses.replace(inputs.results, metrics=metrics)
    return content(dataclasses.replace(inputs, results=results), BELOW)


def test_the_main_figure_follows_the_metrics_file(small):
    area = {"value": 0.912, "ci_low": 0.874, "ci_high": 0.951}
    shown = summary(small, auc_within_site=area)
    assert "(AUC) of 0.91 (0.87 to 0.95)" in shown["found"][0]
    assert not any("contains 0.50" in limit or "simulated" in limit for limit in shown["limits"])


@pytest.mark.parametrize("needed", [695, 1389])
def test_the_sample_size_is_that_of_the_metrics_file(small, needed):
    rows = [{"auc": 0.7, "predictors_carried": 0, "people_needed": {"10": needed}}]
    shown = summary(small, metrics={"sample_size": {"rows": rows}})
    [limit] = [text for text in shown["limits"] if "Riley" in text]
    assert f"asks for about {needed} " in limit


def test_a_run_without_sample_size_names_none(small):
    shown = summary(small, metrics={"sample_size": None})
    assert not any("Riley" in text for text in shown["limits"])
