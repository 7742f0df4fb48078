"""QSIPrep with a stub in the container engine's place: its tree joins the same road."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from tests.tool_trees import dwi_series, stub_docker, write_image

from commissure.engines.containers.pins import pinned
from commissure.markers.status import read_statuses

pytestmark = pytest.mark.slow


@pytest.fixture
def with_qsiprep(study, monkeypatch):
    prepared = study.folder / "prepared"
    for number in (1, 2, 3):
        who = f"sub-0{number}"
        for session in ("1", "2") if number == 1 else ("1",):
            label, where = f"{who}_ses-{session}", f"ses-{session}/dwi"
            dwi_series(prepared, label, where=where)
            raw = study.bids / who / where
            raw.mkdir(parents=True)
            image = next((prepared / who / where).glob("*_dwi.nii.gz"))
            shutil.copy(image, raw / f"{label}_dwi.nii.gz")
            for kind in ("bval", "bvec"):
                shutil.copy(next(image.parent.glob(f"*.{kind}")), raw / f"{label}_dwi.{kind}")
            (raw / f"{label}_dwi.json").write_text("{}")
    write_image(study.bids / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    made = {"GeneratedBy": [{"Name": "QSIPrep", "Version": "1.1.1"}]}
    (prepared / "dataset_description.json").write_text(json.dumps(made))
    (study.folder / "license.txt").write_text("somebody\n")
    monkeypatch.setenv(
        "PATH", f"{stub_docker(study.folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    )
    monkeypatch.setenv("STUB_CALLS", str(study.folder / "calls"))
    monkeypatch.setenv("STUB_TREE", str(prepared))
    configured(study)
    return study


def configured(study, **options):
    study.configure(
        modalities=["dwi"], dwi={"engine": "qsiprep"}, batch_size=3,
        qsiprep={"license": "license.txt", "disk_mb": 1, "threads": 2, **options},
    )  # fmt: skip


def calls(study):
    noted = [json.loads(line) for line in (study.folder / "calls").read_text().splitlines()]
    return [call[1:] for call in noted if call[1] == "run"]


def statuses(study):
    (table,) = (study.out / "work/status/dwi_preprocess").glob("*.tsv")
    return {(row.participant_id, row.session): row for row in read_statuses(table)}


def test_threads_memory_and_gpu_are_those_of_the_rule_and_a_failure_costs_one_person(
    with_qsiprep, monkeypatch
):
    monkeypatch.setenv("STUB_FAILS", "02")
    told = with_qsiprep.snakemake(
        "--until", "qsiprep", "--set-resources", "qsiprep:gpu=1", "qsiprep:mem_mb=9000"
    )
    assert "qsiprep.digest is not set" in told.stderr
    base, license = with_qsiprep.folder, "/opt/freesurfer/license.txt"
    expected = [
        [
            "run", "--rm", "--gpus", "all",
            "-v", f"{base}/bids:/data:ro", "-v", f"{base}/out/qsiprep:/out",
            "-v", f"{base}/out/work/qsiprep/sub-{label}:/work",
            "-v", f"{base}/license.txt:{license}:ro",
            "-v", f"{base}/out/work/qsiprep/sub-{label}_eddy.json:/eddy.json:ro",
            pinned("qsiprep").reference, "/data", "/out", "participant", "-w", "/work",
            "--fs-license-file", license, "--participant-label", label, "--nthreads", "2",
            "--omp-nthreads", "2", "--mem-mb", "9000", "--skip-bids-validation", "--notrack",
            "--output-resolution", "2", *([] if label == "01" else ["--anat-modality", "none"]),
            "--eddy-config", "/eddy.json",
        ]
        for label in ("01", "02", "03")
    ]  # fmt: skip
    assert calls(with_qsiprep) == expected
    rows = statuses(with_qsiprep)
    assert {key: row.state for key, row in rows.items()} == {
        ("sub-01", "ses-1"): "present", ("sub-01", "ses-2"): "present",
        ("sub-02", "ses-1"): "failed", ("sub-03", "ses-1"): "present",
    }  # fmt: skip
    cause = rows["sub-02", "ses-1"].cause
    assert "QSIPrep ended with status 1: RuntimeError: sub-02 has no image" in cause
    # QSIPrep's space is its own: without its anatomy the series counts as in none of ours.
    series = with_qsiprep.out / "sub-01/ses-2/dwi/sub-01_ses-2_desc-preproc_dwi.nii.gz"
    assert series.is_file()

    # Mended, that person is run again, and nobody else; finished, no container is needed.
    monkeypatch.delenv("STUB_FAILS")
    with_qsiprep.snakemake("--until", "qsiprep", "--forcerun", "qsiprep")
    assert [call[call.index("--participant-label") + 1] for call in calls(with_qsiprep)[3:]] == [
        "02"
    ]
    assert "--gpus" not in calls(with_qsiprep)[3]
    # Which device each was computed on is noted, and nothing of the work is left.
    work = with_qsiprep.out / "work/qsiprep"
    devices = {p.stem: json.loads(p.read_text())["device"] for p in work.glob("sub-??.json")}
    assert devices == {"sub-01": "gpu", "sub-02": "cpu", "sub-03": "gpu"}
    assert not [path for path in work.iterdir() if path.is_dir()]
    assert statuses(with_qsiprep)["sub-02", "ses-1"].state == "present"
    (with_qsiprep.folder / "license.txt").unlink()
    with_qsiprep.snakemake("--until", "qsiprep")
    assert len(calls(with_qsiprep)) == 4


def test_half_a_tree_and_strangers(with_qsiprep):
    prepared = with_qsiprep.folder / "prepared"
    next((prepared / "sub-02/ses-1/dwi").glob("*_mask.nii.gz")).unlink()
    shutil.rmtree(prepared / "sub-03/ses-1/dwi")
    (prepared / "sub-03/ses-1/dwi").mkdir()
    made = {"GeneratedBy": [{"Name": "QSIPrep", "Version": "0.9.0"}]}
    (prepared / "dataset_description.json").write_text(json.dumps(made))
    with_qsiprep.snakemake("--until", "qsiprep")
    rows = statuses(with_qsiprep)
    assert "half a tree: it has no brain mask" in rows["sub-02", "ses-1"].cause
    assert "has no preprocessed diffusion series" in rows["sub-03", "ses-1"].cause
    sidecar = with_qsiprep.out / "sub-01/ses-1/dwi/sub-01_ses-1_desc-preproc_dwi.json"
    notes = json.loads(sidecar.read_text())["Notes"]
    assert any("the tree is of version 0.9.0" in note for note in notes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("license", "qsiprep.license: there is no file license.txt"),
        ("image", "qsiprep.image: the image pennlinc/qsiprep:1.1.1 is not on this machine"),
        ("apptainer", "dwi.engine: qsiprep is to run by apptainer, which is not on the path"),
    ],
)
def test_what_would_stop_everybody_is_told_before(with_qsiprep, monkeypatch, spoil, words):
    if spoil == "license":
        (with_qsiprep.folder / "license.txt").unlink()
    elif spoil == "image":
        monkeypatch.setenv("STUB_IMAGE", "no")
    else:
        configured(with_qsiprep, via="apptainer", image="x.sif")
    told = with_qsiprep.snakemake(check=False)
    assert told.returncode and words in told.stderr and "Traceback" not in told.stderr
    assert not (with_qsiprep.out / "work/status").exists()
