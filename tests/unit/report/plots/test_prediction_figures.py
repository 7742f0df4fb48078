"""Figures of predictions draw what they are given."""

from __future__ import annotations

import numpy as np

from commissure.report.plots.prediction_figures import (
    calibration_figure,
    decision_figure,
    roc_figure,
)

GROUP = {"predicted": 0.3, "observed": 0.25, "ci_low": 0.1, "ci_high": 0.5}


def test_every_curve_has_its_series():
    curve = {"false_positive_rate": [0, 0.5, 1], "true_positive_rate": [0, 0.8, 1]}
    drawn = roc_figure([(2, curve), (1, curve)], key="roc", description="two curves")
    assert 'aria-label="two curves"' in drawn
    assert "var(--series-2)" in drawn and "var(--series-1)" in drawn


def test_people_are_ticks_above_and_below():
    people = [np.array([0.1, 0.2]), np.array([0.7])]
    drawn = calibration_figure([GROUP], people, key="calibration", description="one group")
    alone = calibration_figure([GROUP], [[], []], key="calibration", description="one group")
    assert drawn.count("<use") == alone.count("<use") + 3


def test_the_decision_curve_ends_where_its_thresholds_end():
    benefits = {"all": [0.4, -0.3], "none": [0.0, 0.0], "late": [0.4, 0.1]}
    drawn = decision_figure(
        [0.1, 0.6], benefits, model="late", key="decision", description="benefit"
    )
    assert ">0.6<" in drawn and ">0.7<" not in drawn
