"""Planning sees which files of a finished run are gone, and opens their batches again."""

from __future__ import annotations

import os

import pytest

from commissure.flow.lost import changed_outputs, read_marks, reopen, write_outputs
from commissure.flow.records import lost_files
from commissure.markers.status import Status, read_statuses, write_statuses

TABLES = ["anat_preprocess/batch-0001.tsv", "anat_preprocess/batch-0002.tsv"]


@pytest.fixture
def out(tmp_path):
    """Two batches of one person each, with two files a person."""
    for number, table in enumerate(TABLES, start=1):
        who = f"sub-0{number}"
        folder = tmp_path / who / "ses-1" / "anat"
        (folder / "figures").mkdir(parents=True)
        files = {f"{who}_dseg.nii.gz": 5, f"figures/{who}_T1w.svg": 6}
        for name, size in files.items():
            (folder / name).write_text("x" * size)
        row = Status(
            who, "ses-1", "anat", f"{who}/ses-1/anat/{who}_T1w.nii.gz", "preprocess", "present",
            files=files,
        )  # fmt: skip
        path = tmp_path / "work/status" / table
        write_statuses([row], path)
        os.utime(path, ns=(10**9, 10**9))
    return tmp_path


def test_nothing_is_opened_while_everything_is_there(out):
    assert reopen([*TABLES, "anat_measure/batch-0001.tsv"], out) == {}
    assert read_marks(out / "work") == {}
    assert not (out / "work/reopened.json").exists()


@pytest.mark.parametrize("how", ["removed", "truncated", "grown", "folder"])
def test_a_lost_file_opens_its_batch_and_no_other(out, how):
    path = out / "sub-02/ses-1/anat/sub-02_dseg.nii.gz"
    if how == "removed":
        path.unlink()
    elif how == "folder":
        path.parent.rename(out / "elsewhere")
    else:
        path.write_text("x" if how == "truncated" else "x" * 50)
    lost = reopen(TABLES, out)
    assert lost[TABLES[1]].lost[0] == "sub-02/ses-1/anat/sub-02_dseg.nii.gz"
    assert list(read_marks(out / "work")) == [TABLES[1]]


def test_the_mark_stays_until_another_loss(out):
    path = out / "sub-01/ses-1/anat/sub-01_dseg.nii.gz"
    path.unlink()
    reopen(TABLES, out)
    first = read_marks(out / "work")
    reopen(TABLES, out)
    assert read_marks(out / "work") == first, "planning twice is one loss"
    path.write_text("x" * 5)
    os.utime(out / "work/status" / TABLES[0])
    assert reopen(TABLES, out) == {}
    assert read_marks(out / "work") == first, "another mark would run the batch once more"
    path.unlink()
    reopen(TABLES, out)
    assert read_marks(out / "work") != first


def test_a_status_table_comes_back_as_it_was_written(tmp_path):
    rows = [
        Status("sub-01", "", "func", "sub-01/func/sub-01_bold.nii.gz", "measure", "failed",
               'sub-01: the "name"\tof a file\nis bad', 1.25, 2.5),
        Status("sub-02", "ses-1", "func", "x", "measure", "present", files={"a/b.svg": 3, "c": 0}),
    ]  # fmt: skip
    write_statuses(rows, tmp_path / "status.tsv")
    failed, present = read_statuses(tmp_path / "status.tsv")
    assert failed.cause == 'sub-01: the "name" of a file is bad'
    assert (failed.session, failed.cpu_s, failed.files) == ("", 1.25, {})
    assert present == rows[1]


def test_sizes_are_compared(tmp_path):
    (tmp_path / "a").write_text("abc")
    assert lost_files({"a": 3, "b": 0}, tmp_path) == ["b"]
    assert lost_files({"a": 4}, tmp_path) == ["a"]


def test_what_was_interrupted_is_tried_again_each_time(out):
    path = out / "work/status" / TABLES[0]
    row = Status("sub-01", "", "anat", "sub-01_T1w.nii.gz", "preprocess", "interrupted", "full")
    write_statuses([row], path)
    assert reopen(TABLES, out)[TABLES[0]].interrupted == ["sub-01/anat"]
    first = read_marks(out / "work")
    os.utime(path, ns=(2 * 10**9, 2 * 10**9))
    reopen(TABLES, out)
    assert read_marks(out / "work") != first, "the next run is another one"


@pytest.mark.parametrize("damage", ["", "sub-01\tses-1\tan", "{"])
def test_a_damaged_status_table_opens_its_batch(out, damage):
    path = out / "work/status" / TABLES[0]
    path.write_text(f"{path.read_text()}{damage}" if damage else "")
    assert reopen(TABLES, out)[TABLES[0]].lost == [f"work/status/{TABLES[0]}"]


def test_damaged_marks_are_no_marks(out):
    (out / "work/reopened.json").write_text('{"anat')
    assert read_marks(out / "work") == {}


@pytest.fixture
def written(tmp_path):
    """A table and a folder as a rule left them, with their record."""
    table, model = tmp_path / "markers.tsv", tmp_path / "fusion/model"
    model.mkdir(parents=True)
    table.write_text("a\n" * 755)
    (model / "model.skops").write_text("weights")
    record = tmp_path / "work/outputs/markers.json"
    write_outputs([table, model], record)
    return tmp_path, record


def test_whole_outputs_are_left_alone(written):
    out, record = written
    assert changed_outputs(record) == []
    os.utime(out / "markers.tsv")
    assert changed_outputs(record) == [], "a copy is the same file"
    assert reopen([], out, rules=["markers", "never-written"]) == {}


def test_a_truncated_edited_or_lost_output_opens_its_rule(written):
    out, record = written
    table = out / "markers.tsv"
    table.write_text("a\n" * 60)
    assert changed_outputs(record) == ["markers.tsv"]
    table.write_text("b\n" * 755)
    assert changed_outputs(record) == ["markers.tsv"], "another content of the same size"
    (out / "fusion/model/model.skops").unlink()
    assert reopen([], out, rules=["markers"])["markers"].lost == [
        "markers.tsv", "fusion/model/model.skops",
    ]  # fmt: skip
    assert list(read_marks(out / "work")) == ["markers"]


def test_a_damaged_record_of_outputs_opens_its_rule(written):
    _, record = written
    record.write_text('{"markers.tsv": ')
    assert changed_outputs(record) == ["work/outputs/markers.json"]
