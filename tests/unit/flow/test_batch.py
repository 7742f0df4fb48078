"""A batch goes on when a person fails, and does only what is left when it is run again."""

from __future__ import annotations

import errno
import io
import shutil
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from commissure.dataset.index import manifest
from commissure.derivatives import Derivatives
from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.flow.batch import run_batch
from commissure.flow.job import Job, running
from commissure.flow.refresh import refresh_index
from commissure.markers.outcomes import outcomes
from commissure.markers.status import read_statuses
from commissure.settings import Section


class Options(Section):
    threshold: float = 1.0


@dataclass(frozen=True)
class BoldFiles(Derivatives):
    bold: Path
    figure: Path
    optional = frozenset({"figure"})

    @classmethod
    def of(cls, scan, folder):
        return cls(
            bold=folder / scan.derivative("bold", ".txt", desc="preproc"),
            figure=folder / "figures" / scan.derivative("bold", ".svg"),
        )


@dataclass(frozen=True)
class ConnectivityFiles(Derivatives):
    markers: Path

    @classmethod
    def of(cls, scan, folder):
        return cls(folder / scan.derivative("markers", ".tsv"))


@pytest.fixture
def study(tmp_path):
    root = tmp_path / "bids"
    for n in (1, 2, 3):
        folder = root / f"sub-0{n}" / "func"
        folder.mkdir(parents=True)
        (folder / f"sub-0{n}_task-rest_bold.nii.gz").write_text(f"image {n}")
    refresh_index(root, tmp_path / "out" / "work", batch_size=3)
    return tmp_path


def run(
    study, compute, *, step="preprocess", settings=None, code="1", files=BoldFiles, options=Options
):
    out = study / "out"
    rule = f"func_{step}"
    job = Job(
        rule=rule,
        input=SimpleNamespace(manifest=manifest(out / "work", 1)),
        output=SimpleNamespace(status=str(out / f"work/status/{rule}.tsv")),
        params=SimpleNamespace(
            bids_dir=str(study / "bids"), output_dir=str(out), settings=settings or {}, code=code
        ),
        log=io.StringIO(),
    )
    run_batch(job, modality="func", step=step, compute=compute, settings_type=options, files=files)
    table = pd.read_csv(job.output.status, sep="\t", keep_default_na=False)
    return dict(
        zip(table["participant_id"], zip(table["state"], table["cause"], strict=True), strict=True)
    ), job


class Longitudinal(Options):
    longitudinal: bool = True


class Joined(Options):
    join_runs: bool = True


class Engine:
    """Writes one file a person, for one of them a figure; fails for those it is told to."""

    def __init__(self, **failures):
        self.failures, self.seen = failures, []

    def __call__(self, scan, folder, *, anat, settings):
        self.seen.append(scan.who)
        files = BoldFiles.of(scan, folder)
        write_text(scan.path.read_text(), files.bold)
        if scan.entities["sub"] == "02":
            write_text("<svg/>", files.figure)
        if error := self.failures.get(scan.entities["sub"]):
            raise error


def test_one_bad_person_never_stops_the_others(study):
    engine = Engine(**{"01": DatasetError("sub-01", found="x"), "02": ZeroDivisionError("a bug")})
    states, job = run(study, engine)
    assert states["sub-01"] == ("failed", "sub-01: x.")
    assert states["sub-02"][0] == "failed"
    assert "ZeroDivisionError: a bug (a fault of the program" in states["sub-02"][1]
    assert "Traceback" in job.log.getvalue()
    assert states["sub-03"] == ("present", "n/a")


def test_a_failed_step_leaves_no_files(study):
    run(study, Engine(**{"01": DatasetError("sub-01", found="x")}))
    assert list((study / "out/sub-01").rglob("*.txt")) == []
    assert len(list((study / "out/sub-03").rglob("*.txt"))) == 1


def test_a_second_run_computes_only_what_failed(study):
    run(study, Engine(**{"02": ValueError("once")}))
    again = Engine()
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
    run(study, Engine())
    again = Engine()
    run(study, again, **change)
    assert len(again.seen) == 3


def test_a_changed_image_is_computed_anew_and_the_others_are_kept(study):
    run(study, Engine())
    (study / "bids/sub-02/func/sub-02_task-rest_bold.nii.gz").write_text("another image")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    again = Engine()
    run(study, again)
    assert again.seen == ["sub-02"]


def test_visits_of_a_person_are_given_together_and_a_later_one_computes_them_anew(study):
    def add(session):
        folder = study / f"bids/sub-01/ses-{session}/func"
        folder.mkdir(parents=True)
        (folder / f"sub-01_ses-{session}_task-rest_bold.nii.gz").write_text(f"visit {session}")
        refresh_index(study / "bids", study / "out/work", batch_size=3)

    given = []

    def compute(scan, folder, *, anat, settings, visits=()):
        given.append((scan.who, [visit.who for visit in visits]))
        files = BoldFiles.of(scan, folder)
        write_text(scan.path.read_text(), files.bold)

    shutil.rmtree(study / "bids/sub-01/func")
    add("1")
    run(study, compute, options=Longitudinal)
    assert given == [("sub-01 ses-1", []), ("sub-02", []), ("sub-03", [])]
    given.clear()
    add("2")
    run(study, compute, options=Longitudinal)
    both = ["sub-01 ses-1", "sub-01 ses-2"]
    assert given == [(who, both) for who in both]
    given.clear()
    run(study, compute, options=Longitudinal)
    assert given == []


def test_measuring_runs_again_where_another_visit_was_preprocessed_anew(study):
    for session in ("1", "2"):
        folder = study / f"bids/sub-01/ses-{session}/func"
        folder.mkdir(parents=True)
        (folder / f"sub-01_ses-{session}_task-rest_bold.nii.gz").write_text(f"visit {session}")
    shutil.rmtree(study / "bids/sub-01/func")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    fails, given = {"ses-2"}, []

    def preprocess(scan, folder, *, anat, settings, visits=()):
        if scan.session in fails:
            raise ValueError("once")
        write_text(scan.who, BoldFiles.of(scan, folder).bold)

    def measure(scan, folder, *, anat, settings, visits=()):
        given.append(scan.who)
        write_text(scan.who, BoldFiles.of(scan, folder).bold)

    def both():
        given.clear()
        run(study, preprocess, options=Longitudinal)
        run(study, measure, step="measure", options=Longitudinal)
        return [who for who in given if who.startswith("sub-01")]

    assert both() == ["sub-01 ses-1"]
    fails.clear()
    assert both() == ["sub-01 ses-1", "sub-01 ses-2"]
    assert both() == []


def test_runs_of_a_visit_are_given_together_and_a_later_one_computes_them_anew(study):
    def add(label):
        folder = study / "bids/sub-01/func"
        (folder / f"sub-01_{label}_bold.nii.gz").write_text(label)
        refresh_index(study / "bids", study / "out/work", batch_size=3)

    given = []

    def compute(scan, folder, *, anat, settings, runs=()):
        given.append((scan.label, [run.label for run in runs]))
        files = BoldFiles.of(scan, folder)
        write_text(scan.path.read_text(), files.bold)

    for label in ("task-rest_acq-short", "task-nback"):
        add(label)
    run(study, compute, options=Joined)
    assert all(not runs for _, runs in given)
    given.clear()
    add("task-rest_dir-PA_run-2")
    run(study, compute, options=Joined)
    both = ["sub-01_task-rest", "sub-01_task-rest_dir-PA_run-2"]
    assert sorted(given) == [(label, both) for label in both]
    given.clear()
    run(study, compute, options=Joined)
    assert given == []


def test_an_output_that_was_lost_is_computed_anew(study):
    run(study, Engine())
    shutil.rmtree(study / "out/sub-03/func")
    again = Engine()
    run(study, again)
    assert again.seen == ["sub-03"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/data/study/out/x.nii.gz"),
        OSError(errno.EIO, "Input/output error"),
        MemoryError("cannot allocate"),
        BrokenProcessPool("a worker was killed"),
    ],
)
def test_a_fault_of_the_machine_is_no_lasting_failure(study, error):
    states, _ = run(study, Engine(**{"02": error}))
    assert states["sub-02"][0] == "interrupted"
    assert "the same command tries it again" in states["sub-02"][1]
    assert "/data/study" not in states["sub-02"][1]
    assert states["sub-03"][0] == "present"


def test_too_little_address_space_ends_an_attempt_where_the_next_gets_more(study, monkeypatch):
    monkeypatch.setattr("commissure.flow.attempts.limit_mb", lambda: 1e6)
    with pytest.raises(MemoryError):
        run(study, Engine(**{"02": MemoryError("cannot allocate")}))
    again = Engine()
    states, _ = run(study, again)
    # Who needed more comes last: the others are finished first.
    assert again.seen[-1] == "sub-02" and states["sub-02"][0] == "present"
    monkeypatch.setattr("commissure.flow.attempts.ATTEMPTS", 1)
    states, _ = run(study, Engine(**{"02": MemoryError("cannot allocate")}), code="2")
    assert states["sub-02"][0] == "interrupted" and states["sub-03"][0] == "present"


def test_a_room_that_words_a_fault_of_the_machine_does_not_make_it_last(study):
    def engine(scan, folder, *, anat, settings):
        try:
            raise OSError(errno.EIO, "Input/output error")
        except OSError as error:
            raise DatasetError(scan.who, found="the image cannot be read") from error

    assert run(study, engine)[0]["sub-01"][0] == "interrupted"


def test_a_failed_step_leaves_nothing_of_the_steps_after_it(study):
    run(study, Engine())
    run(study, measure, step="measure", files=ConnectivityFiles)
    markers = study / "out/sub-02/func/sub-02_task-rest_markers.tsv"
    assert markers.exists()
    run(study, Engine(**{"02": DatasetError("sub-02", found="x")}), code="2")
    run(study, measure, step="measure", files=ConnectivityFiles)
    assert list((study / "out/sub-02").rglob("*.t*")) == []
    assert (study / "out/sub-03/func/sub-03_task-rest_markers.tsv").exists()


@pytest.mark.parametrize("damage", ["", "{", "null", '{"key": 1}', '{"key": "x", "files": 3}'])
def test_a_damaged_record_concerns_one_image(study, damage):
    run(study, Engine())
    records = study / "out/work/records/func_preprocess"
    (records / "sub-02_task-rest_bold.json").write_text(damage)
    again = Engine()
    states, _ = run(study, again)
    assert again.seen == ["sub-02"]
    assert {state for state, _ in states.values()} == {"present"}


def test_what_a_killed_job_left_half_written_goes(study):
    folder = study / "out/sub-01/func"
    folder.mkdir(parents=True)
    (folder / ".4711-partial.sub-01_bold.txt").write_text("ha")
    run(study, Engine())
    assert not list(folder.glob(".*"))


def test_a_cause_names_no_folder_of_the_machine(study):
    states, _ = run(study, Engine(**{"01": ValueError("Empty file: '/home/me/x/sub-01.nii.gz'")}))
    assert "Empty file: '…/sub-01.nii.gz'" in states["sub-01"][1]


def test_an_image_that_is_not_used_says_why(study):
    (study / "bids/sub-01/func/sub-01_task-rest_part-phase_bold.nii.gz").write_text("x")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    engine = Engine()
    _, job = run(study, engine)
    table = pd.read_csv(job.output.status, sep="\t").set_index("scan")
    row = table.loc["sub-01/func/sub-01_task-rest_part-phase_bold.nii.gz"]
    assert (row["state"], row["cause"]) == ("unused", "part-phase images are not used")
    assert len(engine.seen) == 3


def test_measuring_needs_preprocessing(study):
    run(study, Engine(**{"01": DatasetError("sub-01", found="x")}))
    states, _ = run(study, measure, step="measure", files=ConnectivityFiles)
    assert states["sub-01"] == ("missing", "preprocessing did not succeed")
    assert states["sub-02"][0] == "present"


def measure(scan, folder, *, anat, settings):
    write_text("markers", ConnectivityFiles.of(scan, folder).markers)


def test_a_step_that_leaves_out_a_required_file_has_failed_in_words(study):
    states, _ = run(study, measure)
    assert states["sub-01"] == (
        "failed",
        "sub-01: the preprocess step of func ended without sub-01_task-rest_desc-preproc_bold.txt "
        "(a fault of the program)",
    )


def test_the_status_table_names_the_files_with_their_sizes(study):
    _, job = run(study, Engine())
    rows = {row.participant_id: row for row in read_statuses(job.output.status)}
    bold = "sub-01_task-rest_desc-preproc_bold.txt"
    assert rows["sub-01"].files == {bold: len("image 1")}
    assert set(rows["sub-02"].files) == {
        bold.replace("1", "2", 1),
        "figures/sub-02_task-rest_bold.svg",
    }
    assert rows["sub-01"].folder == "sub-01/func"


def test_another_run_of_the_same_name_is_none_of_its_files(study):
    """``sub-01_task-rest_*`` also begins the names of run 2."""
    second = study / "bids/sub-01/func/sub-01_task-rest_run-2_bold.nii.gz"
    second.write_text("run 2")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    run(study, Engine())
    (study / "bids/sub-01/func/sub-01_task-rest_bold.nii.gz").write_text("another image")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    run(study, Engine(**{"01": DatasetError("sub-01", found="x")}))
    left = [path.name for path in (study / "out/sub-01").rglob("*.txt")]
    assert left == ["sub-01_task-rest_run-2_desc-preproc_bold.txt"]


def test_one_job_may_feed_the_tables_of_two_modalities(study):
    (study / "bids/sub-01/dwi").mkdir()
    (study / "bids/sub-01/dwi/sub-01_dwi.nii.gz").write_text("image")
    refresh_index(study / "bids", study / "out/work", batch_size=3)
    out = study / "out"
    tables = {
        name: out / f"work/status/{name}_preprocess/batch-0001.tsv" for name in ("func", "dwi")
    }
    job = Job(
        rule="container",
        input=SimpleNamespace(manifest=manifest(out / "work", 1)),
        output=SimpleNamespace(**tables),
        params=SimpleNamespace(
            bids_dir=str(study / "bids"), output_dir=str(out), settings={}, code="1"
        ),
        log=io.StringIO(),
    )
    for modality, table in tables.items():
        run_batch(
            job, modality=modality, step="preprocess", compute=Engine(), settings_type=Options,
            files=BoldFiles, status=table,
        )  # fmt: skip
    assert [len(read_statuses(table)) for table in tables.values()] == [3, 1]


def test_outcomes_name_the_files_of_each_image(study):
    _, job = run(study, Engine())
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


def test_a_full_disk_ends_a_job_with_one_sentence(tmp_path):
    fake = SimpleNamespace(
        rule="markers", input=None, output=None, params=None, log=[tmp_path / "l"]
    )
    with pytest.raises(SystemExit, match="give the same command again"), running(fake):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "Traceback" in (tmp_path / "l").read_text()
