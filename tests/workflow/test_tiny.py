"""The real workflow on a tiny cohort: to the end, again with nothing to do, and with bad input."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from commissure.engines.interface import example_files
from commissure.markers.status import read_statuses
from commissure.modalities import BY_DEFAULT
from commissure.outputs import CARD, MODEL, OUTPUTS, PLAIN_MODEL, SCORER

pytestmark = pytest.mark.slow

PEOPLE = [f"sub-{n:02d}" for n in range(1, 7)]


def test_every_person_has_every_product(tiny_run):
    bad = {key: state for key, state in tiny_run.states().items() if state[0] != "present"}
    assert bad == {}
    assert {key[0] for key in tiny_run.states()} == set(PEOPLE)


def test_every_modality_gives_plausible_markers(tiny_run):
    table = tiny_run.table("markers.tsv")
    definitions = json.loads((tiny_run.out / "markers.json").read_text())
    assert set(table["marker"]) == set(definitions)
    median = table.groupby(["marker", "region"])["value"].median()
    assert 1.1e6 < median["volume", "TIV"] < 2.2e6
    # Voxels of 5 mm hold more than one tract and its neighbours: 0.63 is planted.
    assert 0.3 < median["fa", "GCC"] < 0.7
    assert 5 < median["glu", "ACC"] < 15
    assert -0.5 < median["fc", "Default"] < 1.5


def test_every_image_has_a_quality_record_and_a_figure(tiny_run):
    for modality in BY_DEFAULT:
        for person in PEOPLE:
            folder = tiny_run.out / person / modality
            assert len(list(folder.glob("*_qc.json"))) == 1
            assert len(list((folder / "figures").glob("*.svg"))) >= 1


def test_the_contract_of_names_holds(tiny_run):
    for modality in BY_DEFAULT:
        for _, names, required in example_files(modality):
            for name in names if required else ():
                assert (tiny_run.out / "sub-01" / modality / name).exists(), name
    for name in ("mrs/sub-01_voi-ACC_desc-preproc_mrsref.nii.gz", "mrs/sub-01_voi-ACC_tissue.json"):
        assert (tiny_run.out / "sub-01" / name).exists(), name


def test_six_people_are_not_classified_and_the_report_says_so(tiny_run):
    metrics = json.loads((tiny_run.out / "fusion/metrics.json").read_text())
    assert metrics["status"] == "not_fitted"
    assert "2 resistant and 2 responsive" in metrics["reason"]
    page = (tiny_run.out / "report.html").read_text()
    assert metrics["reason"].split(".")[0] in page


def test_a_run_leaves_the_declared_files_with_the_declared_columns(tiny_run):
    absent = {path for path in OUTPUTS if "*" not in path and not (tiny_run.out / path).exists()}
    on_request = {
        "tolerances.tsv", "normative/model/charts.skops",
        "representation/encoder.npz", "representation/encoder.json",
        "lesions.tsv", "response.tsv", "best_response.tsv",
        *(path for path in OUTPUTS if path.startswith("subtypes/")),
    }  # fmt: skip
    assert absent <= {MODEL.path, PLAIN_MODEL.path, SCORER.path, CARD.path} | on_request
    for output in OUTPUTS.values():
        if output.columns and "*" not in output.path and output.path not in on_request:
            written = list(output.read(tiny_run.out))
            assert written[: len(output.names)] == output.names
            assert written == output.names or output.more_columns


def test_truth_is_compared(tiny_run):
    table = tiny_run.table("recovery.tsv").set_index(["marker", "region"])
    for key in (("volume", "Hippocampus_L"), ("fa", "GCC"), ("fc", "Default"), ("glu", "ACC")):
        assert table.loc[key, "n"] == 6
    assert abs(float(table.loc[("volume", "TIV"), "bias_percent"])) < 15
    assert float(table.loc[("volume", "Hippocampus_L"), "r"]) > 0.6
    assert float(table.loc[("fa", "GCC"), "r"]) > 0.5
    assert abs(float(table.loc[("glu", "ACC"), "bias_percent"])) < 15


def test_a_second_run_finds_nothing_to_do(tiny_run):
    done = tiny_run.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr


def test_every_file_of_a_person_is_declared_by_a_step(tiny_run):
    listed = {
        f"{row.folder}/{name}"
        for table in (tiny_run.out / "work/status").rglob("*.tsv")
        for row in read_statuses(table)
        for name in row.files
    }
    written = {
        str(path.relative_to(tiny_run.out))
        for person in PEOPLE
        for path in (tiny_run.out / person).rglob("*")
        if path.is_file()
    }
    assert written == listed


def test_a_threshold_of_measuring_never_repeats_preprocessing(tiny_run):
    done = tiny_run.snakemake(
        "-n", "--config", "func={fd_threshold_mm: 0.4}", "dwi={tract_wm_min: 0.6}"
    )
    rules = set(re.findall(r"^rule (\w+):", done.stdout + done.stderr, re.M))
    assert {"func_measure", "dwi_measure", "markers"} <= rules
    assert not any("preprocess" in rule for rule in rules)


def test_lost_derivatives_are_made_again_and_nothing_else(tiny_run, tmp_path):
    shutil.copytree(tiny_run.folder, tmp_path, dirs_exist_ok=True)
    run = replace(tiny_run, folder=tmp_path)
    bold = next((run.out / "sub-02/func").glob("*_desc-preproc_bold.nii.gz"))
    markers = run.out / "sub-05/mrs/sub-05_voi-ACC_markers.tsv"
    before = {
        p: p.stat().st_mtime_ns for n in PEOPLE for p in (run.out / n).rglob("*") if p.is_file()
    }
    content = {path: path.read_bytes() for path in (bold, markers)}
    bold.unlink()
    markers.write_bytes(content[markers][:100])
    done = run.snakemake("--until", "markers")
    assert f"{markers.relative_to(run.out)} of mrs_measure/" in done.stderr
    assert {path: path.read_bytes() for path in content} == content
    again = {path for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns}
    folders = {path.relative_to(run.out).parts[:2] for path in again}
    assert folders == {("sub-02", "func"), ("sub-05", "mrs")}
    names = {path.name for path in again}
    assert "sub-02_task-rest_markers.tsv" not in names, "preprocessing gave the same files"
    assert "sub-05_voi-ACC_fit.tsv" not in names
    done = run.snakemake("-n", "--until", "markers")
    assert re.findall(r"^rule (\w+):", done.stdout + done.stderr, re.M) == []


def test_what_made_the_results_is_written_down(tiny_run):
    run = json.loads((tiny_run.out / "provenance/run.json").read_text())
    assert run["versions"]["numpy"] == np.__version__
    assert "--configfile" in run["command"]
    crate = json.loads((tiny_run.out / "ro-crate-metadata.json").read_text())
    assert "markers.tsv" in {entity["@id"] for entity in crate["@graph"]}


@pytest.fixture(scope="module")
def broken_run(broken):
    return broken[0]


@pytest.fixture(scope="module")
def broken(tiny_run, tmp_path_factory):
    """The finished run of the tiny cohort, with a fault put into one modality of each person."""
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(tiny_run.folder, folder, dirs_exist_ok=True)
    run = replace(tiny_run, folder=folder)
    bids = run.bids

    t1w = bids / "sub-01/anat/sub-01_T1w.nii.gz"
    image = nib.load(t1w)
    data = image.get_fdata(dtype=np.float32)
    data[5:8, 5:8, 5:8] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), t1w)

    bold = bids / "sub-02/func/sub-02_task-rest_bold.nii.gz"
    bold.write_bytes(bold.read_bytes()[:20000])

    bold = bids / "sub-03/func/sub-03_task-rest_bold.nii.gz"
    image = nib.load(bold)
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[..., 0], image.affine), bold)

    bvec = bids / "sub-04/dwi/sub-04_dwi.bvec"
    bvec.write_text("\n".join(" ".join(row.split()[:-2]) for row in bvec.read_text().splitlines()))

    sidecar = bids / "sub-05/mrs/sub-05_voi-ACC_svs.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "EchoTime": 30}))

    (bids / "sub-06/func/sub-06_task-rest_bold.json").unlink()
    times = {path: path.stat().st_mtime_ns for path in run.out.rglob("*_markers.tsv")}
    run.snakemake()
    return run, times


FAULTS = {
    ("sub-01", "anat"): "sub-01_T1w.nii.gz has 27 voxels that are NaN or infinite",
    ("sub-02", "func"): "sub-02_task-rest_bold.nii.gz cannot be read",
    ("sub-03", "func"): "sub-03_task-rest_bold.nii.gz has 3 dimensions",
    ("sub-04", "dwi"): "sub-04_dwi.bvec",
    ("sub-05", "mrs"): "EchoTime is 30",
    ("sub-06", "func"): "has no JSON sidecar",
}


@pytest.mark.parametrize(("person", "modality"), FAULTS)
def test_each_fault_is_one_sentence_with_its_remedy(broken_run, person, modality):
    state, cause = broken_run.states()[person, modality, "preproc"]
    assert state == "failed"
    assert cause.startswith(person)
    assert FAULTS[person, modality] in cause
    table = broken_run.table("completeness.tsv")
    row = table[(table["participant_id"] == person) & (table["modality"] == modality)].iloc[0]
    assert row["command"].startswith("snakemake --cores all --configfile")


def test_one_bad_modality_never_stops_another(broken_run):
    states = broken_run.states()
    spoilt = set(FAULTS)
    for (person, modality, product), (state, _) in states.items():
        if (person, modality) not in spoilt and not (person == "sub-01" and modality == "mrs"):
            assert state == "present", (person, modality, product)
    assert (broken_run.out / "report.html").exists()


def test_without_a_brain_the_spectrum_still_gives_ratios(broken_run):
    table = broken_run.table("markers.tsv")
    own = table[(table["participant_id"] == "sub-01") & (table["modality"] == "mrs")]
    assert "glu_tcr" in set(own["marker"])
    assert "glu" not in set(own["marker"])
    assert broken_run.states()["sub-01", "mrs", "concentrations"][0] == "missing"


def test_what_was_computed_is_not_computed_again(broken):
    spoilt = set(FAULTS) | {("sub-01", modality) for modality in ("func", "dwi", "mrs")}
    for path, time_ns in broken[1].items():
        person, modality = path.parts[-3], path.parts[-2]
        if (person, modality) not in spoilt:
            assert path.stat().st_mtime_ns == time_ns, path


def test_a_mended_dataset_is_complete_again(broken_run, tiny_cohort):
    shutil.copytree(tiny_cohort, broken_run.bids, dirs_exist_ok=True)
    broken_run.snakemake()
    assert {state for state, _ in broken_run.states().values()} == {"present"}
