"""What would stop or weaken a run is told before it, and so is what the run would do."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from commissure.cli import app
from commissure.flow.forecast import ROUGH, forecast
from commissure.flow.validation import read_config, validate
from commissure.markers.status import Status, write_statuses

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def picture(path, shape, *, tr_s=0.0, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.zeros(shape, np.int16), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    if tr_s:
        image.header["pixdim"][4] = tr_s
    nib.save(image, path)


@pytest.fixture
def bids(tmp_path):
    """Two people with T1w, BOLD and diffusion, in order."""
    root = tmp_path / "bids"
    for who in ("sub-01", "sub-02"):
        picture(root / who / f"anat/{who}_T1w.nii.gz", (40, 50, 40))
        picture(root / who / f"func/{who}_task-rest_bold.nii.gz", (30, 30, 30, 20), tr_s=2)
        (root / who / f"func/{who}_task-rest_bold.json").write_text(
            json.dumps({"RepetitionTime": 2.0, "TaskName": "rest"})
        )
        picture(root / who / f"dwi/{who}_dwi.nii.gz", (30, 30, 30, 8))
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(3, 8))
        vectors /= np.linalg.norm(vectors, axis=0)
        vectors[:, 0] = 0
        (root / who / f"dwi/{who}_dwi.json").write_text("{}")
        (root / who / f"dwi/{who}_dwi.bval").write_text("0 " + "1000 " * 7 + "\n")
        np.savetxt(root / who / f"dwi/{who}_dwi.bvec", vectors)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-02\t40\n")
    return root


def looked_at(bids, **config):
    file = bids.parent / "study.yaml"
    file.write_text(yaml.safe_dump({"output_dir": str(bids.parent / "out"), **config}))
    return validate(read_config([file], bids), bids_validator=False)


def test_a_dataset_in_order_has_no_error_and_a_plan(bids):
    result = looked_at(bids)
    assert result.errors == 0
    expected = dict.fromkeys(("anat", "func", "dwi"), "measured")
    assert result.people == {"sub-01": expected, "sub-02": expected}
    assert result.images == {"anat": 2, "func": 2, "dwi": 2, "mrs": 0}
    assert result.costs["anat"].basis == "rough" and result.costs["anat"].cpu_s > 30
    assert not (bids.parent / "out").exists()


def spoil(bids, what):
    person = bids / "sub-02"
    if what == "short":
        picture(person / "func/sub-02_task-rest_bold.nii.gz", (30, 30, 30, 8), tr_s=2)
    elif what == "repetition time":
        (person / "func/sub-02_task-rest_bold.json").write_text('{"RepetitionTime": 2000}')
    elif what == "gradients":
        (person / "dwi/sub-02_dwi.bval").write_text("0 1000\n")
    elif what == "no bvec":
        (person / "dwi/sub-02_dwi.bvec").unlink()
    elif what == "three dimensions":
        picture(person / "dwi/sub-02_dwi.nii.gz", (30, 30, 30))
    elif what == "no image":
        (person / "anat/sub-02_T1w.nii.gz").write_bytes(b"nothing of the kind")


@pytest.mark.parametrize(
    ("what", "modality", "words"),
    [
        ("short", "func", "has 8 volumes"),
        ("repetition time", "func", "RepetitionTime"),
        ("gradients", "dwi", "8"),
        ("no bvec", "dwi", "bvec"),
        ("three dimensions", "dwi", "3 dimensions"),
        ("no image", "anat", "cannot be read"),
    ],
)
def test_what_the_run_would_refuse_is_an_error_of_that_person_alone(bids, what, modality, words):
    spoil(bids, what)
    result = looked_at(bids)
    (finding,) = [finding for finding in result.findings if finding.level == "error"]
    assert (finding.who, finding.modality) == ("sub-02", modality)
    assert words in finding.text
    assert result.people["sub-02"][modality] != "measured"
    assert set(result.people["sub-01"].values()) == {"measured"}
    assert result.images[modality] == 1


def test_tables_trees_and_tools_are_looked_at(bids):
    (bids / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-01\t31\n")
    tree = bids.parent / "tree"
    (tree / "sub-01").mkdir(parents=True)
    made = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "1.4.0"}]}
    (tree / "dataset_description.json").write_text(json.dumps(made))
    (bids.parent / "lc").mkdir()
    result = looked_at(
        bids,
        func={"engine": "derivatives", "from": str(tree)},
        ingress=[{"tool": "lcmodel", "folder": str(bids.parent / "lc")}],
    )
    told = {(finding.level, finding.who): finding.text for finding in result.findings}
    assert "sub-01" in " ".join(text for (level, _), text in told.items() if level == "error")
    assert "version 1.4.0" in told["warning", "func.from"]
    assert "nobody of this name" in told["error", "sub-02"]
    assert "has no result of LCModel" in told["error", "ingress (LCModel)"]
    assert result.costs["func"].cpu_s < result.costs["anat"].cpu_s


def test_trees_that_do_not_go_together_are_told(bids):
    """Two versions in one study, a person who is in a tree alone, and one who is in none."""
    for name, version in (("old", "20.2.7"), ("new", "24.1.1")):
        tree = bids.parent / name
        for who in ("sub-01", "sub-77"):
            (tree / who).mkdir(parents=True)
        made = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]}
        (tree / "dataset_description.json").write_text(json.dumps(made))
    result = looked_at(
        bids,
        anat={"engine": "derivatives", "from": str(bids.parent / "old")},
        func={"engine": "derivatives", "from": str(bids.parent / "new")},
    )
    told = [(finding.level, finding.who, finding.text) for finding in result.findings]
    versions = next(text for level, who, text in told if who == "the trees")
    assert "several versions, 20.2.7 (anat), 24.1.1 (func)" in versions
    alone = [text for level, who, text in told if level == "warning" and who == "func.from"]
    assert alone == ["sub-77 of func.from have no image in the dataset and are left out."]
    assert ("error", "sub-02", "The tree of fMRIPrep has nobody of this name.") in told


def test_the_plan_learns_from_an_earlier_run(tmp_path):
    rows = [
        Status(f"sub-{n}", "", "func", f"f{n}", step, "present", "", cpu, cpu, {"a": 4_000_000})
        for n, cpu in enumerate((10.0, 20.0, 60.0))
        for step in ("preprocess", "measure")
    ]
    for step in ("preprocess", "measure"):
        path = tmp_path / f"work/status/func_{step}/batch-0001.tsv"
        path.parent.mkdir(parents=True)
        write_statuses([row for row in rows if row.step == step], path)
    benchmark = tmp_path / "benchmarks/func_preprocess/batch-0001.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\tcpu_time\n9\t1234.5\t8\n")
    cost = forecast("func", [1_000_000] * 10, tmp_path)
    assert (cost.cpu_s, cost.memory_mb, cost.disk_mb) == (400.0, 1234.5, 80.0)
    assert cost.basis == "earlier runs (3 images)"
    assert forecast("mrs", [0], tmp_path).cpu_s == ROUGH["mrs"][0]


class TestCommand:
    def run(self, *arguments):
        return CliRunner().invoke(app, ["validate", "--no-bids", *map(str, arguments)])

    def test_exit_status_and_sentences(self, bids):
        assert self.run(bids).exit_code == 0
        spoil(bids, "short")
        told = self.run(bids)
        assert told.exit_code == 1
        assert "error: sub-02: sub-02_task-rest_bold.nii.gz has 8 volumes" in told.output
        assert "Errors: 1, warnings: 1." in told.output

    def test_json_holds_everything(self, bids):
        told = json.loads(self.run(bids, "--json").output)
        assert told["errors"] == 0
        assert told["plan"]["anat"]["engine"] == "builtin"
        assert told["people"]["sub-01"]["dwi"] == "measured"

    def test_a_configuration_that_is_wrong_is_one_sentence(self, bids, tmp_path):
        file = tmp_path / "c.yaml"
        file.write_text("func: {strategie: x}\n")
        told = self.run(bids, "--configfile", file)
        assert told.exit_code == 1 and "strategy" in told.output
        file.write_text("bids_dir: nowhere\n")
        told = self.run("--configfile", file)
        assert told.exit_code == 1 and "There is no folder nowhere" in told.output

    def test_many_alike_are_counted(self, bids):
        for number in range(10, 30):
            picture(bids / f"sub-{number}/func/sub-{number}_task-rest_bold.nii.gz", (30, 30, 30, 8))
        told = self.run(bids).output
        assert told.count("has no JSON sidecar") == 5 and "15 more like this" in told
        assert self.run(bids, "--all").output.count("has no JSON sidecar") == 20


def small_dataset(root, people):
    """A dataset of one T1w image each that the BIDS validator finds in order."""
    names = [f"sub-{number:04d}" for number in range(people)]
    picture(root / "one.nii.gz", (4, 4, 4))
    for who in names:
        (root / who / "anat").mkdir(parents=True)
        (root / who / f"anat/{who}_T1w.nii.gz").write_bytes((root / "one.nii.gz").read_bytes())
    (root / "one.nii.gz").unlink()
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    (root / "README").write_text("Simulated images of nobody, for the tests of a program.\n" * 5)
    rows = "\n".join(["participant_id\tage", *(f"{who}\t30" for who in names)])
    (root / "participants.tsv").write_text(rows + "\n")
    return root


def validator():
    """The BIDS validator; tests that run it are skipped without it."""
    beside = Path(sys.executable).parent / "bids-validator-deno"
    if not beside.exists() and shutil.which("bids-validator-deno") is None:
        pytest.skip("the BIDS validator (bids-validator-deno) is not installed")


class TestBidsValidator:
    def looked_at(self, root):
        return validate(read_config([], root), bids_validator=True)

    def test_its_errors_are_errors_and_its_warnings_are_not(self, tmp_path):
        validator()
        root = small_dataset(tmp_path / "bids", 2)
        result = self.looked_at(root)
        assert result.bids_validator == "The BIDS validator found 0 errors."
        assert result.errors == 0
        # Nothing else of this program minds what BIDS calls the file.
        (root / "sub-0001/anat/sub-0001_acq_T1w.nii.gz").write_bytes(
            (root / "sub-0001/anat/sub-0001_T1w.nii.gz").read_bytes()
        )
        result = self.looked_at(root)
        told = [finding for finding in result.findings if "BIDS validator" in finding.text]
        assert told and {finding.level for finding in told} == {"error"}
        assert "sub-0001_acq_T1w" in " ".join(finding.text for finding in told)
        told = CliRunner().invoke(app, ["validate", str(root)])
        assert told.exit_code == 1 and "BIDS validator" in told.output

    def test_a_table_of_more_than_a_thousand_people_is_read_to_its_end(self, tmp_path):
        validator()
        result = self.looked_at(small_dataset(tmp_path / "bids", 1010))
        assert result.bids_validator == "The BIDS validator found 0 errors."

    def test_no_bids_leaves_it_out(self, bids, monkeypatch):
        calls = []
        monkeypatch.setattr(
            "commissure.flow.validation.subprocess.run", lambda *a, **k: calls.append(a)
        )
        told = CliRunner().invoke(app, ["validate", "--no-bids", "--json", str(bids)])
        assert told.exit_code == 0 and calls == []
        assert json.loads(told.output)["bids_validator"] == ""

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ("echo no JSON; exit 3", "ended with status 3"),
            ("echo '{\"issues\": 1}'", "ended with status 0"),
            (None, "is not installed"),
        ],
    )
    def test_one_that_breaks_off_or_is_not_there_is_told(self, bids, monkeypatch, script, words):
        folder = bids.parent / "bin"
        folder.mkdir()
        if script:
            (folder / "bids-validator-deno").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "bids-validator-deno").chmod(0o755)
        monkeypatch.setattr("commissure.flow.validation.sys.executable", str(folder / "python"))
        monkeypatch.setenv("PATH", str(folder))
        assert words in self.looked_at(bids).bids_validator


@pytest.mark.real
def test_the_real_datasets_are_looked_at(shared_data):
    settings = read_config([], shared_data / "bids")
    assert validate(settings, bids_validator=False).errors == 0
    settings = read_config([], shared_data / "bids-more")
    errors = [f for f in validate(settings, bids_validator=False).findings if f.level == "error"]
    assert {finding.who for finding in errors} == {"sub-me01", "sub-sg02"}


@pytest.mark.parametrize(
    ("config", "who", "words"),
    [
        ({"dwi": {"engine": "mrtrix3"}}, "dwi.engine", "of MRtrix3 are not on the path"),
        ({"dwi": {"engine": "qsiprep"}}, "qsiprep.license", "no licence file of FreeSurfer"),
        ({"func": {"engine": "fmriprep"}}, "fmriprep.license", "no licence file of FreeSurfer"),
        ({"dwi": {"engine": "qsiprep"}, "qsiprep": {"license": "LICENSE"}}, "dwi.engine", "docker"),
    ],
)
def test_what_an_engine_needs_is_looked_at(bids, monkeypatch, repository, config, who, words):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(repository)
    (finding,) = [f for f in looked_at(bids, **config).findings if f.level == "error"]
    assert finding.who == who and words in finding.text
    assert not (bids.parent / "out").exists()


def test_a_container_costs_at_most_what_it_is_given_and_is_told_once(bids) -> None:
    given = {"engine": "fmriprep"}
    asked = {"license": "LICENSE", "threads": 2, "runtime_min": 60, "mem_mb": 9000}
    costs = looked_at(bids, anat=given, func=given, fmriprep=asked).costs
    people = costs["anat"].cpu_s / (2 * 3600)
    assert people == int(people) >= 1 and costs["anat"].memory_mb == 9000
    assert costs["func"].cpu_s == 0 and costs["func"].basis == "in the same run of the program"
    assert costs["dwi"].basis == "rough"
