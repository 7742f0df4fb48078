"""The cohort: realised effects, correlations, labels, sites, missingness."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.modalities import BY_DEFAULT
from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.person import Person

N = 700


LAYERS = ((("responsive", "resistant"), "d_resistant"), (("control", "responsive"), "d_patient"))


def standardised_error(expected: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """How many standard errors the difference b - a is from an expected d."""
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    return float(((b.mean() - a.mean()) / pooled - expected) / np.sqrt(2 / N))


@pytest.mark.parametrize("scale", [1.0, 0.0], ids=["published", "null"])
def test_realised_effects_are_those_asked_for(scale, large, no_effect, without_age_and_sex):
    people = large if scale else no_effect
    values = without_age_and_sex(people)
    group = np.array([p.group for p in people])
    errors = [
        standardised_error(
            scale * getattr(row, layer),
            values[row.marker, row.region][group == low],
            values[row.marker, row.region][group == high],
        )
        for row in cohort.planted_effects().itertuples()
        for (low, high), layer in LAYERS
    ]
    assert len(errors) == 2 * 85
    assert np.abs(errors).max() < 4
    assert np.mean(np.square(errors)) < 2


def test_each_layer_of_effects_has_a_factor_of_its_own(without_age_and_sex):
    people = cohort.draw_cohort(
        CohortRequest(
            controls=N,
            responsive=N,
            resistant=N,
            patient_effects=0.5,
            resistant_effects=2.0,
            seed=3,
        )
    )
    values = without_age_and_sex(people)
    group = np.array([p.group for p in people])
    errors = [
        standardised_error(
            factor * getattr(row, layer),
            values[row.marker, row.region][group == low],
            values[row.marker, row.region][group == high],
        )
        for row in cohort.planted_effects().itertuples()
        for ((low, high), layer), factor in zip(LAYERS, (2.0, 0.5), strict=True)
    ]
    assert np.abs(errors).max() < 4
    assert np.mean(np.square(errors)) < 2


def test_people_of_a_null_cohort_do_not_differ_in_motion_or_onset(no_effect):
    group = np.array([p.group for p in no_effect])
    motion = np.log([p.motion_scale_mm for p in no_effect])
    assert abs(standardised_error(0, motion[group == "control"], motion[group == "resistant"])) < 4
    onset = np.array([p.clinical.get("age_at_onset", np.nan) for p in no_effect])
    ill, worse = onset[group == "responsive"], onset[group == "resistant"]
    assert abs(standardised_error(0, ill, worse)) < 4


def test_resistant_people_fell_ill_earlier_and_are_as_old(large):
    group = np.array([p.group for p in large])
    onset = np.array([p.clinical.get("age_at_onset", np.nan) for p in large])
    age = np.array([p.age for p in large])
    ill, worse = group == "responsive", group == "resistant"
    assert abs(standardised_error(-0.55, onset[ill], onset[worse])) < 4
    assert abs(standardised_error(0, age[ill], age[worse])) < 4
    assert (age[ill | worse] > onset[ill | worse]).all()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("glu", "ACC"), ("gsh", "ACC"), 0.50),
        (("fa", "GCC"), ("fa", "UNC_L"), 0.50),
        (("volume_factor", "SFG_L"), ("volume_factor", "Hippocampus_R"), 0.50),
        (("volume_factor", "Hippocampus_L"), ("volume_factor", "Hippocampus_R"), 0.75),
        (("volume_factor", "Hippocampus_L"), ("volume_factor", "LateralVentricle_L"), -0.50),
        (("glu", "ACC"), ("fa", "GCC"), 0.15),
        (("fc", "Default"), ("volume_factor", "SFG_L"), 0.15),
    ],
)
def test_markers_correlate_as_documented(one, other, expected, large, without_age_and_sex):
    values = without_age_and_sex(large)
    group = np.array([p.group for p in large])
    within = [
        np.corrcoef(values[one][group == g], values[other][group == g])[0, 1]
        for g in ("control", "responsive", "resistant")
    ]
    assert expected == pytest.approx(np.mean(within), abs=4 / np.sqrt(3 * N))


def test_missing_modalities(large):
    have = np.array([[m in p.modalities for m in BY_DEFAULT] for p in large])
    assert have.mean(axis=0) == pytest.approx(0.92, abs=4 * np.sqrt(0.08 * 0.92 / len(large)))
    assert have.any(axis=1).all()
    small = cohort.draw_cohort(
        CohortRequest(controls=4, responsive=2, resistant=2, missing=0.01, seed=1)
    )
    have = np.array([[m in p.modalities for m in BY_DEFAULT] for p in small])
    assert (~have).any(axis=0).all()
    complete = cohort.draw_cohort(
        CohortRequest(controls=4, responsive=2, resistant=2, missing=0.0, seed=1)
    )
    assert all(p.modalities == frozenset(BY_DEFAULT) for p in complete)


def test_missing_by_site_rises_from_site_to_site():
    people = cohort.draw_cohort(
        CohortRequest(
            controls=N, responsive=N, resistant=N, sites=3, missing=0.2, missing_by="site", seed=1
        )
    )
    lacks = {
        site: np.mean([1 - len(p.modalities) / 4 for p in people if p.site == site])
        for site in "ABC"
    }
    # 4 draws a person; standard error 0.009.
    assert lacks["A"] < 0.002
    assert lacks["B"] == pytest.approx(0.2, abs=0.03)
    assert lacks["C"] == pytest.approx(0.4, abs=0.04)  # Nobody misses all: a little less.


def test_missing_by_severity_meets_the_ill():
    people = cohort.draw_cohort(
        CohortRequest(
            controls=N, responsive=N, resistant=N, missing=0.2, missing_by="severity", seed=1
        )
    )
    lacks = {
        group: np.mean([1 - len(p.modalities) / 4 for p in people if p.group == group])
        for group in cohort.GROUPS
    }
    assert np.mean(list(lacks.values())) == pytest.approx(0.2, abs=0.02)
    assert lacks["control"] < lacks["responsive"] - 0.03
    assert lacks["responsive"] < lacks["resistant"] - 0.03


def test_sites_have_the_people_asked_for():
    asked = [(3, 1, 5), (0, 4, 2)]
    people = cohort.draw_cohort(
        CohortRequest(controls=0, responsive=0, resistant=0, site_people=asked, seed=1)
    )
    found = [
        tuple(sum(p.site == site and p.group == g for p in people) for g in cohort.GROUPS)
        for site in "AB"
    ]
    assert found == asked


def test_sites_differ_in_their_share_of_resistant_people():
    people = cohort.draw_cohort(
        CohortRequest(controls=20, responsive=20, resistant=20, sites=2, seed=2)
    )
    count = {
        (site, group): sum(p.site == site and p.group == group for p in people)
        for site in "AB"
        for group in ("control", "responsive", "resistant")
    }
    assert count == {
        ("A", "control"): 10,
        ("A", "responsive"): 8,
        ("A", "resistant"): 12,
        ("B", "control"): 10,
        ("B", "responsive"): 12,
        ("B", "resistant"): 8,
    }


def test_every_count_of_people_and_sites_adds_up():
    people = cohort.draw_cohort(
        CohortRequest(controls=5, responsive=7, resistant=3, sites=4, site_balance=1.0)
    )
    assert [sum(p.group == g for p in people) for g in cohort.GROUPS] == [5, 7, 3]
    assert [p.participant_id for p in people] == [f"sub-{i:02d}" for i in range(1, 16)]
    assert {p.site for p in people} <= set("ABCD")


def test_the_seed_decides():
    def drawn(seed: int) -> list[Person]:
        return cohort.draw_cohort(CohortRequest(controls=3, responsive=3, resistant=3, seed=seed))

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)
