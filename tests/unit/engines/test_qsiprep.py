"""The command of QSIPrep has every argument, and what would stop it is told before."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from tests.tool_trees import dwi_series, stub_docker

from commissure.engines.containers.checks import check_before
from commissure.engines.containers.pins import pinned
from commissure.engines.containers.program import Folders, Offered, Person
from commissure.engines.containers.qsiprep import EDDY, QSIPREP
from commissure.engines.containers.run import run_person
from commissure.engines.containers.settings import QsiprepSettings
from commissure.errors import ConfigError

IMAGE = pinned("qsiprep").reference
WITH_T1W = Person("sub-01", frozenset(("anat", "dwi")), frozenset(("dwi",)))
OFFERED = Offered(4, 16000)
WITHOUT = Person("sub-01", frozenset(("dwi",)), frozenset(("dwi",)))


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "bids").mkdir()
    (tmp_path / "license.txt").write_text("somebody\n")
    (tmp_path / "flow").mkdir()
    (tmp_path / "qsiprep.sif").write_bytes(b"an image")
    return Folders.of("qsiprep", tmp_path / "bids", tmp_path / "out")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Stubs on the path; the calls they saw."""
    prepared = tmp_path / "prepared"
    for session in ("1", "2"):
        dwi_series(prepared, f"sub-01_ses-{session}", where=f"ses-{session}/dwi")
    made = {"GeneratedBy": [{"Name": "QSIPrep", "Version": "1.1.1"}]}
    (prepared / "dataset_description.json").write_text(json.dumps(made))
    noted = tmp_path / "calls"
    monkeypatch.setenv("STUB_CALLS", str(noted))
    monkeypatch.setenv("STUB_TREE", str(prepared))
    for name in ("docker", "apptainer"):
        path = f"{stub_docker(tmp_path / 'bin', name=name)}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    return lambda: [json.loads(line) for line in noted.read_text().splitlines()]


def settings(folders, **options):
    return QsiprepSettings(license=str(folders.bids.parent / "license.txt"), **options)


def ran(folders, calls, person=WITH_T1W, offered=OFFERED, **options):
    """The one call that a run makes, the container engine's name first."""
    told = run_person(QSIPREP, person, settings(folders, **options), folders, offered, inputs=["a"])
    assert told == ""
    (call,) = calls()
    return call


class TestCommand:
    def test_of_docker_for_a_person_with_several_sessions(self, folders, calls):
        base, license = folders.bids.parent, "/opt/freesurfer/license.txt"
        assert ran(folders, calls) == [
            "docker", "run", "--rm",
            "-v", f"{base}/bids:/data:ro", "-v", f"{base}/out/qsiprep:/out",
            "-v", f"{base}/out/work/qsiprep/sub-01:/work", "-v", f"{base}/license.txt:{license}:ro",
            IMAGE, "/data", "/out", "participant", "-w", "/work", "--fs-license-file", license,
            "--participant-label", "01", "--nthreads", "4", "--omp-nthreads", "4",
            "--mem-mb", "16000", "--skip-bids-validation", "--notrack",
            "--output-resolution", "2",
        ]  # fmt: skip
        # One run makes all sessions: none is named.
        assert {path.name for path in (folders.tree / "sub-01").iterdir()} == {"ses-1", "ses-2"}

    def test_of_docker_with_everything(self, folders, calls):
        base, license = folders.bids.parent, "/opt/freesurfer/license.txt"
        (base / "eddy.json").write_text('{"niter": 8, "use_cuda": false, "args": "--ol_nstd=5"}')
        call = ran(
            folders, calls, WITHOUT, Offered(12, 32000, gpus=1), gpus=1, field_maps=False,
            templateflow=str(base / "flow"), output_resolution_mm=1.25,
            eddy_config=str(base / "eddy.json"), options=["--use-syn-sdc", "warn"],
        )  # fmt: skip
        assert call == [
            "docker", "run", "--rm", "--gpus", "all",
            "-v", f"{base}/bids:/data:ro", "-v", f"{base}/out/qsiprep:/out",
            "-v", f"{base}/out/work/qsiprep/sub-01:/work", "-v", f"{base}/license.txt:{license}:ro",
            "-v", f"{base}/out/work/qsiprep/sub-01_eddy.json:/eddy.json:ro",
            "-v", f"{base}/flow:/templateflow", "-e", "TEMPLATEFLOW_HOME=/templateflow",
            IMAGE, "/data", "/out", "participant", "-w", "/work", "--fs-license-file", license,
            "--participant-label", "01", "--nthreads", "12", "--omp-nthreads", "8",
            "--mem-mb", "32000", "--skip-bids-validation", "--notrack", "--ignore", "fieldmaps",
            "--output-resolution", "1.25", "--anat-modality", "none",
            "--eddy-config", "/eddy.json", "--use-syn-sdc", "warn",
        ]  # fmt: skip
        written = json.loads((folders.work / "sub-01_eddy.json").read_text())
        assert written == {**EDDY, "niter": 8, "args": "--ol_nstd=5", "use_cuda": True}

    def test_of_apptainer(self, folders, calls):
        base = folders.bids.parent
        image = str(base / "qsiprep.sif")
        assert ran(folders, calls, via="apptainer", image=image) == [
            "apptainer", "run", "--cleanenv", "--containall",
            "-B", f"{base}/bids:/data:ro", "-B", f"{base}/out/qsiprep:/out",
            "-B", f"{base}/out/work/qsiprep/sub-01:/work",
            "-B", f"{base}/license.txt:/license.txt:ro",
            image, "/data", "/out", "participant", "-w", "/work",
            "--fs-license-file", "/license.txt", "--participant-label", "01", "--nthreads", "4",
            "--omp-nthreads", "4", "--mem-mb", "16000", "--skip-bids-validation", "--notrack",
            "--output-resolution", "2",
        ]  # fmt: skip

    def test_of_apptainer_with_everything(self, folders, calls):
        base = folders.bids.parent
        image = str(base / "qsiprep.sif")
        call = ran(
            folders, calls, WITHOUT, Offered(2, 9000, gpus=2), via="apptainer", image=image,
            field_maps=False, templateflow=str(base / "flow"), options=["--hmc-model", "eddy"],
        )  # fmt: skip
        assert call == [
            "apptainer", "run", "--cleanenv", "--containall", "--nv",
            "-B", f"{base}/bids:/data:ro", "-B", f"{base}/out/qsiprep:/out",
            "-B", f"{base}/out/work/qsiprep/sub-01:/work",
            "-B", f"{base}/license.txt:/license.txt:ro",
            "-B", f"{base}/out/work/qsiprep/sub-01_eddy.json:/eddy.json:ro",
            "-B", f"{base}/flow:/templateflow", "--env", "TEMPLATEFLOW_HOME=/templateflow",
            image, "/data", "/out", "participant", "-w", "/work",
            "--fs-license-file", "/license.txt", "--participant-label", "01", "--nthreads", "2",
            "--omp-nthreads", "2", "--mem-mb", "9000", "--skip-bids-validation", "--notrack",
            "--ignore", "fieldmaps", "--output-resolution", "2", "--anat-modality", "none",
            "--eddy-config", "/eddy.json", "--hmc-model", "eddy",
        ]  # fmt: skip
        assert json.loads((folders.work / "sub-01_eddy.json").read_text()) == {
            **EDDY, "use_cuda": True,
        }  # fmt: skip

    def test_without_a_graphics_processor_eddy_is_told_so(self, folders, calls):
        file = folders.bids.parent / "eddy.json"
        file.write_text('{"niter": 8, "use_cuda": true}')
        call = ran(folders, calls, eddy_config=str(file))
        assert "--gpus" not in call and call[call.index("--eddy-config") + 1] == "/eddy.json"
        written = json.loads((folders.work / "sub-01_eddy.json").read_text())
        assert (written["niter"], written["use_cuda"]) == (8, False)


def test_what_is_finished_is_not_run_again(folders, calls):
    for offered, options, runs in (
        (Offered(4, 16000), {}, 1),
        (Offered(8, 32000, gpus=1), {"gpus": 1}, 1),
        (Offered(4, 16000), {"output_resolution_mm": 1.5}, 2),
    ):
        chosen = settings(folders, **options)
        run_person(QSIPREP, WITH_T1W, chosen, folders, offered, inputs=["a"])
        assert len(calls()) == runs


def test_a_failure_has_the_last_words_of_the_program(folders, calls, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", "01")
    told = run_person(QSIPREP, WITH_T1W, settings(folders), folders, Offered(1, 8000), inputs=["a"])
    assert told.startswith("QSIPrep ended with status 1: RuntimeError: sub-01 has no image")
    assert told.endswith("(logs/qsiprep/sub-01.log)")


class TestBefore:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"license": None}, "qsiprep.license: no licence file of FreeSurfer is named"),
            ({"license": "nowhere.txt"}, "there is no file nowhere.txt"),
            ({"templateflow": "nowhere"}, "there is no folder nowhere"),
            ({"eddy_config": "nowhere.json"}, "nowhere.json is not there, or no JSON file"),
            (
                {"options": ["--output-resolution", "1"]},
                "follows from qsiprep.output_resolution_mm",
            ),
            ({"options": ["--eddy-config=a"]}, "follows from qsiprep.eddy_config"),
            ({"options": ["--n-cpus", "3"]}, "follows from qsiprep.threads"),
            (
                {"options": ["--ignore", "t2w"], "field_maps": False},
                "follows from qsiprep.field_maps",
            ),
            ({"options": ["--gpu", "all"]}, "follows from qsiprep.gpus"),
            ({"digest": "sha256:" + "b" * 64}, "on this machine has sha256:aaaa"),
            ({"disk_mb": 10**12}, "are free where QSIPrep works"),
            (
                {"via": "apptainer", "image": "x.sif"},
                r"no file x\.sif.*docker://pennlinc/qsiprep:1",
            ),
        ],
    )
    def test_what_would_stop_every_container_is_one_sentence(self, folders, calls, options, words):
        with pytest.raises(ConfigError, match=words):
            check_before(QSIPREP, settings(folders).model_copy(update=options), folders)

    def test_no_container_engine_and_no_image(self, folders, calls, monkeypatch):
        monkeypatch.setenv("STUB_IMAGE", "no")
        with pytest.raises(ConfigError, match="Run docker pull pennlinc/qsiprep:1.1.1 once"):
            check_before(QSIPREP, settings(folders), folders)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(ConfigError, match="dwi.engine: qsiprep is to run by docker, which is"):
            check_before(QSIPREP, settings(folders), folders)
        with pytest.raises(ConfigError, match="dwi.engine: qsiprep is to run by apptainer, which"):
            check_before(QSIPREP, settings(folders, via="apptainer"), folders)

    def test_the_file_of_apptainer_has_a_digest_too(self, folders, calls):
        image = folders.bids.parent / "qsiprep.sif"
        chosen = {"via": "apptainer", "image": str(image)}
        (caution,) = check_before(QSIPREP, settings(folders, **chosen), folders)
        assert "qsiprep.digest is not set" in caution and "sha256sum qsiprep.sif" in caution
        digest = f"sha256:{hashlib.sha256(b'an image').hexdigest()}"
        assert check_before(QSIPREP, settings(folders, digest=digest, **chosen), folders) == []
        image.write_bytes(b"another one")
        with pytest.raises(ConfigError, match=r"qsiprep\.sif has sha256:"):
            check_before(QSIPREP, settings(folders, digest=digest, **chosen), folders)
