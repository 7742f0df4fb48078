"""Reading an output folder: what is absent is empty, what is damaged is refused."""

from __future__ import annotations

import shutil

import pytest

from commissure.errors import DatasetError
from commissure.outputs import COMPLETENESS, MARKERS, METRICS
from commissure.report.results import TABLES, modality_order, place, read_results


def test_an_empty_folder_has_empty_tables_with_their_columns(tmp_path):
    results = read_results(tmp_path, [])
    for output in TABLES:
        assert list(results.tables[output.path]) == output.names
    assert {MARKERS.path, METRICS.path, COMPLETENESS.path} <= set(results.absent)
    assert results.metrics == {}


def test_a_complete_run_lacks_nothing(run):
    results = read_results(run.folder, run.statuses)
    assert results.absent == []
    assert {record.modality for record in results.quality} == {"anat", "func", "dwi", "mrs"}


def test_people_who_left_the_dataset_are_named_and_not_shown(small, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(small.folder, folder)
    shutil.copytree(folder / "sub-02", folder / "sub-99")
    (folder / "sub-03/func/figures/old.svg").write_text("<svg/>")
    statuses = [folder / path.relative_to(small.folder) for path in small.statuses]
    results = read_results(folder, statuses)
    assert results.left == ["sub-99"]
    assert "sub-99" not in {record.participant_id for record in results.quality}
    assert len(results.figures) == len(small.input().results.figures)


def test_json_that_is_no_object_is_refused(tmp_path):
    (tmp_path / "fusion").mkdir()
    (tmp_path / METRICS.path).write_text("[1]", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"metrics\.json: the file holds a JSON list"):
        read_results(tmp_path, [])


def test_the_place_of_a_file_is_read_from_its_path(tmp_path):
    assert place(tmp_path / "sub-1/ses-2/mrs/x_qc.json", tmp_path) == ("sub-1", "ses-2", "mrs")
    assert place(tmp_path / "sub-1/anat/figures/x.svg", tmp_path) == ("sub-1", "", "anat")
    assert place(tmp_path / "sub-1/x.svg", tmp_path) == ("sub-1", "", "")


def test_unknown_modalities_come_after_the_known_ones():
    assert modality_order({"table", "mrs", "anat", "pet"}) == ["anat", "mrs", "pet", "table"]
