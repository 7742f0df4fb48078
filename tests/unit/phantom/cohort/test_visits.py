"""Visits: age, travelling, another noise seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort import tables
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans


def test_one_visit_is_the_person_as_drawn():
    request = CohortRequest(controls=3, responsive=2, resistant=2, seed=5)
    people = cohort.draw_cohort(request)
    scans = draw_scans(people, request)
    assert [replace(scan, lasting_seed=None) for scan in scans] == people
    assert all(scan.lasting_seed == scan.seed and scan.session == "" for scan in scans)


def test_visits_follow_age_and_change_a_little():
    request = CohortRequest(
        controls=400, responsive=0, resistant=0, visits=2, years_between=5.0, seed=5
    )
    people = cohort.draw_cohort(request)
    scans = draw_scans(people, request)
    first, second = scans[::2], scans[1::2]
    assert [p.session for p in scans[:4]] == ["1", "2", "1", "2"]
    assert [b.age - a.age for a, b in zip(first, second, strict=True)] == pytest.approx([5.0] * 400)
    assert all(a.lasting_seed == b.lasting_seed for a, b in zip(first, second, strict=True))
    assert not {a.seed for a in first} & {b.seed for b in second}
    key = ("glu", "ACC")
    change = np.array([b.markers[key] - a.markers[key] for a, b in zip(first, second, strict=True)])
    # -0.02 mmol/kg a year; SD 0.2 of 0.816, standard error a twentieth of that.
    assert change.mean() == pytest.approx(-0.1, abs=4 * 0.2 * 0.816 / 20)
    assert change.std() == pytest.approx(0.2 * 0.816, rel=0.15)
    same = draw_scans(people[:3], request.model_copy(update={"years_between": 0.0}))
    assert all(a.markers == b.markers for a, b in zip(same[::2], same[1::2], strict=True))


def test_a_planted_change_comes_with_every_visit_and_changes_nothing_else():
    request = CohortRequest(
        controls=2, responsive=0, resistant=0, visits=3, years_between=0.0, seed=5,
        change={"Hippocampus_L": -0.05, "Thalamus_L": 0.1},
    )  # fmt: skip
    first, second, third = draw_scans(cohort.draw_cohort(request), request)[:3]
    key = "volume_factor", "Hippocampus_L"
    assert second.markers[key] == pytest.approx(0.95 * first.markers[key])
    assert third.markers[key] == pytest.approx(0.95**2 * first.markers[key])
    planted = {key, ("volume_factor", "Thalamus_L")}
    changed = {k for k in third.markers if third.markers[k] != first.markers.get(k)}
    assert changed == planted


def test_a_planted_change_needs_a_second_visit():
    with pytest.raises(ValueError, match="change with one visit"):
        CohortRequest(change={"Hippocampus_L": -0.05})


def test_travelling_subjects_are_seen_at_every_site():
    request = CohortRequest(controls=6, responsive=4, resistant=4, sites=3, travelling=2, seed=5)
    people = cohort.draw_cohort(request)
    scans = draw_scans(people, request)
    assert len(scans) == len(people) + 2 * 2
    seen = {p.participant_id: [s for s in scans if s.participant_id == p.participant_id] for p in people}  # fmt: skip
    travelled = [visits for visits in seen.values() if len(visits) > 1]
    assert [{s.site for s in visits} for visits in travelled] == [set("ABC")] * 2
    for visits in travelled:
        assert visits[0].group == "control"
        assert all(s.session == f"{i + 1}{s.site}" for i, s in enumerate(visits))
        assert all(s.site == s.scanner.site for s in visits)
        assert visits[0].site == next(
            p.site for p in people if p.participant_id == visits[0].participant_id
        )
        assert all(
            s.markers == visits[0].markers and s.lasting_seed == visits[0].seed for s in visits
        )
    table = tables.participants_table(scans)
    assert table["participant_id"].tolist() == [p.participant_id for p in people]
    assert table["site"].tolist() == [p.site for p in people]


def test_another_noise_seed_leaves_the_people_as_they_are():
    request = CohortRequest(controls=3, responsive=2, resistant=2, seed=5)
    people = cohort.draw_cohort(request)
    first = draw_scans(people, request)
    other = draw_scans(people, request.model_copy(update={"noise_seed": 8}))
    for a, b in zip(first, other, strict=True):
        assert a.seed != b.seed
        assert replace(a, seed=0) == replace(b, seed=0)
