"""A job that dies while a container runs for one person is tried again, and leaves them out at last."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from types import SimpleNamespace

import pytest

from commissure.dataset.index import manifest
from commissure.engines.containers.fmriprep import FMRIPREP
from commissure.engines.containers.settings import FmriprepSettings
from commissure.engines.trees.bold import AdoptedFunc
from commissure.flow import attempts, container
from commissure.flow.attempts import ATTEMPTS
from commissure.flow.job import Job
from commissure.flow.refresh import refresh_index
from commissure.markers.status import read_statuses


class JobDied(BaseException):
    """What nobody catches, as SIGKILL."""


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Runs one attempt of a batch of three, of whom sub-02 kills the job; who was begun, in order."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(attempts, "_watch", lambda *watched: None)
    for name in ("sub-01", "sub-02", "sub-03"):
        folder = tmp_path / "bids" / name / "func"
        folder.mkdir(parents=True)
        (folder / f"{name}_task-rest_bold.nii.gz").write_text(name)
    refresh_index(tmp_path / "bids", tmp_path / "out/work", batch_size=3)
    (tmp_path / "out/work/run.lock").write_text(json.dumps({"run": "a"}))
    table = tmp_path / "out/work/status/func_preprocess/batch-0001.tsv"

    def run(number):
        begun = []

        def run_person(program, person, *others, **named):
            begun.append(person.name)
            if person.name == "sub-02":
                raise JobDied
            return "it ended in vain"

        monkeypatch.setattr(container, "run_person", run_person)
        params = SimpleNamespace(
            bids_dir=str(tmp_path / "bids"), output_dir=str(tmp_path / "out"), code="1",
            settings={"tree": str(tmp_path / "out")}, container={}, modalities=["func"],
        )  # fmt: skip
        job = Job(
            "fmriprep", SimpleNamespace(manifest=manifest(tmp_path / "out/work", 1)),
            SimpleNamespace(func=str(table)), params, io.StringIO(), attempt=number,
        )  # fmt: skip
        takes_over = {"func": (lambda *a, **k: None, AdoptedFunc)}
        with suppress(JobDied):
            container.run_container(
                job, FMRIPREP, FmriprepSettings, takes_over, threads=1, mem_mb=1000
            )
        return begun

    run.table = table
    return run


def test_the_person_at_whom_jobs_died_goes_last_and_is_left_out_in_the_end(attempt):
    assert attempt(1) == ["sub-01", "sub-02"]
    for number in range(2, ATTEMPTS):
        assert attempt(number) == ["sub-01", "sub-03", "sub-02"]
    assert attempt(ATTEMPTS) == ["sub-01", "sub-03"]
    rows = {row.participant_id: row for row in read_statuses(attempt.table)}
    assert rows["sub-01"].state == rows["sub-03"].state == "failed"
    # The next run tries them once more.
    assert rows["sub-02"].state == "interrupted"
    assert "ended 3 times" in rows["sub-02"].cause and "under fmriprep in c" in rows["sub-02"].cause
