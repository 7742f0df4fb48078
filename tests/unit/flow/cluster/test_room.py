"""Room on a real small disk: a run that finds none ends once, and says what people take."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.flow.cluster.room import no_room, room_note, still_to_come, taken, watch
from commissure.flow.forecast import rough_disk_mb
from commissure.flow.transient import note_no_room
from commissure.markers.status import Status, write_statuses


def test_a_disk_that_fills_ends_the_run_once_and_in_one_sentence(small_disk: Path, capsys) -> None:
    ended = threading.Event()
    ends: list[int] = []

    def end() -> None:
        ends.append(1)
        ended.set()

    done = watch(small_disk, every_s=0.05, end=end)
    assert not ended.wait(0.5) and list(small_disk.iterdir()) == []
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "derivatives").write_bytes(bytes(8_000_000))
    assert ended.wait(10)
    assert not ended.wait(0.3) or ends == [1]
    done.set()
    said = capsys.readouterr().err
    assert said.count("No space left on device. The run ends here") == 1
    assert "make room, then give the same command again" in said


def test_a_job_that_found_no_room_ends_the_run_though_its_files_are_gone(tmp_path, capsys) -> None:
    (tmp_path / "work").mkdir()
    note_no_room(OSError(errno.ENOSPC, "of an earlier run"), tmp_path / "work")
    ended = threading.Event()
    watch(tmp_path, every_s=0.05, end=ended.set)
    note_no_room(OSError(errno.EIO, "another fault"), tmp_path / "work")
    assert not ended.wait(0.5)
    try:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    except OSError as error:
        wrapped = ValueError("the image could not be written")
        wrapped.__cause__ = error
    note_no_room(wrapped, tmp_path / "work")
    assert ended.wait(10)
    assert "a job found no room on the disk. The run ends here" in capsys.readouterr().err


def test_a_quota_is_seen_where_the_disk_has_room_for_others(tmp_path: Path, monkeypatch) -> None:
    def over(number: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    assert no_room(tmp_path) == ""
    monkeypatch.setattr(os, "fsync", over)
    assert no_room(tmp_path) == "Disk quota exceeded"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_away_for_a_moment_ends_nothing(tmp_path: Path) -> None:
    assert no_room(tmp_path / "gone") == ""


def statuses(out: Path, modality: str, sizes: dict[str, int]) -> None:
    rows = [
        Status(name, "", modality, f"{name}/x_{modality}.nii.gz", "preprocess", "present",
               files={"a.nii.gz": size // 2, "b.nii.gz": size - size // 2})
        for name, size in sizes.items()
    ]  # fmt: skip
    path = out / f"work/status/{modality}_preprocess/batch-0001.tsv"
    path.parent.mkdir(parents=True)
    write_statuses(rows, path)


def test_what_people_take_is_said_by_person_and_modality(tmp_path: Path) -> None:
    assert taken(tmp_path).sentence() == ""
    statuses(tmp_path, "anat", {"sub-01": 10_000_000, "sub-02": 30_000_000, "sub-03": 12_000_000})
    statuses(tmp_path, "dwi", {"sub-02": 6_000_000})
    assert taken(tmp_path).sentence() == (
        "disk: 12.0 MB a person (median of 3; most 36.0, sub-02), 0.06 GB in all; MB a person by "
        "modality: anat 17.3, dwi 2.0"
    )


def test_what_is_to_come_is_read_off_earlier_people_else_off_voxels(tmp_path: Path) -> None:
    image = tmp_path / "sub-09_dwi.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((10, 10, 10, 20), np.int16), np.eye(4)), image)
    due = {"dwi": [image] * 300, "anat": [], "func": [tmp_path / "cut.nii.gz"]}
    rough = 1e6 * (rough_disk_mb("dwi", [20_000] * 300) + rough_disk_mb("func", [0]))
    assert still_to_come(tmp_path, due) == pytest.approx(rough)
    statuses(tmp_path, "dwi", {"sub-01": 5_000_000, "sub-02": 7_000_000})
    later = 300 * 6_000_000 + 1e6 * rough_disk_mb("func", [0])
    assert still_to_come(tmp_path, due) == pytest.approx(later)


def test_too_little_room_is_said_before_the_first_job(small_disk: Path) -> None:
    assert room_note(small_disk, 1e6) == ""
    assert room_note(small_disk, 3e9).startswith("about 3.0 GB will be written to disk, where 4 MB")
