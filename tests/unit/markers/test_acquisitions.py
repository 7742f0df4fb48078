"""Several acquisitions of one visit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from commissure.markers.acquisitions import acquisition_of
from commissure.markers.settings import MarkersSettings
from commissure.markers.table import marker_table
from commissure.rows import Marker, write_markers


def written(folder, person, acq, markers, *, modality="dwi", run=""):
    """A file of markers, by region."""
    name = "_".join(filter(None, (person, acq and f"acq-{acq}", run, "markers.tsv")))
    rows = [
        Marker(person, "", modality, region, "fa", value, "1", "ok")
        for region, value in markers.items()
    ]
    write_markers(rows, folder / name)
    return folder / name


@pytest.fixture
def study(tmp_path):
    return [
        written(tmp_path, "sub-01", "b1000", {"GCC": 0.62, "BCC": 0.60}),
        written(tmp_path, "sub-01", "b2800", {"GCC": 0.48}),
        written(tmp_path, "sub-02", "b1000", {"GCC": 0.64}),
        written(tmp_path, "sub-03", "b2800", {"GCC": 0.50}),
        written(tmp_path, "sub-04", "b1000", {"GCC": 0.66}),
    ]


def values(table):
    return {(row.participant_id, row.region): row.value for row in table.itertuples()}


def test_acquisitions_are_not_averaged_and_what_most_people_have_counts(study):
    table, cautions = marker_table(study, [])
    assert values(table) == {
        ("sub-01", "GCC"): 0.62,
        ("sub-01", "BCC"): 0.60,
        ("sub-02", "GCC"): 0.64,
        ("sub-03", "GCC"): 0.50,
        ("sub-04", "GCC"): 0.66,
    }
    assert len(cautions) == 1
    assert "acq-b1000 (3 people), acq-b2800 (1 people)" in cautions[0]
    assert "left out in 1 visits: acq-b2800" in cautions[0]


def test_the_order_is_a_setting(study):
    wanted = MarkersSettings(acquisition={"dwi": "acq-b2800"}).acquisitions
    table, _ = marker_table(study, [], acquisitions=wanted)
    # All of a visit comes from one acquisition: BCC of the other one is left out.
    assert values(table)["sub-01", "GCC"] == 0.48
    assert ("sub-01", "BCC") not in values(table)


def test_runs_of_one_acquisition_are_averaged_still(tmp_path):
    files = [
        written(tmp_path, "sub-01", "a", {"GCC": 0.6}, run="run-1"),
        written(tmp_path, "sub-01", "a", {"GCC": 0.7}, run="run-2"),
        written(tmp_path, "sub-01", "", {"GCC": 0.1}),
    ]
    wanted = {"dwi": ("a",)}
    table, _ = marker_table(files, [], acquisitions=wanted)
    assert values(table) == {("sub-01", "GCC"): pytest.approx(0.65)}
    # Of equals, the one without a label comes first.
    table, _ = marker_table(files, [])
    assert values(table) == {("sub-01", "GCC"): 0.1}


def test_acquisitions_of_different_places_stay_both(tmp_path):
    files = [
        written(tmp_path, "sub-01", "acc", {"ACC": 8.0}, modality="mrs"),
        written(tmp_path, "sub-01", "ins", {"Insula_L": 9.0}, modality="mrs"),
    ]
    table, cautions = marker_table(files, [])
    assert values(table) == {("sub-01", "ACC"): 8.0, ("sub-01", "Insula_L"): 9.0}
    assert cautions == []


def test_the_label_is_read_from_the_name():
    assert acquisition_of(Path("sub-01_ses-1_acq-mega_markers.tsv")) == "mega"
    assert acquisition_of(Path("any thing.tsv")) == ""


def test_a_modality_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="'pet' is none of"):
        MarkersSettings(acquisition={"pet": ["a"]})


def run_of(folder, person, task, values, *, run=""):
    """A file of markers of a BOLD run during a task."""
    name = "_".join(filter(None, (person, f"task-{task}", run, "markers.tsv")))
    rows = [
        Marker(person, "", "func", region, marker, value, "1", "ok")
        for (marker, region), value in values.items()
    ]
    write_markers(rows, folder / name)
    return folder / name


FC, FD = ("fc", "Default"), ("mean_fd", "brain")


def test_tasks_are_never_averaged(tmp_path):
    files = [
        run_of(tmp_path, "sub-01", "rest", {FC: 0.4, FD: 0.1}, run="run-1"),
        run_of(tmp_path, "sub-01", "rest", {FC: 0.6, FD: 0.3}, run="run-2"),
        run_of(tmp_path, "sub-01", "nback", {FD: 0.9}),
        run_of(tmp_path, "sub-02", "nback", {FD: 0.7}),
        run_of(tmp_path, "sub-03", "nback", {FD: 0.8}),
    ]
    table, cautions = marker_table(files, [])
    found = {(row.participant_id, row.marker): row.value for row in table.itertuples()}
    # The head's movement during another task is no movement of the run that was measured.
    assert found == {
        ("sub-01", "fc"): pytest.approx(0.5),
        ("sub-01", "mean_fd"): pytest.approx(0.2),
        ("sub-02", "mean_fd"): 0.7,
        ("sub-03", "mean_fd"): 0.8,
    }
    assert len(cautions) == 1
    assert "left out in 1 visits: task-nback" in cautions[0]


def test_of_two_tasks_with_connectivity_what_most_people_have_counts(tmp_path):
    files = [
        run_of(tmp_path, "sub-01", "restA", {FC: 0.1, FD: 0.1}),
        run_of(tmp_path, "sub-01", "restB", {FC: 0.9, FD: 0.2}),
        run_of(tmp_path, "sub-02", "restB", {FC: 0.8, FD: 0.2}),
    ]
    table, _ = marker_table(files, [])
    fc = table[table["marker"] == "fc"]
    assert dict(zip(fc["participant_id"], fc["value"], strict=True)) == {
        "sub-01": 0.9,
        "sub-02": 0.8,
    }


def test_a_task_beside_other_modalities_is_no_choice(tmp_path, study):
    files = [*study[:1], run_of(tmp_path, "sub-01", "rest", {FD: 0.1})]
    table, cautions = marker_table(files, [])
    assert len(table) == 3
    assert cautions == []
