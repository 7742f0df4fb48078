"""The oracle: what it reaches, and the correlation that it knows."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort import oracle
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.person import Person

N = 700


def auc(score: dict[str, float], people: list[Person]) -> float:
    values = {
        group: np.array([score[p.participant_id] for p in people if p.group == group])
        for group in ("responsive", "resistant")
    }
    return float((values["resistant"][:, None] > values["responsive"]).mean())


@pytest.mark.parametrize("wanted", [0.6, 0.75, 0.9])
def test_the_oracle_reaches_the_auc_asked_for(wanted):
    factor = oracle.factor_for_auc(wanted)
    people = cohort.draw_cohort(
        CohortRequest(
            controls=0, responsive=N, resistant=N, resistant_effects=factor, missing=0.0, seed=5
        )
    )
    # Hanley & McNeil: the standard error at 0.6 is the largest, 0.015 for 700 and 700.
    assert auc(dict(oracle.oracle_scores(people, factor)), people) == pytest.approx(
        wanted, abs=0.05
    )
    with pytest.raises(ConfigError, match="times the published effects allow"):
        oracle.factor_for_auc(0.9999)


def test_golden_areas_of_a_distance():
    # Phi(d / sqrt 2), golden numbers of a single normal marker.
    golden = {0.2: 0.556, 0.5: 0.638, 0.8: 0.714, 1.0: 0.760, 1.5: 0.856}
    assert {d: round(oracle.auc_of(d), 3) for d in golden} == golden


def test_the_oracle_finds_nothing_in_a_null_cohort_and_less_without_a_modality(no_effect):
    assert auc(dict(oracle.oracle_scores(no_effect, 0.0)), no_effect) == pytest.approx(
        0.5, abs=0.05
    )
    assert oracle.separation(("anat",)) < oracle.separation(("anat", "mrs")) < oracle.separation()


def test_the_correlation_of_the_oracle_is_that_of_the_people(large, without_age_and_sex):
    values = without_age_and_sex(large)
    group = np.array([p.group for p in large])
    found = np.mean(
        [
            np.corrcoef([value[group == g] for value in values.values()])
            for g in ("control", "responsive", "resistant")
        ],
        axis=0,
    )
    error = (found - oracle.marker_correlation()) * np.sqrt(3 * N)
    assert np.abs(error).max() < 5
