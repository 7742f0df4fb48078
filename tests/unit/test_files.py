"""Files that are never half there."""

from __future__ import annotations

import os

import pytest

from commissure.files import atomic, remove_drafts, write_text


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(number):
        done.append(("fsync", os.readlink(f"/proc/self/fd/{number}")))
        fsync(number)

    def watched_replace(draft, path):
        done.append(("replace", str(path)))
        replace(draft, path)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    path = tmp_path / "record.json"
    write_text("{}", path)
    assert [what for what, _ in done] == ["fsync", "replace", "fsync"]
    assert done[0][1].endswith("-partial.record.json")
    assert done[1][1] == str(path)
    assert done[2][1] == str(tmp_path), "the folder knows the new name"


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as draft:
        draft.write_text("new")
        _ = 1 / 0
    assert [p.name for p in tmp_path.iterdir()] == ["table.tsv"]
    assert path.read_text() == "old"


def test_drafts_of_a_killed_writer_go_and_nothing_else(tmp_path):
    (tmp_path / ".123-partial.x.tsv").write_text("")
    (tmp_path / ".hidden").write_text("")
    remove_drafts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".hidden"]
