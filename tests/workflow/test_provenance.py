"""What a run says of itself: valid, repeatable to the last digit, and without names of people."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import rocrate
from tests.workflow.conftest import Run, simulate_tiny
from typer.testing import CliRunner

from commissure.cli import app
from commissure.compare.comparison import compare
from commissure.flow.touched import touched

pytestmark = pytest.mark.slow

NAME, BIRTH, NUMBER = "Hippolyta", "1961-12-31", "MRN0077123"


@pytest.fixture(scope="module")
def spectra(tmp_path_factory, repository) -> Run:
    """Spectra of two people, whose name, day of birth and number stand where labs have them."""
    folder = tmp_path_factory.mktemp("study") / f"{NAME}_{BIRTH}"
    run = Run(folder, repository)
    simulate_tiny(run.bids, controls=1, responsive=0, resistant=1, missing=0.0, sites=1)
    for other in ("anat", "func", "dwi"):
        for path in run.bids.glob(f"sub-*/{other}"):
            shutil.rmtree(path)
    for sidecar in run.bids.glob("sub-*/mrs/*.json"):
        content = json.loads(sidecar.read_text())
        content |= {"PatientName": NAME, "PatientBirthDate": BIRTH, "PatientID": NUMBER}
        content["StationName"] = f"/home/{NAME}/scans"
        sidecar.write_text(json.dumps(content))
    people = (run.bids / "participants.tsv").read_text().splitlines()
    rows = [f"{line}\t{cell}" for line, cell in zip(people, ["mrn", NUMBER, NUMBER], strict=True)]
    (run.bids / "participants.tsv").write_text("\n".join(rows) + "\n")
    run.configure(modalities=["mrs"], bids_dir=str(run.bids), output_dir=str(run.out))
    run.snakemake()
    return run


def again(run: Run, folder: Path) -> Run:
    """The same study in another place, not run yet."""
    shutil.copytree(run.bids, folder / "bids")
    other = Run(folder, run.repository)
    other.configure(modalities=["mrs"])
    return other


def test_nothing_that_travels_names_a_person_a_machine_or_a_folder(spectra):
    words = [NAME, BIRTH, NUMBER, str(spectra.folder.parent), str(Path.home())]
    found = []
    for path in spectra.out.rglob("*"):
        # work/ is the run's own and stays where it is.
        if not path.is_file() or path.relative_to(spectra.out).parts[0] == "work":
            continue
        text = path.read_bytes()
        found += [(path.name, word) for word in words if word.encode() in text]
        node = platform.node().encode()
        if path.suffix != ".gz" and re.search(
            rb"(?<![\w-])" + re.escape(node) + rb"(?![\w-])", text
        ):
            found.append((path.name, "the machine"))
    assert found == []


def test_a_run_from_scratch_in_another_place_is_the_same_byte_for_byte(spectra, tmp_path):
    other = again(spectra, tmp_path)
    other.snakemake()
    timed = ("provenance", "prov", "logs", "benchmarks", "work", "ro-crate-metadata.json")
    for path in spectra.out.rglob("*"):
        name = path.relative_to(spectra.out)
        if path.suffix in (".tsv", ".json") and name.parts[0] not in timed:
            if name.name in ("completeness.tsv", "dataset_description.json"):
                continue  # the command, and the way to the dataset
            assert path.read_bytes() == (other.out / name).read_bytes(), name
    done = CliRunner().invoke(app, ["compare", str(spectra.out), str(other.out)])
    assert done.exit_code == 0, done.output


def test_a_sample_an_option_threads_and_a_kernel_are_each_named(spectra, tmp_path, monkeypatch):
    other = again(spectra, tmp_path)
    name = "sub-02/mrs/sub-02_voi-ACC_svs.nii.gz"
    image = nib.load(other.bids / name)
    data = np.asanyarray(image.dataobj).copy()
    data[0, 0, 0, :50] *= 1.2
    nib.save(type(image)(data, image.affine, image.header), other.bids / name)
    here = json.loads((spectra.out / "provenance/run.json").read_text())["environments"]
    used = {item["kernel"].casefold() for each in here for item in each["blas"]}
    kernels = ("Nehalem", "Haswell") if platform.machine() == "x86_64" else ("ARMV8", "CORTEXA57")
    kernel = next(word for word in kernels if word.casefold() not in used)
    monkeypatch.setenv("OPENBLAS_CORETYPE", kernel)
    other.snakemake("--set-threads", "mrs_preprocess=2", "--config", "mrs={shot_rejection_sd: 2.0}")
    comparison = compare(spectra.out, other.out)
    assert [(c.kind, c.what) for c in comparison.causes] == [
        ("input", name), ("option", "mrs.shot_rejection_sd"), ("threads", "threads"),
        ("kernel", "blas"),
    ]  # fmt: skip
    threads, blas = comparison.causes[2:]
    assert "OMP_NUM_THREADS 2" in threads.b and "OMP_NUM_THREADS 2" not in threads.a
    assert kernel.casefold() in blas.b.casefold() and kernel.casefold() not in blas.a.casefold()
    assert comparison.verdict == "different"


def test_the_plan_names_the_rules_that_snakemake_runs(spectra):
    config = spectra.folder / "study.yaml"
    before = config.read_text()
    try:
        config.write_text(before + "fusion:\n  permutations: 99\n")
        (item,) = touched(compare_run(spectra), config)
        done = spectra.snakemake("-n")
    finally:
        config.write_text(before)
    run = set(re.findall(r"^rule (\w+):", done.stdout + done.stderr, re.M)) - {"all"}
    assert {rule.name for rule in item.rules} == run


def compare_run(run: Run):
    from commissure.compare.runs import Run as Finished

    return Finished.at(run.out)


def test_the_output_is_valid_bids(tiny_run):
    validator = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run(
        [validator, "--json", "--ignoreNiftiHeaders", tiny_run.out],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    issues = json.loads(done.stdout)["issues"]["issues"]
    errors = {(i["code"], i["location"]) for i in issues if i["severity"] == "error"}
    assert errors == set()


@pytest.fixture(scope="session")
def crate_python(repository, tmp_path_factory) -> Path:
    """Python of the environment that the validator of crates needs."""
    folder = tmp_path_factory.mktemp("crate") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    done = subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r",
         repository / "envs/crate.lock"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"roc-validator cannot be installed here: {done.stderr.strip()[-200:]}")
    return folder / "bin/python"


def test_the_crate_and_bids_prov_are_accepted(tiny_run, crate_python, repository):
    context = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
    script = repository / "tests/validators/check_provenance.py"
    done = subprocess.run(
        [crate_python, script, context, tiny_run.out], capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tiny_run.folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["issues"] == [] and said["passed"] and said["checks"] > 50
    steps = json.loads((tiny_run.out / "provenance/run.json").read_text())["steps"]
    activities = len(steps) + len({step["rule"] for step in steps}) + 1
    assert said["kinds"]["Activity"] == activities
    assert said["predicates"]["startedAtTime"] == activities


def test_every_sidecar_names_an_activity_of_the_run(spectra):
    graph = json.loads((spectra.out / "provenance/bids-prov.jsonld").read_text())["@graph"]
    known = {node["Id"] for node in graph}
    images = list(spectra.out.glob("sub-*/mrs/*.nii.gz"))
    sidecars = [path.with_name(path.name.partition(".")[0] + ".json") for path in images]
    named = {json.loads(path.read_text())["GeneratedBy"] for path in sidecars if path.exists()}
    assert named and named <= known
