"""The cohort: realised effects, correlations, labels, sites, missingness."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.phantom import cohort, treatments
from commissure.phantom.person import Person
from commissure.rows import MODALITIES

N = 700
LAYERS = ((("responsive", "resistant"), "d_resistant"), (("control", "responsive"), "d_patient"))


@pytest.fixture(scope="module")
def large() -> list[Person]:
    return cohort.draw_cohort(controls=N, responsive=N, resistant=N, sites=2, seed=7)


@pytest.fixture(scope="module")
def no_effect() -> list[Person]:
    return cohort.draw_cohort(controls=N, responsive=N, resistant=N, effects=0.0, seed=7)


def without_age_and_sex(people: list[Person]) -> dict[tuple[str, str], np.ndarray]:
    age = np.array([p.age for p in people]) - 35
    male = np.array([p.sex == "M" for p in people])
    return {
        (row.marker, row.region): np.array([p.markers[row.marker, row.region] for p in people])
        - row.age_per_year * age
        - row.male * male
        for row in cohort.effects_table().itertuples()
    }


def standardised_error(expected: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """How many standard errors the difference b - a is from an expected d."""
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    return float(((b.mean() - a.mean()) / pooled - expected) / np.sqrt(2 / N))


@pytest.mark.parametrize("scale", [1.0, 0.0], ids=["published", "null"])
def test_realised_effects_are_those_asked_for(scale, large, no_effect):
    people = large if scale else no_effect
    values = without_age_and_sex(people)
    group = np.array([p.group for p in people])
    errors = [
        standardised_error(
            scale * getattr(row, layer),
            values[row.marker, row.region][group == low],
            values[row.marker, row.region][group == high],
        )
        for row in cohort.effects_table().itertuples()
        for (low, high), layer in LAYERS
    ]
    assert len(errors) == 2 * 87
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
        (("fa", "GCC"), ("fa", "UNC-L"), 0.50),
        (("volume_factor", "SFG_L"), ("volume_factor", "Hippocampus_R"), 0.50),
        (("volume_factor", "Hippocampus_L"), ("volume_factor", "Hippocampus_R"), 0.75),
        (("volume_factor", "Hippocampus_L"), ("volume_factor", "LateralVentricle_L"), -0.50),
        (("glu", "ACC"), ("fa", "GCC"), 0.15),
        (("fc", "Default"), ("volume_factor", "SFG_L"), 0.15),
    ],
)
def test_markers_correlate_as_documented(one, other, expected, large):
    values = without_age_and_sex(large)
    group = np.array([p.group for p in large])
    within = [
        np.corrcoef(values[one][group == g], values[other][group == g])[0, 1]
        for g in ("control", "responsive", "resistant")
    ]
    assert expected == pytest.approx(np.mean(within), abs=4 / np.sqrt(3 * N))


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
    people = cohort.draw_cohort(controls=0, responsive=30, resistant=30, sites=1, seed=3)
    trials = [trial for person in people for trial in person.trials]
    assert {trial.drug for trial in trials} == set(treatments.MG_FOR_600_CPZ)
    for trial in trials:
        expected = 600 * trial.dose_mg / treatments.MG_FOR_600_CPZ[trial.drug]
        assert expected == pytest.approx(trial.cpz_eq_mg, rel=0.01)


def test_missing_modalities(large):
    have = np.array([[m in p.modalities for m in MODALITIES] for p in large])
    assert have.mean(axis=0) == pytest.approx(0.92, abs=4 * np.sqrt(0.08 * 0.92 / len(large)))
    assert have.any(axis=1).all()
    small = cohort.draw_cohort(controls=4, responsive=2, resistant=2, missing=0.01, seed=1)
    have = np.array([[m in p.modalities for m in MODALITIES] for p in small])
    assert (~have).any(axis=0).all()
    complete = cohort.draw_cohort(controls=4, responsive=2, resistant=2, missing=0.0, seed=1)
    assert all(p.modalities == frozenset(MODALITIES) for p in complete)


def test_sites_differ_in_their_share_of_resistant_people():
    people = cohort.draw_cohort(controls=20, responsive=20, resistant=20, sites=2, seed=2)
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
    people = cohort.draw_cohort(controls=5, responsive=7, resistant=3, sites=4, site_balance=1.0)
    assert [sum(p.group == g for p in people) for g in cohort.GROUPS] == [5, 7, 3]
    assert [p.participant_id for p in people] == [f"sub-{i:02d}" for i in range(1, 16)]
    assert {p.site for p in people} <= set("ABCD")


def test_the_seed_decides():
    request = {"controls": 3, "responsive": 3, "resistant": 3}
    assert cohort.draw_cohort(**request, seed=5) == cohort.draw_cohort(**request, seed=5)
    assert cohort.draw_cohort(**request, seed=5) != cohort.draw_cohort(**request, seed=6)


def test_tables():
    people = cohort.draw_cohort(controls=4, responsive=4, resistant=4, seed=4)
    table = cohort.participants_table(people)
    assert set(table) == {"participant_id", *cohort.PARTICIPANTS_COLUMNS}
    controls = table[table["group"] == "control"]
    assert len(controls) == 4
    assert controls[["age_at_onset", "baseline_panss_total"]].isna().all(axis=None)
    assert set(table["group"]) == {"control", "patient"}
    trials = treatments.treatments_table(people)
    assert list(trials) == [
        "participant_id", "trial", "drug", "dose_mg", "cpz_eq_mg", "weeks_at_dose", "adherence",
        "adherence_sources", "panss_before", "panss_after",
    ]  # fmt: skip
    assert set(trials["participant_id"]) == set(table.loc[table["group"] == "patient", "participant_id"])  # fmt: skip
    first = trials[trials["trial"] == 1].set_index("participant_id")["panss_before"]
    baseline = table.set_index("participant_id")["baseline_panss_total"].dropna()
    assert (first == baseline.loc[first.index]).all()


@pytest.mark.parametrize(
    "change",
    [
        {"controls": -1},
        {"controls": 0, "responsive": 0, "resistant": 0},
        {"sites": 0},
        {"sites": 40},
        {"missing": 1.0},
        {"missing": -0.1},
        {"effects": -1.0},
        {"effects": float("nan")},
        {"site_balance": 1.5},
    ],
)
def test_impossible_cohorts_are_refused(change):
    request = {"controls": 3, "responsive": 3, "resistant": 3, **change}
    with pytest.raises(ConfigError):
        cohort.draw_cohort(**request)
