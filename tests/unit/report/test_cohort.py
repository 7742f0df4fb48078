"""Who belongs to which group, from labels and the table of participants."""

from __future__ import annotations

import pandas as pd
import pytest

from commissure.report.cohort import cohort
from commissure.report.sections.markers import comparisons
from commissure.study.labels.trrip import treatment_labels
from commissure.study.people import read_people
from commissure.study.settings import ParticipantsSettings

QUESTION = {"positive": "resistant", "negative": "responsive"}


def people(labels: dict[str, str], groups: list, **columns: list):
    names = [f"sub-{at}" for at in range(len(groups))]
    return cohort(
        pd.DataFrame({"participant_id": names, "group": groups, **columns}),
        pd.DataFrame(
            {"participant_id": list(labels), "label": list(labels.values()), "reason": ""}
        ),
        question=QUESTION,
    )


def test_labels_win_over_groups_and_controls_come_first():
    found = people(
        {"sub-0": "resistant", "sub-1": "responsive", "sub-2": "control", "sub-3": "indeterminate"},
        ["patient", "patient", "HC", "patient"],
    )
    names = [(group.name, group.role) for group in found.groups]
    assert names == [
        ("control", "control"),
        ("responsive", "negative"),
        ("resistant", "positive"),
        ("indeterminate", "other"),
    ]
    assert [pair.name for pair in comparisons(found)] == [
        "patients − controls",
        "resistant − responsive",
    ]


def test_without_any_clear_label_the_groups_of_the_table_stand():
    labels = {"sub-0": "indeterminate", "sub-1": "control"}
    found = people(labels, ["patient", "control"])
    assert [group.name for group in found.groups] == ["control", "patient"]


def test_who_has_neither_label_nor_group_is_no_patient():
    found = people({"sub-0": "indeterminate", "sub-1": "control"}, [None, "control"])
    assert found.members("unknown") == ["sub-0"]
    assert comparisons(found) == []


@pytest.mark.parametrize(
    ("sites", "shown"),
    [(["a", "b"], ["a", "b"]), (["a", None], ["a", "unknown"]), ([None, None], ["all"])],
)
def test_sites(sites, shown):
    found = people({}, ["patient", "control"], site=sites)
    assert list(found.sites) == shown
    assert found.known_sites == (shown != ["all"])


def test_identifiers_beyond_64_bits_stay_apart():
    names = ["sub-92233720368547758070", "sub-92233720368547758071"]
    found = cohort(
        pd.DataFrame({"participant_id": names}),
        pd.DataFrame({"participant_id": names, "label": ["resistant", "responsive"], "reason": ""}),
        question=QUESTION,
    )
    assert found.people.loc[names[1], "group"] == "responsive"


@pytest.mark.parametrize(
    ("settings", "controls"),
    [({}, ["sub-hc", "sub-hv"]), ({"control": ["X"]}, ["sub-x"])],
)
def test_a_control_is_one_in_the_classifier_and_in_the_report(tmp_path, settings, controls):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tgroup\nhc\t HC\nhv\thv\nx\tx\nsz\tSZ\n")
    table, _ = read_people(path, settings=ParticipantsSettings(**settings))
    labels = treatment_labels(None, table)
    assert labels.loc[labels["label"] == "control", "participant_id"].tolist() == controls
    for known in (labels, labels.iloc[:0]):
        assert cohort(table, known, question=QUESTION).members("control") == controls
