"""A job waits for what status tables name, and not for ever."""

from __future__ import annotations

import threading

from commissure.files import write_text
from commissure.flow.arrival import await_files
from commissure.markers.status import Status, write_statuses

ROW = Status(
    "sub-01", "", "mrs", "sub-01/mrs/sub-01_svs.nii.gz", "preprocess", "present",
    files={"sub-01_fit.json": 2},
)  # fmt: skip


def laid(out):
    table = out / "work/status/mrs_preprocess/batch-0001.tsv"
    write_statuses([ROW], table)
    write_text("{}", out / "work/records/mrs_preprocess/sub-01_svs.json")
    return [str(table), "people.tsv"]


def test_files_that_come_late_are_waited_for(tmp_path):
    inputs = laid(tmp_path)
    late = threading.Timer(0.3, lambda: write_text("{}", tmp_path / "sub-01/mrs/sub-01_fit.json"))
    late.start()
    assert await_files(inputs, tmp_path, at_most_s=5) == []
    late.join()


def test_files_that_do_not_come_are_named(tmp_path):
    inputs = laid(tmp_path)
    write_text("half of it", tmp_path / "sub-01/mrs/sub-01_fit.json")
    (tmp_path / "work/records/mrs_preprocess/sub-01_svs.json").unlink()
    assert await_files(inputs, tmp_path, at_most_s=0) == [
        "sub-01/mrs/sub-01_fit.json",
        "work/records/mrs_preprocess/sub-01_svs.json",
    ]
