"""RANO 2010, 2.0 and for brain metastases: every row of their tables, and what is special."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commissure.errors import ConfigError
from commissure.lesion.criteria.assess import assess
from commissure.lesion.criteria.best_response import best_response
from commissure.lesion.criteria.rules import RANO_2_0, RANO_2010, RANO_BM, chosen_rule
from commissure.lesion.criteria.targets import measurability, select_targets

#: Side of a square of 1000 mm2, in mm.
SIDE = 1000**0.5

#: Product now over that of the baseline, steroids then and now, clinical state, FLAIR, expected.
HIGH_GRADE = (
    (0.0, 4, 0, "stable", "stable", "CR"),
    (0.0, 4, 0, "improved", "improved", "CR"),
    (0.0, 4, 2, "stable", "stable", "PR"),
    (0.0, 4, 0, "worse", "stable", "PD"),
    (0.5, 4, 4, "stable", "stable", "PR"),
    (0.5, 4, 2, "improved", "improved", "PR"),
    (0.5, 4, 6, "stable", "stable", "NE"),
    (0.5, 4, 4, "worse", "stable", "PD"),
    (0.51, 4, 4, "stable", "stable", "SD"),
    (1.24, 4, 4, "stable", "stable", "SD"),
    (1.24, 4, 6, "stable", "stable", "NE"),
    (1.24, 4, 4, "worse", "stable", "PD"),
    (1.25, 4, 4, "stable", "stable", "PD"),
    (1.25, 4, 8, "improved", "stable", "PD"),
)


def course(read, seen, factor, before, now, clinical, flair, **more):
    """Two visits of one lesion, whose product changes by a factor."""
    start, end = read("a", SIDE), read("a", SIDE * factor**0.5)
    return seen(
        [start, *more.pop("others", [])], [end, *more.pop("later", [])],
        steroids_mg=[before, now], clinical=["stable", clinical], flair=["stable", flair],
    )  # fmt: skip


@pytest.mark.parametrize("rule", [RANO_2010, RANO_2_0], ids=lambda rule: rule.name)
@pytest.mark.parametrize(("factor", "before", "now", "clinical", "flair", "expected"), HIGH_GRADE)
def test_a_row_of_high_grade_glioma(
    read, seen, rule, factor, before, now, clinical, flair, expected
):
    (one,) = assess(course(read, seen, factor, before, now, clinical, flair), rule)
    assert one.response == expected, one.reason
    assert one.reason.startswith(f"{expected}: ")


def test_what_2010_looks_at_and_2_0_does_not(read, seen):
    worse = course(read, seen, 0.8, 4, 4, "stable", "worse")
    assert assess(worse, RANO_2010)[0].response == "PD"
    assert "T2w or FLAIR has grown" in assess(worse, RANO_2010)[0].reason
    assert assess(worse, RANO_2_0)[0].response == "SD"
    # Growth while steroids are reduced.
    less = course(read, seen, 1.5, 8, 4, "stable", "stable")
    (one,) = assess(less, RANO_2010)
    assert one.response == "NE" and "steroids were reduced" in one.reason
    assert assess(less, RANO_2_0)[0].response == "PD"


@pytest.mark.parametrize("rule", [RANO_2010, RANO_2_0, RANO_BM], ids=lambda rule: rule.name)
def test_new_lesions_and_other_disease(read, seen, rule):
    new = course(read, seen, 0.3, 0, 0, "stable", "stable", later=[read("x", 8, "new")])
    assert assess(new, rule)[0].response == "PD"
    other = read("n", None, "non-target", state="present")
    for state, expected in (("present", "PR"), ("absent", "CR"), ("progression", "PD")):
        later = [read("n", None, "non-target", state=state)]
        patient = course(read, seen, 0.0, 0, 0, "stable", "stable", others=[other], later=later)
        assert assess(patient, rule)[0].response == expected


def test_volumes_and_minor_responses_of_2_0(read, seen):
    volumes = chosen_rule("rano-2.0", volumes=True)

    def at(ml):
        visits = [[read("a", 20, volume_ml=10)], [read("a", 20, volume_ml=ml)]]
        return assess(seen(*visits), volumes)[0]

    assert [at(ml).response for ml in (0, 3.5, 3.6, 13.9, 14.0)] == ["CR", "PR", "SD", "SD", "PD"]
    assert "14.00 ml, 40.0 % above the nadir" in at(14.0).reason
    without = chosen_rule("rano-2.0", non_enhancing=True)
    minor = [
        assess(course(read, seen, factor, 0, 0, "stable", "stable"), without)[0].response
        for factor in (0.5, 0.51, 0.75, 0.76, 1.24, 1.25)
    ]
    assert minor == ["PR", "MR", "MR", "SD", "SD", "PD"]
    for wrong in ({"name": "recist-1.1", "volumes": True}, {"name": "rano"},
                  {"name": "rano-2.0", "volumes": True, "non_enhancing": True}):  # fmt: skip
        with pytest.raises(ConfigError):
            chosen_rule(**wrong)


#: Diameters of two metastases at the nadir and now, steroids then and now, clinical, expected.
METASTASES = (
    ((20, 20), (0, 0), 4, 0, "stable", "CR"),
    ((20, 20), (0, 0), 4, 1, "stable", "PR"),
    ((20, 20), (14, 14), 4, 4, "stable", "PR"),
    ((20, 20), (14, 14), 4, 6, "stable", "NE"),
    ((20, 20), (14, 14.1), 4, 4, "stable", "SD"),
    ((20, 20), (25, 22.9), 4, 4, "stable", "SD"),
    ((20, 20), (25, 23), 4, 4, "stable", "PD"),
    # By 20 %, and no lesion by 5 mm.
    ((20, 20), (24, 24), 4, 4, "stable", "SD"),
    ((20, 20), (20, 20), 4, 4, "worse", "PD"),
    ((20, 20), (20, 20), 4, 8, "stable", "NE"),
)


@pytest.mark.parametrize(("first", "now", "before", "after", "clinical", "expected"), METASTASES)
def test_a_row_of_brain_metastases(read, seen, first, now, before, after, clinical, expected):
    visits = [
        [read(n, size) for n, size in zip("ab", sizes, strict=True)] for sizes in (first, now)
    ]
    patient = seen(*visits, steroids_mg=[before, after], clinical=["stable", clinical])
    (one,) = assess(patient, RANO_BM)
    assert one.response == expected, one.reason


def test_soon_after_radiotherapy_progression_waits_for_confirmation(read, seen):
    sizes = (SIDE, SIDE * 1.2, SIDE * 1.25, SIDE * 1.3)
    patient = seen(*([read("a", size)] for size in sizes), days=[0, 42, 60, 84])
    patient = replace(patient, radiotherapy_end_day=-10)
    first, soon, later = assess(patient, RANO_2_0)
    assert first.response == "NE" and "pseudoprogression" in first.reason
    assert soon.response == "NE" and "too soon" in soon.reason
    assert later.response == "PD" and later.progression_session == "ses-2"
    assert best_response([first, soon, later]).progression_day == 42
    # What was pseudoprogression leaves no trace.
    back = seen(*([read("a", size)] for size in (SIDE, SIDE * 1.2, SIDE)), days=[0, 42, 84])
    back = replace(back, radiotherapy_end_day=-10)
    assert [one.response for one in assess(back, RANO_2_0)] == ["NE", "SD"]
    # Long after it, progression needs no confirmation.
    patient = replace(patient, radiotherapy_end_day=-100)
    assert assess(patient, RANO_2_0)[0].response == "PD"


def test_without_measurable_disease_stable_is_best(read, seen):
    other = [read("n", None, "non-target", state="present")]
    gone = [read("n", None, "non-target", state="absent")]
    for later in (other, gone):
        assert assess(seen(other, later), RANO_2010)[0].response == "SD"


def test_what_is_not_recorded_is_told(read, seen):
    (one,) = assess(seen([read("a", 30)], [read("a", 30)]), RANO_2010)
    assert one.response == "SD"
    assert [flag.split(" is not")[0] for flag in one.flags] == [
        "the dose of steroids", "the clinical state", "T2w or FLAIR",
    ]  # fmt: skip


def test_measurable_disease_has_two_diameters_and_two_slices(read):
    assert "perpendicular" in measurability(read("a", 20, short_mm=9), RANO_2010)
    assert "seen on 1 slice" in measurability(read("a", 20, slices=1), RANO_2010)
    assert measurability(read("a", 20, short_mm=5, slices=2), RANO_BM) == ""
    assert "perpendicular" in measurability(read("a", 20, short_mm=4.9), RANO_BM)
    many = [read(name, 30 - n, organ="brain") for n, name in enumerate("abcdefg")]
    for rule, most in ((RANO_2010, 5), (RANO_2_0, 2), (RANO_BM, 5)):
        chosen = [c for c in select_targets(many, rule) if c.lesion.role == "target"]
        assert len(chosen) == most
