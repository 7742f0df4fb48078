"""Curves of predictions against answers known beforehand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from commissure.report.plots.prediction_figures import (
    area,
    calibration_bins,
    net_benefit,
    roc_points,
)
from commissure.report.sections.models import chance_limit, main_model, person_predictions


def test_area_by_hand_with_a_tie():
    # Pairs: (.9,.8) 1, (.9,.3) 1, (.3,.8) 0, (.3,.3) 1/2 -> 2.5 / 4.
    assert area(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.3, 0.3])) == 0.625


def test_area_agrees_with_scikit_learn_on_tied_scores():
    rng = np.random.default_rng(2)
    outcome, score = rng.integers(0, 2, 200), rng.integers(0, 12, 200) / 12
    assert area(outcome, score) == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)


def test_curve_begins_and_ends_in_the_corners():
    alarms, hits = roc_points(np.array([1, 0, 1]), np.array([0.2, 0.5, 0.7]))
    assert (alarms[0], hits[0]) == (0, 0)
    assert (alarms[-1], hits[-1]) == (1, 1)


def test_net_benefit_of_treating_all_is_known():
    # Prevalence 0.4 at a threshold of 0.25: 0.4 - 0.6 / 3 = 0.2.
    outcome = np.array([1, 1, 0, 0, 0])
    assert net_benefit(outcome, np.ones(5), np.array([0.25]))[0] == pytest.approx(0.2)


def test_calibration_of_a_truthful_model():
    rng = np.random.default_rng(4)
    probability = rng.uniform(size=5000)
    outcome = (rng.uniform(size=5000) < probability).astype(int)
    rows = calibration_bins(outcome, probability)
    assert sum(n for *_, n in rows) == 5000
    for predicted, observed, low, high, _ in rows:
        assert predicted == pytest.approx(observed, abs=0.04)
        assert low < observed < high


def test_chance_limit_agrees_with_shuffling():
    rng = np.random.default_rng(6)
    outcome = np.r_[np.ones(14), np.zeros(16)]
    areas = [area(outcome, rng.normal(size=30)) for _ in range(4000)]
    limit = chance_limit([(14, 16)])
    assert limit == pytest.approx(np.quantile(areas, 0.95), abs=0.012)
    assert chance_limit([(0, 16)]) is None
    # Two equal sites: variance halves, 0.5 + 1.645 * sqrt(31 / (12 * 224) / 2).
    assert chance_limit([(14, 16)] * 2) == pytest.approx(0.6249, abs=1e-4)


def test_the_main_model_is_chosen_by_its_place_not_by_its_result():
    models = {
        "anat": {"kind": "modality", "auc_within_site": {"value": 0.9}},
        "late": {"kind": "fusion", "auc_within_site": {"value": 0.5}},
        "stacked": {"kind": "fusion", "auc_within_site": {"value": 0.8}},
    }
    assert main_model({"models": models}) == "late"
    assert main_model({"models": models, "question": {"primary": "stacked"}}) == "stacked"


def test_predictions_are_averaged_per_person():
    table = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-1", "sub-2", "sub-2", "sub-1"],
            "model": ["a", "a", "a", "a", "b"],
            "label": ["resistant", "resistant", "responsive", "responsive", "resistant"],
            "probability": [0.2, 0.6, 0.1, 0.3, 0.99],
            "scheme": "cv",
        }
    )
    away = table.head(4).assign(scheme="leave_site_out", probability=0.95)
    table = pd.concat([table, away], ignore_index=True)
    found = person_predictions(table, "a", "resistant")
    assert found is not None
    assert list(found[0]) == [1, 0]
    assert list(found[1]) == pytest.approx([0.4, 0.2])
    assert person_predictions(table, "b", "resistant") is None
