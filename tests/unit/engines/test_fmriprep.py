"""The command of fMRIPrep has every argument, and what would stop it is told before."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.tool_trees import bold_run, stub_docker, t1w_of

from commissure.engines.containers.checks import check_before
from commissure.engines.containers.fmriprep import FMRIPREP, command
from commissure.engines.containers.pins import FILE, pinned
from commissure.engines.containers.program import Folders, Offered, Person
from commissure.engines.containers.run import last_words, run_person
from commissure.engines.containers.settings import FmriprepSettings
from commissure.errors import ConfigError

IMAGE = pinned("fmriprep").reference
BOTH = Person("sub-01", frozenset(("anat", "func")), frozenset(("anat", "func")))
OFFERED = Offered(2, 8000)


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "bids").mkdir()
    (tmp_path / "license.txt").write_text("somebody\n")
    (tmp_path / "flow").mkdir()
    return Folders(tmp_path / "bids", tmp_path / "tree", tmp_path / "work", tmp_path / "log")


def settings(folders, **options):
    return FmriprepSettings(license=str(folders.bids.parent / "license.txt"), **options)


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A stub on the path; the calls it saw."""
    calls = tmp_path / "calls"
    monkeypatch.setenv("STUB_CALLS", str(calls))
    monkeypatch.setenv("STUB_TREE", str(tmp_path / "prepared"))
    monkeypatch.setenv("PATH", f"{stub_docker(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    return lambda: [json.loads(line) for line in calls.read_text().splitlines()]


class TestCommand:
    def test_of_docker(self, folders):
        line = command(BOTH, settings(folders), folders, Offered(4, 15000))
        base = folders.bids.parent
        assert line == [
            str(Path(sys.executable).parent / "fmriprep-docker"),
            str(base / "bids"), str(base / "tree"), "participant", "--no-tty",
            "-i", IMAGE, "-w", str(base / "work/sub-01"),
            "--fs-license-file", str(base / "license.txt"), "-e", "OMP_NUM_THREADS", "1",
            "--participant-label", "01", "--nthreads", "4", "--omp-nthreads", "4",
            "--mem-mb", "15000", "--skip-bids-validation", "--notrack", "--fs-no-reconall",
            "--output-spaces", "MNI152NLin2009cAsym:res-2",
        ]  # fmt: skip

    def test_of_apptainer(self, folders):
        base = folders.bids.parent
        chosen = settings(
            folders, via="apptainer", image="/images/fmriprep.sif", surfaces=True, threads=16,
            templateflow=str(base / "flow"), options=["--use-syn-sdc"],
            output_space="MNI152NLin6Asym",
        )  # fmt: skip
        alone = Person("sub-01", BOTH.images, frozenset(("anat",)))
        line = command(alone, chosen, folders, Offered(16, 32000))
        assert line[1:] == [
            "run", "--cleanenv", "--containall",
            "-B", f"{base}/bids:/data:ro", "-B", f"{base}/tree:/out",
            "-B", f"{base}/work/sub-01:/work", "-B", f"{base}/license.txt:/license.txt:ro",
            "-B", f"{base}/flow:/templateflow", "--env", "TEMPLATEFLOW_HOME=/templateflow",
            "/images/fmriprep.sif", "/data", "/out", "participant", "-w", "/work",
            "--fs-license-file", "/license.txt", "--participant-label", "01", "--nthreads", "16",
            "--omp-nthreads", "8", "--mem-mb", "32000", "--skip-bids-validation", "--notrack",
            "--anat-only", "--use-syn-sdc", "--output-spaces", "MNI152NLin6Asym",
        ]  # fmt: skip

    @pytest.mark.parametrize("field_maps", [True, False])
    def test_the_wrapper_gives_docker_what_was_meant(self, folders, docker, tmp_path, field_maps):
        """Of a person with two visits and two tasks: one run makes all of them, none is named."""
        prepared = tmp_path / "prepared"
        prepared.mkdir()
        (prepared / "dataset_description.json").write_text("{}")
        for session in ("1", "2"):
            t1w_of(prepared, f"sub-01_ses-{session}", where=f"ses-{session}/anat")
            for task in ("rest", "nback"):
                label = f"sub-01_ses-{session}_task-{task}"
                bold_run(prepared, label, where=f"ses-{session}/func")
        chosen = settings(folders, field_maps=field_maps)
        assert run_person(FMRIPREP, BOTH, chosen, folders, OFFERED, inputs=["a"]) == ""
        base = folders.bids.parent
        assert docker()[-1] == [
            "docker", "run", "--rm", "-e", "DOCKER_VERSION_8395080871=24.0.7",
            "-e", "OMP_NUM_THREADS=1", "-v", f"{base}/license.txt:/opt/freesurfer/license.txt:ro",
            "-v", f"{base}/bids:/data:ro", "-v", f"{base}/tree:/out",
            "-v", f"{base}/work/sub-01:/scratch", IMAGE, "/data", "/out", "participant",
            "--participant-label", "01", "--nthreads", "2", "--omp-nthreads", "2",
            "--mem-mb", "8000", "--skip-bids-validation", "--notrack",
            *([] if field_maps else ["--ignore", "fieldmaps"]), "--fs-no-reconall",
            "-w", "/scratch", "--output-spaces", "MNI152NLin2009cAsym:res-2",
        ]  # fmt: skip


class TestRuns:
    def test_what_is_finished_is_not_run_again(self, folders, docker, tmp_path):
        prepared = tmp_path / "prepared"
        prepared.mkdir()
        (prepared / "dataset_description.json").write_text("{}")
        t1w_of(prepared)

        def run(inputs, **options):
            chosen = settings(folders, **options)
            run_person(FMRIPREP, BOTH, chosen, folders, OFFERED, inputs=inputs)
            return sum(call[1] == "run" and "participant" in call for call in docker())

        assert run(["a"]) == 1
        assert run(["a"]) == 1
        assert run(["a"], mem_mb=20_000) == 1
        assert run(["b"]) == 2
        assert run(["b"], options=["--use-syn-sdc"]) == 3
        shutil.rmtree(folders.tree)
        assert run(["b"], options=["--use-syn-sdc"]) == 4

    def test_a_failure_has_the_last_words_of_the_program(self, folders, docker, monkeypatch):
        monkeypatch.setenv("STUB_FAILS", "01")
        told = run_person(FMRIPREP, BOTH, settings(folders), folders, OFFERED, inputs=["a"])
        assert told.startswith("fMRIPrep ended with status 1: RuntimeError: sub-01 has no image")
        assert "logs/fmriprep/sub-01.log" in told
        assert not (folders.work / "sub-01.json").exists()

    def test_crash_files_say_more_than_the_log(self, tmp_path):
        log = tmp_path / "a.log"
        log.write_text("an Error of no use\n")
        crash = tmp_path / "sub-01/log/20260101/crash-x.txt"
        crash.parent.mkdir(parents=True)
        crash.write_text("Node: norm\nMemoryError: 12 GB\n\n")
        assert last_words(log, tmp_path / "sub-01") == "MemoryError: 12 GB"
        assert last_words(log, tmp_path / "sub-02") == "an Error of no use"


class TestBefore:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"license": None}, "no licence file of FreeSurfer is named"),
            ({"license": "nowhere.txt"}, "there is no file nowhere.txt"),
            ({"templateflow": "nowhere"}, "there is no folder nowhere"),
            ({"options": ["--nthreads", "8"]}, "holds --nthreads, which follows from fmriprep.thr"),
            ({"options": ["--mem-mb=3"]}, "holds --mem-mb"),
            ({"digest": "sha256:" + "b" * 64}, "on this machine has sha256:aaaa"),
            ({"disk_mb": 10**12}, "are free where fMRIPrep works"),
            ({"via": "apptainer", "image": "x.sif"}, "apptainer, which is not on the path"),
        ],
    )
    def test_what_would_stop_every_container_is_one_sentence(
        self, folders, docker, monkeypatch, options, words
    ):
        chosen = settings(folders).model_copy(update=options)
        with pytest.raises(ConfigError, match=words):
            check_before(FMRIPREP, chosen, folders)

    def test_everything_is_there(self, folders, docker):
        known = settings(folders, digest="sha256:" + "a" * 64)
        assert check_before(FMRIPREP, known, folders) == []
        assert not folders.work.exists()

    def test_an_image_without_a_digest_is_told_with_the_one_that_is_there(self, folders, docker):
        (caution,) = check_before(FMRIPREP, settings(folders), folders)
        assert caution.startswith("fmriprep.digest is not set: the image nipreps/fmriprep:25")
        assert caution.endswith("that of this machine is sha256:" + "a" * 64)

    def test_no_docker_and_no_image(self, folders, docker, monkeypatch):
        monkeypatch.setenv("STUB_IMAGE", "no")
        with pytest.raises(ConfigError, match="Run docker pull nipreps/fmriprep"):
            check_before(FMRIPREP, settings(folders), folders)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(ConfigError, match="docker, which is not installed"):
            check_before(FMRIPREP, settings(folders), folders)

    def test_an_apptainer_image_that_is_not_there(self, folders, tmp_path, monkeypatch):
        program = tmp_path / "bin/apptainer"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(ConfigError, match=r"there is no file x\.sif"):
            check_before(FMRIPREP, settings(folders, via="apptainer", image="x.sif"), folders)


class TestPins:
    def test_the_version_is_that_of_the_wrapper_in_the_lock(self, repository):
        assert repository / "envs/engines.yaml" == FILE
        assert FmriprepSettings().image == IMAGE
        lock = (repository / "envs/requirements.lock").read_text()
        assert f"fmriprep-docker=={pinned('fmriprep').tag}" in lock

    def test_an_installation_has_the_file(self, repository):
        assert (
            '"envs/engines.yaml" = "commissure/envs/engines.yaml"'
            in (repository / "pyproject.toml").read_text()
        )
