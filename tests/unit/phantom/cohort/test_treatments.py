"""Courses of treatment: the label follows from them."""

from __future__ import annotations

import pytest

from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort import treatments
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.person import Person

N = 700


def label_by_plain_rules(person: Person) -> str:
    """The TRRIP rule of the methods, written down again."""
    if person.group == "control":
        return "control"
    failed, worked = set(), False
    for trial in person.trials:
        adequate = (
            trial.cpz_eq_mg >= 600
            and trial.weeks_at_dose >= 6
            and trial.adherence >= 0.8
            and trial.adherence_sources >= 2
        )
        reduction = (trial.panss_before - trial.panss_after) / (trial.panss_before - 30)
        if adequate and reduction < 0.20:
            failed.add(trial.drug)
        if adequate and reduction >= 0.20:
            worked = True
    if len(failed) >= 2:
        return "resistant"
    return "responsive" if worked else "indeterminate"


def test_labels_follow_from_the_treatments(large):
    assert [p.label for p in large] == [label_by_plain_rules(p) for p in large]
    assert {p.label for p in large if p.group == "resistant"} == {"resistant"}
    pseudo = [p for p in large if p.label == "indeterminate"]
    assert len(pseudo) == N // cohort.PSEUDO_RESISTANT_EVERY
    for person in pseudo:
        assert person.group == "responsive"
        assert all(trial.adherence < 0.8 for trial in person.trials)
        assert len({trial.drug for trial in person.trials}) >= 2
    resistant = [p for p in large if p.label == "resistant"]
    assert all(p.clinical["sofas"] < 60 for p in resistant)


def test_doses_and_their_equivalents_agree():
    people = cohort.draw_cohort(
        CohortRequest(controls=0, responsive=30, resistant=30, sites=1, seed=3)
    )
    trials = [trial for person in people for trial in person.trials]
    assert {trial.drug for trial in trials} == set(treatments.MG_FOR_600_CPZ)
    for trial in trials:
        expected = 600 * trial.dose_mg / treatments.MG_FOR_600_CPZ[trial.drug]
        assert expected == pytest.approx(trial.cpz_eq_mg, rel=0.01)
