"""fMRIPrep through its wrapper, with a stub in Docker's place: one run serves anatomy and BOLD."""

from __future__ import annotations

import json
import os

import pytest
from tests.tool_trees import bold_run, stub_docker, t1w_of, write_image

from commissure.markers.status import read_statuses

pytestmark = pytest.mark.slow


@pytest.fixture
def with_fmriprep(study, monkeypatch):
    prepared = study.folder / "prepared"
    prepared.mkdir()
    made = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.7"}]}
    (prepared / "dataset_description.json").write_text(json.dumps(made))
    for number in (1, 2, 3):
        who = f"sub-0{number}"
        write_image(study.bids / who / f"anat/{who}_T1w.nii.gz")
        write_image(study.bids / who / f"func/{who}_task-rest_bold.nii.gz", (5, 6, 7, 12))
        sidecar = study.bids / who / f"func/{who}_task-rest_bold.json"
        sidecar.write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": "rest"}))
        t1w_of(prepared, who)
        bold_run(prepared, f"{who}_task-rest")
    (study.folder / "license.txt").write_text("somebody\n")
    engine = {"engine": "fmriprep"}
    study.configure(
        modalities=["anat", "func"], anat=engine, func=engine, batch_size=3,
        fmriprep={"license": "license.txt", "disk_mb": 1},
    )  # fmt: skip
    monkeypatch.setenv(
        "PATH", f"{stub_docker(study.folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    )
    monkeypatch.setenv("STUB_CALLS", str(study.folder / "calls"))
    monkeypatch.setenv("STUB_TREE", str(prepared))
    return study


def statuses(study, modality):
    (table,) = (study.out / f"work/status/{modality}_preprocess").glob("*.tsv")
    return {row.participant_id: row for row in read_statuses(table)}


def persons(study):
    calls = [json.loads(line) for line in (study.folder / "calls").read_text().splitlines()]
    return [c[c.index("--participant-label") + 1] for c in calls if "--participant-label" in c]


def test_one_run_serves_both_and_a_failure_costs_that_person_alone(with_fmriprep, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", "02")
    with_fmriprep.snakemake("--until", "fmriprep")
    assert persons(with_fmriprep) == ["01", "02", "03"]
    for modality in ("anat", "func"):
        rows = statuses(with_fmriprep, modality)
        assert [row.state for row in rows.values()] == ["present", "failed", "present"]
        assert "RuntimeError: sub-02 has no image" in rows["sub-02"].cause
    series = with_fmriprep.out / "sub-01/func"
    assert next(series.glob("*space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz")).is_file()

    # Mended, the person is run again, and nobody else.
    monkeypatch.delenv("STUB_FAILS")
    with_fmriprep.snakemake("--until", "fmriprep", "--forcerun", "fmriprep")
    assert persons(with_fmriprep) == ["01", "02", "03", "02"]
    assert statuses(with_fmriprep, "func")["sub-02"].state == "present"

    # What is finished needs no container and no licence.
    (with_fmriprep.folder / "license.txt").unlink()
    with_fmriprep.snakemake("--until", "fmriprep")
    assert persons(with_fmriprep) == ["01", "02", "03", "02"]


def test_without_a_licence_nothing_is_started(with_fmriprep):
    (with_fmriprep.folder / "license.txt").unlink()
    told = with_fmriprep.snakemake(check=False)
    assert told.returncode and "fmriprep.license: there is no file license.txt" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (with_fmriprep.folder / "calls").exists()
