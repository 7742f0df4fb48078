"""The page calls the two labels what a reader calls them."""

from __future__ import annotations

import pandas as pd

from commissure.report.cohort import cohort
from commissure.study.question import question_counts
from commissure.study.settings import StudySettings

PEOPLE = pd.DataFrame(
    {"participant_id": ["a", "b", "c"], "site": "S", "group": [None, None, "control"]}
)
LABELS = pd.DataFrame(
    {"participant_id": ["a", "b", "c"], "label": ["1", "0", "control"], "reason": ""}
)


def seen(**names: str):
    label = {"source": "column", "column": "dx", "positive": "1", "negative": "0", **names}
    question = question_counts(PEOPLE, LABELS, StudySettings(label=label))
    return cohort(PEOPLE, LABELS, question=question), question


def test_names_of_the_settings_stand_in_place_of_codes() -> None:
    people, question = seen(positive_name="patients with autism", negative_name="comparison people")
    assert question["positive"] == "1"
    assert (people.positive, people.positive_name) == ("1", "patients with autism")
    assert people.negative_people == "comparison people"
    assert [group.name for group in people.groups] == [
        "control", "comparison people", "patients with autism",
    ]  # fmt: skip
    assert people.members("positive") == ["a"] and people.members("negative") == ["b"]


def test_without_names_a_code_says_of_which_column_it_is() -> None:
    people, _ = seen()
    assert people.positive_name == "dx 1"
    assert people.positive_people == "people with dx “1”"


def test_labels_of_the_rules_are_words_already() -> None:
    labels = LABELS.assign(label=["resistant", "responsive", "control"])
    question = question_counts(PEOPLE, labels, StudySettings())
    people = cohort(PEOPLE, labels, question=question)
    assert (people.positive_name, people.negative_people) == ("resistant", "responsive patients")
