"""Simulated lesions: the same again from a seed, and true to what is said of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from commissure.phantom.lesions.bodies import head, liver
from commissure.phantom.lesions.course import draw_courses
from commissure.phantom.lesions.simulate import (
    SimulatedVisit,
    TrueBody,
    simulate_follow_up,
    true_responses,
)


@pytest.fixture(scope="module")
def body():
    return liver((2.0, 2.0, 4.0))


def test_a_seed_gives_the_same_patient(body):
    first, again, other = (simulate_follow_up(body, seed, images=True) for seed in (3, 3, 4))
    for one, two in zip(first.visits, again.visits, strict=True):
        assert np.array_equal(one.labels, two.labels) and np.array_equal(one.image, two.image)
    assert first.responses == again.responses
    assert not np.array_equal(first.visits[0].labels, other.visits[0].labels)


def test_labels_lie_in_the_organ_and_have_the_volume_that_is_said(body):
    patient = simulate_follow_up(body, 5, images=True)
    voxel_ml = abs(np.linalg.det(body.affine[:3, :3])) / 1000
    for visit in patient.visits:
        assert set(np.unique(visit.labels)) - {0} == {one.label for one in visit.bodies}
        for one in visit.bodies:
            place = visit.labels == one.label
            if len(one.lesions) == 1:
                assert place.sum() * voxel_ml == pytest.approx(one.volume_ml, rel=0.12, abs=0.06)
            assert body.organ[place].mean() > 0.95
        # Lesions are darker than the liver around them.
        inside = visit.image[visit.labels > 0].mean()
        around = visit.image[body.organ & (visit.labels == 0)].mean()
        assert around - inside > 30


def test_all_that_can_happen_happens(body):
    seen = Counter()
    for seed in range(40):
        courses = draw_courses(body, np.random.default_rng(seed), visits=4, lesions=4, shift_mm=0.5)
        for course in courses:
            counts = [len(parts) for parts in course.parts]
            seen["new"] += counts[0] == 0
            seen["split"] += max(counts) == 2
            seen["gone"] += counts[0] > 0 and counts[-1] == 0
    assert min(seen["new"], seen["split"], seen["gone"]) >= 5
    patients = [simulate_follow_up(body, seed) for seed in range(30)]
    assert {"CR", "PR", "SD", "PD"} <= {r for patient in patients for r in patient.responses}
    assert any(
        len(one.lesions) > 1 for patient in patients for v in patient.visits for one in v.bodies
    )


def visit(number, **sizes):
    bodies = tuple(
        TrueBody(n, tuple(name.split("_")), size, size, 1.0)
        for n, (name, size) in enumerate(sizes.items(), start=1)
    )
    return SimulatedVisit(f"ses-{number}", 56.0 * number, np.zeros((1, 1, 1)), bodies, None)


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        ([{"a": 50, "b": 30}, {"a": 30, "b": 26}, {"a": 40, "b": 28}], ("PR", "PD")),
        ([{"a": 50, "b": 30, "c": 20}, {"c": 18}, {}], ("PR", "CR")),
        ([{"a": 50}, {"a": 50, "x": 8}], ("PD",)),
        ([{"a": 50, "b": 30}, {"a_b": 85}], ("SD",)),
        ([{"a": 15}, {"a": 2}, {"a": 6}], ("PR", "PR")),
    ],
)
def test_the_true_response_is_arithmetic_of_the_true_diameters(visits, expected):
    assert true_responses([visit(n, **sizes) for n, sizes in enumerate(visits)]) == expected


@pytest.mark.slow
def test_lesions_in_a_head_enhance():
    body = head(1, voxel_mm=3.0)
    patient = simulate_follow_up(body, 2, visits=2, images=True)
    first = patient.visits[0]
    assert len(first.bodies) >= 2
    large = first.labels == max(first.bodies, key=lambda one: one.volume_ml).label
    assert first.image[large].mean() > 1.1 * first.image[body.organ & (first.labels == 0)].mean()
