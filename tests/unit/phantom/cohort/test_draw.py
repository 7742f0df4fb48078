"""The cohort: realised effects, correlations, labels, sites, missingness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.modalities import MODALITIES
from commissure.phantom.cohort import draw as cohort
from commissure.phantom.cohort import oracle, tables, treatments
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.person import Person

N = 700
LAYERS = ((("responsive", "resistant"), "d_resistant"), (("control", "responsive"), "d_patient"))


@pytest.fixture(scope="module")
def large() -> list[Person]:
    return cohort.draw_cohort(CohortRequest(controls=N, responsive=N, resistant=N, sites=2, seed=7))


@pytest.fixture(scope="module")
def no_effect() -> list[Person]:
    return cohort.draw_cohort(
        CohortRequest(controls=N, responsive=N, resistant=N, effects=0.0, seed=7)
    )


def without_age_and_sex(people: list[Person]) -> dict[tuple[str, str], np.ndarray]:
    age = np.array([p.age for p in people]) - 35
    male = np.array([p.sex == "M" for p in people])
    return {
        (row.marker, row.region): np.array([p.markers[row.marker, row.region] for p in people])
        - row.age_per_year * age
        - row.male * male
        for row in cohort.planted_effects().itertuples()
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
        for row in cohort.planted_effects().itertuples()
        for (low, high), layer in LAYERS
    ]
    assert len(errors) == 2 * 87
    assert np.abs(errors).max() < 4
    assert np.mean(np.square(errors)) < 2


def test_each_layer_of_effects_has_a_factor_of_its_own():
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


def test_the_correlation_of_the_oracle_is_that_of_the_people(large):
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
    people = cohort.draw_cohort(
        CohortRequest(controls=0, responsive=30, resistant=30, sites=1, seed=3)
    )
    trials = [trial for person in people for trial in person.trials]
    assert {trial.drug for trial in trials} == set(treatments.MG_FOR_600_CPZ)
    for trial in trials:
        expected = 600 * trial.dose_mg / treatments.MG_FOR_600_CPZ[trial.drug]
        assert expected == pytest.approx(trial.cpz_eq_mg, rel=0.01)


def test_missing_modalities(large):
    have = np.array([[m in p.modalities for m in MODALITIES] for p in large])
    assert have.mean(axis=0) == pytest.approx(0.92, abs=4 * np.sqrt(0.08 * 0.92 / len(large)))
    assert have.any(axis=1).all()
    small = cohort.draw_cohort(
        CohortRequest(controls=4, responsive=2, resistant=2, missing=0.01, seed=1)
    )
    have = np.array([[m in p.modalities for m in MODALITIES] for p in small])
    assert (~have).any(axis=0).all()
    complete = cohort.draw_cohort(
        CohortRequest(controls=4, responsive=2, resistant=2, missing=0.0, seed=1)
    )
    assert all(p.modalities == frozenset(MODALITIES) for p in complete)


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


def test_tables():
    people = cohort.draw_cohort(CohortRequest(controls=4, responsive=4, resistant=4, seed=4))
    table = tables.participants_table(people)
    assert set(table) == {"participant_id", *tables.PARTICIPANTS_COLUMNS}
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
