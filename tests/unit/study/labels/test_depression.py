import math

import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.study.labels.depression import (
    depression_labels,
    maudsley_score,
    remitted,
    responded,
    thase_rush_stage,
)

FAILED = {"drug": "sertraline", "drug_class": "ssri", "weeks_at_dose": 8, "dose_adequate": 1,
          "score_before": 24, "score_after": 18}  # fmt: skip


def label_of(*trials: dict, **person: object) -> tuple[str, str]:
    rows = [{"participant_id": "sub-01", **FAILED, **trial} for trial in trials]
    people = pd.DataFrame([{"participant_id": "sub-01", "group": "patient", **person}])
    table = depression_labels(pd.DataFrame(rows) if rows else None, people)
    return table["label"][0], table["reason"][0]


def test_response_is_half_and_remission_has_its_scale() -> None:
    assert responded(24, 12) is True and responded(24, 13) is False
    assert responded(24, math.nan) is None and responded(0, 0) is None
    assert remitted("HAMD17", 7) and not remitted("HAMD17", 8)
    assert remitted("MADRS", 10) and not remitted("MADRS", 11)


@pytest.mark.parametrize(
    ("classes", "stage"),
    [([], 0), (["ssri"], 1), (["ssri", "ssri"], 1), (["ssri", "snri"], 2), (["ssri", "TCA"], 3),
     (["ssri", "tca", "maoi"], 4), (["ssri", "maoi"], 2), (["ssri", "tca", "maoi", "ect"], 5),
     (["ssri", "tca", "ect"], 3)],
)  # fmt: skip
def test_thase_rush_stages(classes: list[str], stage: int) -> None:
    assert thase_rush_stage(classes) == stage


@pytest.mark.parametrize(
    ("months", "severity", "drugs", "augmented", "ect", "expected"),
    [(6, "subsyndromal", 1, False, False, (3, "mild")), (12, "moderate", 2, False, False, (5, "mild")),
     (13, "moderate", 3, False, False, (7, "moderate")), (25, "severe", 5, True, False, (11, "severe")),
     (30, "severe psychotic", 11, True, True, (15, "severe")), (24, "severe", 7, False, False, (10, "moderate"))],
)  # fmt: skip
def test_maudsley_scores(months, severity, drugs, augmented, ect, expected) -> None:
    found = maudsley_score(
        months=months, severity=severity, antidepressants=drugs, augmented=augmented, ect=ect
    )
    assert found == expected


def test_maudsley_refuses_what_it_does_not_know() -> None:
    for changes in ({"severity": "bad"}, {"antidepressants": 0}):
        with pytest.raises(ValueError):
            maudsley_score(**{"months": 3, "severity": "mild", "antidepressants": 1,
                              "augmented": False, "ect": False, **changes})  # fmt: skip


def test_two_adequate_failures_are_resistance_with_its_stages() -> None:
    second = {"drug": "nortriptyline", "drug_class": "tca"}
    label, reason = label_of({}, second, episode_months=14, severity="moderate")
    assert label == "resistant"
    assert reason.endswith("Thase-Rush stage III, Maudsley 6 (mild)")
    assert label_of({}, second, episode_months=np.nan)[1].endswith("Thase-Rush stage III")


def test_doubts_are_named_and_never_a_response() -> None:
    for change, told in (
        ({"weeks_at_dose": 3}, "duration 3 weeks"), ({"dose_adequate": 0}, "dose was not adequate"),
        ({"score_after": np.nan}, "symptom reduction is unknown"),
    ):  # fmt: skip
        label, reason = label_of({}, {"drug": "venlafaxine", "drug_class": "snri", **change})
        assert label == "indeterminate" and told in reason
    assert label_of({}, {"drug": " Sertraline "})[0] == "indeterminate"
    assert label_of({}, {"drug": "x", "score_after": 12})[0] == "responsive"
    assert label_of()[0] == "indeterminate"
    assert label_of(group="control") == ("control", "")


def test_impossible_values_stop_it() -> None:
    with pytest.raises(DatasetError, match="score_before is 240"):
        label_of({"score_before": 240})
    with pytest.raises(DatasetError, match="drug_class"):
        depression_labels(
            pd.DataFrame([{"participant_id": "sub-01"}]),
            pd.DataFrame([{"participant_id": "sub-01"}]),
        )


def test_a_study_of_depression_is_labelled_by_it(make_study) -> None:
    study = make_study()
    path = study.folder / "treatments.tsv"
    trials = pd.read_csv(path, sep="\t")
    trials = trials.assign(
        drug_class=np.where(trials["trial"] == 1, "ssri", "snri"), dose_adequate=1,
        score_before=24, score_after=np.where(trials["panss_after"] > 60, 20, 8),
    )  # fmt: skip
    trials.to_csv(path, sep="\t", index=False)
    metrics = study.run(label={"source": "depression"}, repeats=1, permutations=0,
                        models=["late", "modalities"])  # fmt: skip
    assert (metrics["question"]["n"], metrics["question"]["n_positive"]) == (32, 16)
    reasons = study.table("labels.tsv")["reason"].dropna()
    assert reasons.str.contains("Thase-Rush stage II").sum() == 16
