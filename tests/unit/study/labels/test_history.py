"""A treatment history that cannot be is refused; what is odd in it is told."""

import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.files import write_table
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.treatments import treatments_table
from commissure.phantom.request import chosen_request
from commissure.study.labels.history import read_trials, trial_cautions
from commissure.study.labels.trrip import treatment_labels
from commissure.study.settings import TrripSettings

TRIAL = {"participant_id": "sub-01", "trial": 1, "drug": "haloperidol", "dose_mg": 10, "cpz_eq_mg": 600,
         "weeks_at_dose": 8, "adherence": 0.9, "adherence_sources": 2, "panss_before": 90, "panss_after": 88}  # fmt: skip
SECOND = {"trial": 2, "drug": "risperidone"}


def history(*changes: dict) -> pd.DataFrame:
    return pd.DataFrame([{**TRIAL, **change} for change in changes])


def label(trials: pd.DataFrame, **person: object) -> str:
    people = pd.DataFrame([{"participant_id": "sub-01", "group": "patient", **person}])
    return treatment_labels(trials, people, criteria=TrripSettings())["label"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dose_mg": -10}, "sub-01: dose_mg is -10 in treatments.tsv, trial 2 of the table"),
        ({"trial": "first"}, "trial is first"),
        ({"trial": -1}, "trial is -1"),
        ({"cpz_eq_mg": "600,5"}, "cpz_eq_mg is 600,5"),
        ({"panss_after": 20}, "panss_after is 20"),
        ({"weeks_at_dose": "2020-01-01"}, "weeks_at_dose is 2020-01-01"),
        ({"adherence_sources": 2.5}, "adherence_sources is 2.5.*a whole number from 0 to 20"),
        ({"adherence_sources": -3}, "adherence_sources is -3"),
        ({"adherence_sources": "-3"}, "adherence_sources is -3"),
        ({"adherence_sources": 90}, "adherence_sources is 90"),
    ],
)
def test_a_trial_that_cannot_be_is_refused(change, words) -> None:
    with pytest.raises(DatasetError, match=words):
        label(history({}, {**SECOND, **change}))


@pytest.mark.parametrize("level", [600, -4, "50,5", "good"])
def test_a_functioning_outside_its_scale_is_refused(level) -> None:
    with pytest.raises(DatasetError, match=f"sub-01: sofas is '{level}'"):
        label(history({}, SECOND), sofas=level)


def test_trials_are_ordered_by_their_number_and_not_by_its_text() -> None:
    rows = [{"trial": str(number), "drug": drug, "panss_after": after} for number, drug, after in
            ((1, "a", 88), (10, "c", 40), (2, "b", 88))]  # fmt: skip
    table = history(*rows).assign(participant_id="sub-01")
    people = pd.DataFrame([{"participant_id": "sub-01", "group": "patient"}])
    limit = TrripSettings(min_current_score=75)
    # The last trial is the tenth: 40 points are not ill enough.
    assert treatment_labels(table, people, criteria=limit)["label"][0] == "indeterminate"


@pytest.mark.parametrize(
    "drug", ["Haldol", "haloperidol decanoate", "Haloperidol", "haloperidole", "haloperiddol"]
)
def test_one_substance_that_failed_twice_is_one_drug(drug: str) -> None:
    assert label(history({}, {"trial": 2, "drug": drug})) == "indeterminate"
    assert label(history({}, SECOND)) == "resistant"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (({}, {"trial": 2}), "t.tsv: 1 rows repeat another trial of the same person."),
        (({}, {"drug": "risperidone"}), "t.tsv: 1 rows have the trial number of another row"),
        (({"weeks_at_dose": 56}, {**SECOND, "weeks_at_dose": 42}), "are these days?"),
        (({"drug": "risperidon"}, SECOND), "risperidon, risperidone count as one: risperidone"),
    ],
)
def test_what_is_odd_is_told_without_a_name(changes, words) -> None:
    told = " ".join(trial_cautions(history(*changes), "t.tsv"))
    assert words in told and "sub-" not in told


@pytest.mark.parametrize("preset", ["tiny", "demo"])
def test_nothing_is_told_of_a_simulated_history(tmp_path, preset) -> None:
    cohort = draw_cohort(chosen_request(preset, {}).cohort)
    write_table(treatments_table(cohort), tmp_path / "t.tsv")
    trials = read_trials(tmp_path / "t.tsv", {})
    assert trial_cautions(trials, "t.tsv") == []


def test_people_are_named_as_in_the_other_tables(tmp_path) -> None:
    write_table(history({"participant_id": "01 "}).rename(columns={"participant_id": "ID", "drug": "name"}), tmp_path / "t.tsv")  # fmt: skip
    trials = read_trials(tmp_path / "t.tsv", {"participant_id": "ID", "drug": "name"})
    assert trials["participant_id"].tolist() == ["sub-01"]
    assert trials["drug"].tolist() == ["haloperidol"]


@pytest.mark.parametrize("who", ["n/a", "sub 01"])
def test_a_row_of_nobody_is_refused(tmp_path, who: str) -> None:
    write_table(history({"participant_id": who}), tmp_path / "t.tsv")
    with pytest.raises(DatasetError, match="t.tsv, line 2: participant_id is"):
        read_trials(tmp_path / "t.tsv", {})
