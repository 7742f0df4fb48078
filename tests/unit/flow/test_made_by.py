"""What is gathered of a run: checksums once, jobs from Snakemake's records, no name of a machine."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from commissure.errors import DatasetError
from commissure.flow.checksums import checksums
from commissure.flow.environment import environment, keep, kept
from commissure.flow.job import running
from commissure.flow.made_by import made_by
from commissure.flow.steps import steps


def test_a_file_is_read_again_only_if_its_size_or_time_changed(tmp_path):
    file, cache = tmp_path / "a.nii", tmp_path / "cache.tsv"
    file.write_bytes(b"one")
    (row,) = checksums({"a": file}, cache)
    assert row == {"path": "a", "bytes": 3, "sha256": hashlib.sha256(b"one").hexdigest()}
    cache.write_text(cache.read_text().replace(row["sha256"], "e" * 64))
    assert checksums({"a": file}, cache)[0]["sha256"] == "e" * 64, "kept, not read"
    file.write_bytes(b"four")
    assert checksums({"a": file}, cache)[0]["sha256"] == hashlib.sha256(b"four").hexdigest()


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with a name that tells whose it is."""
    monkeypatch.setattr(platform, "node", lambda: "janes-workstation")


def test_what_was_read_before_a_job_was_ended_is_not_read_again(tmp_path, monkeypatch):
    files = {name: tmp_path / name for name in "abc"}
    for path in files.values():
        path.write_bytes(b"x" * 100)
    cache, read = tmp_path / "work/checksums.tsv", []

    def sha256(path):
        if len(read) == 2:
            raise KeyboardInterrupt
        read.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("commissure.flow.checksums._KEPT_AFTER_BYTES", 150)
    monkeypatch.setattr("commissure.flow.checksums._sha256", sha256)
    with pytest.raises(KeyboardInterrupt):
        checksums(files, cache)
    read.clear()
    assert [row["path"] for row in checksums(files, cache)] == ["a", "b", "c"]
    assert read == ["c"]
    assert len(cache.read_text().splitlines()) == 3


def test_results_are_counted_and_not_what_tells_of_them(tmp_path):
    """Pages and the report may be there before the provenance, or from a run before, or not."""
    work = tmp_path / "work"
    digest = keep(work)
    (work / "jobs").mkdir()
    for name in ("fusion", "scan_tables", "provenance", "report", "reporting", "subject_pages-1"):
        (work / f"jobs/{name}.txt").write_text(digest)
    (told,) = made_by(tmp_path, tables={}, settings={"bids_dir": None}, folder=tmp_path)[
        "environments"
    ]
    assert told["results"] == 2


def test_the_surroundings_are_kept_once_and_name_no_machine(tmp_path):
    first, second = keep(tmp_path), keep(tmp_path)
    assert first == second and len(list((tmp_path / "environments").iterdir())) == 1
    (found,) = kept(tmp_path, Counter({first: 3, "gone": 1}))
    assert found["results"] == 3 and found["versions"]["numpy"]
    text = json.dumps(environment())
    assert platform.node() not in text and str(Path.home()) not in text
    assert found["blas"] and found["blas"][0]["kernel"] != "n/a"


def test_jobs_are_read_from_the_records_of_snakemake(tmp_path):
    folder = tmp_path / ".snakemake/metadata"
    folder.mkdir(parents=True)
    for rule, output, start in (
        ("anat_measure", "out/work/status/anat_measure/batch-0002.tsv", 100.0),
        ("markers", "out/markers.tsv", 200.0), ("markers", "out/markers.json", 200.0),
        ("markers", "elsewhere/markers.tsv", 50.0),
    ):  # fmt: skip
        name = base64.urlsafe_b64encode(output.encode()).decode()
        content = {"rule": rule, "starttime": start, "endtime": start + 5}
        (folder / name).write_text(json.dumps(content))
    (folder / "no base64!").write_text("no JSON")
    assert [(job["rule"], job["part"]) for job in steps(tmp_path, Path("out"))] == [
        ("anat_measure", "batch-0002"), ("markers", ""),
    ]  # fmt: skip
    assert steps(tmp_path, Path("out"))[0]["start"] == "1970-01-01T00:01:40+00:00"


@pytest.mark.parametrize("fault", ["readable", "bug"])
def test_the_log_of_a_job_names_no_folder_and_no_machine(tmp_path, fault):
    log = tmp_path / "logs/x.log"
    job = SimpleNamespace(rule="x", input=None, output=[], params=SimpleNamespace(), log=[log])
    where = f"/home/jane.doe/patients/secret.nii on {platform.node()}"
    with pytest.raises((SystemExit, ValueError)), running(job) as opened:
        opened.say(f"reading {where}")
        raise DatasetError("sub-01", found=where) if fault == "readable" else ValueError(where)
    text = log.read_text()
    assert "secret.nii" in text
    for word in ("jane.doe", "patients", platform.node(), str(Path.home())):
        assert word not in text
