"""A batch goes on when a person fails, and does only what is left when it is run again."""

from __future__ import annotations

import io
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from pydantic import BaseModel

from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.flow.batch import run_batch
from commissure.flow.collect import outcomes
from commissure.flow.index import manifest, refresh_index
from commissure.flow.job import Job, running


class Options(BaseModel):
    threshold: float = 1.0


@pytest.fixture
def study(tmp_path):
    root = tmp_path / "bids"
    for n in (1, 2, 3):
        folder = root / f"sub-0{n}" / "func"
        folder.mkdir(parents=True)
        (folder / f"sub-0{n}_task-rest_bold.nii.gz").write_text(f"image {n}")
    refresh_index(root, tmp_path / "out" / "work", batch_size=3)
    return tmp_path


def run(study, compute, *, rule="func_preprocess", settings=None, code="1"):
    out = study / "out"
    job = Job(
        rule=rule,
        input=SimpleNamespace(manifest=manifest(out / "work", 1)),
        output=SimpleNamespace(status=str(out / f"work/status/{rule}.tsv")),
        params=SimpleNamespace(
            bids_dir=str(study / "bids"), output_dir=str(out), settings=settings or {}, code=code
        ),
        log=io.StringIO(),
    )
    run_batch(job, compute, Options)
    table = pd.read_csv(job.output.status, sep="\t", keep_default_na=False)
    return dict(
        zip(table["participant_id"], zip(table["state"], table["cause"], strict=True), strict=True)
    ), job


class Room:
    """A room that writes one file a person, and fails for those it is told to fail for."""

    def __init__(self, **failures):
        self.failures, self.seen = failures, []

    def __call__(self, scan, folder, *, anat, settings):
        self.seen.append(scan.who)
        write_text(scan.path.read_text(), folder / scan.derivative("bold", ".txt", desc="preproc"))
        if error := self.failures.get(scan.entities["sub"]):
            raise error


def test_one_bad_person_never_stops_the_others(study):
    room = Room(**{"01": DatasetError("sub-01", found="x"), "02": ZeroDivisionError("a bug")})
    states, job = run(study, room)
    assert states["sub-01"] == ("failed", "sub-01: x.")
    assert states["sub-02"][0] == "failed"
    assert "ZeroDivisionError: a bug (a fault of the program" in states["sub-02"][1]
    assert "Traceback" in job.log.getvalue()
    assert states["sub-03"] == ("present", "n/a")


def test_a_failed_step_leaves_no_files(study):
    run(study, Room(**{"01": DatasetError("sub-01", found="x")}))
    assert list((study / "out/sub-01").rglob("*.txt")) == []
    assert len(list((study / "out/sub-03").rglob("*.txt"))) == 1


def test_a_second_run_computes_only_what_failed(study):
    run(study, Room(**{"02": ValueError("once")}))
    again = Room()
    states, _ = run(study, again)
    assert again.seen == ["sub-02"]
    assert {state for state, _ in states.values()} == {"present"}


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"threshold": 2.0}},
        {"code": "2"},
    ],
)
def test_other_settings_or_code_compute_everything_anew(study, change):
    run(study, Room())
    again = Room()
    run(study, again, **change)
    assert len(again.seen) == 3


def test_a_changed_image_is_computed_anew_and_the_others_are_kept(study):
    run(study, Room())
    (study / "bids/sub-02/func/sub-02_task-rest_bold.nii.gz").write_text("another image")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    again = Room()
    run(study, again)
    assert again.seen == ["sub-02"]


def test_an_output_that_was_lost_is_computed_anew(study):
    run(study, Room())
    shutil.rmtree(study / "out/sub-03/func")
    again = Room()
    run(study, again)
    assert again.seen == ["sub-03"]


def test_an_image_that_is_not_used_says_why(study):
    (study / "bids/sub-01/func/sub-01_task-rest_part-phase_bold.nii.gz").write_text("x")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    room = Room()
    _, job = run(study, room)
    table = pd.read_csv(job.output.status, sep="\t").set_index("scan")
    row = table.loc["sub-01/func/sub-01_task-rest_part-phase_bold.nii.gz"]
    assert (row["state"], row["cause"]) == ("unused", "part-phase images are not used")
    assert len(room.seen) == 3


def test_measuring_needs_preprocessing(study):
    run(study, Room(**{"01": DatasetError("sub-01", found="x")}))
    states, _ = run(study, Room(), rule="func_measure")
    assert states["sub-01"] == ("missing", "preprocessing did not succeed")
    assert states["sub-02"][0] == "present"


def test_outcomes_name_the_files_of_each_image(study):
    _, job = run(study, Room())
    table = outcomes([job.output.status], "out")
    assert table["qc"].tolist()[0] == "out/sub-01/func/sub-01_task-rest_qc.json"
    assert table["session"].tolist() == ["", "", ""]


def test_an_expected_error_ends_a_job_with_one_sentence(tmp_path):
    fake = SimpleNamespace(
        rule="markers", input=None, output=None, params=None, log=[tmp_path / "l"]
    )
    with pytest.raises(SystemExit, match=r"markers: sub-01: x\."), running(fake):
        raise DatasetError("sub-01", found="x")
    with pytest.raises(ZeroDivisionError), running(fake):
        _ = 1 / 0
    assert "Traceback" in (tmp_path / "l").read_text()
