"""Counts by label and site, and why nothing can be fitted."""

import pandas as pd
import pytest

from commissure.study.question import question_counts, uneven_sites, why_unfittable
from commissure.study.settings import StudySettings

SETTINGS = StudySettings(min_per_class=2, outer_folds=2)


def counted(words: str, sites: str) -> tuple[dict, pd.DataFrame]:
    """Labels by their first letter: r(esistant), n(ot), i(ndeterminate), c(ontrol)."""
    names = {"r": "resistant", "n": "responsive", "i": "indeterminate", "c": "control"}
    labels = pd.DataFrame({"label": [names[word] for word in words], "reason": "unclear"})
    return question_counts(pd.DataFrame({"site": list(sites)}), labels, SETTINGS), labels


def test_people_are_counted_by_label_and_site() -> None:
    question, labels = counted("rrnnic", "aabbac")
    assert {key: question[key] for key in ("n", "n_positive", "n_indeterminate", "n_controls")} == {
        "n": 4, "n_positive": 2, "n_indeterminate": 1, "n_controls": 1,
    }  # fmt: skip
    # Nobody with a label is at the site c.
    assert question["sites"] == {"a": {"n": 2, "n_positive": 2}, "b": {"n": 2, "n_positive": 0}}
    assert why_unfittable(question, labels, SETTINGS).startswith("None of the 2 sites has people")


@pytest.mark.parametrize(
    ("words", "reason"),
    [("rrnn", ""), ("rnni", "1 resistant and 2 responsive among 4 people are too few: 2 of each "
      "are needed (1 people are indeterminate, most often because unclear).")],
)  # fmt: skip
def test_too_few_people_are_a_reason(words: str, reason: str) -> None:
    question, labels = counted(words, "aaaa")
    assert why_unfittable(question, labels, SETTINGS) == reason


def test_people_at_sites_with_one_label_are_told() -> None:
    assert uneven_sites(counted("rrnnr", "aaaaa")[0]) == []
    assert uneven_sites(counted("rrnnr", "aaaab")[0])[0].startswith("1 of 5 people are at sites")
