"""The real workflow on a tiny cohort: to the end, again with nothing to do, and with bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from commissure.outputs import CARD, MODEL, OUTPUTS

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
    for room in ("anat", "func", "dwi", "mrs"):
        for person in PEOPLE:
            folder = tiny_run.out / person / room
            assert len(list(folder.glob("*_qc.json"))) == 1
            assert len(list((folder / "figures").glob("*.svg"))) >= 1


def test_the_contract_of_names_holds(tiny_run):
    space = "space-MNI152NLin2009aSym"
    for name in (
        "anat/sub-01_desc-preproc_T1w.nii.gz",
        "anat/sub-01_desc-brain_mask.nii.gz",
        "anat/sub-01_dseg.nii.gz",
        "anat/sub-01_label-GM_probseg.nii.gz",
        "anat/sub-01_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.h5",
        "anat/sub-01_from-MNI152NLin2009aSym_to-T1w_mode-image_xfm.h5",
        f"func/sub-01_task-rest_{space}_desc-preproc_bold.nii.gz",
        f"func/sub-01_task-rest_{space}_desc-brain_mask.nii.gz",
        f"func/sub-01_task-rest_{space}_boldref.nii.gz",
        "func/sub-01_task-rest_desc-confounds_timeseries.tsv",
        "func/sub-01_task-rest_desc-confounds_timeseries.json",
        "dwi/sub-01_space-T1w_desc-preproc_dwi.nii.gz",
        "dwi/sub-01_space-T1w_desc-preproc_dwi.bval",
        "dwi/sub-01_space-T1w_desc-preproc_dwi.bvec",
        "dwi/sub-01_space-T1w_desc-brain_mask.nii.gz",
        "mrs/sub-01_voi-ACC_desc-preproc_svs.nii.gz",
        "mrs/sub-01_voi-ACC_desc-preproc_mrsref.nii.gz",
        "mrs/sub-01_voi-ACC_fit.tsv",
        "mrs/sub-01_voi-ACC_tissue.json",
    ):
        assert (tiny_run.out / "sub-01" / name).exists(), name


def test_six_people_are_not_classified_and_the_report_says_so(tiny_run):
    metrics = json.loads((tiny_run.out / "fusion/metrics.json").read_text())
    assert metrics["status"] == "not_fitted"
    assert "2 resistant and 2 responsive" in metrics["reason"]
    page = (tiny_run.out / "report.html").read_text()
    assert metrics["reason"].split(".")[0] in page


def test_a_run_leaves_the_declared_files_with_the_declared_columns(tiny_run):
    absent = {path for path in OUTPUTS if "*" not in path and not (tiny_run.out / path).exists()}
    assert absent <= {MODEL.path, CARD.path}
    for output in OUTPUTS.values():
        if output.columns and "*" not in output.path:
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


@pytest.mark.parametrize(("person", "room"), FAULTS)
def test_each_fault_is_one_sentence_with_its_remedy(broken_run, person, room):
    state, cause = broken_run.states()[person, room, "preproc"]
    assert state == "failed"
    assert cause.startswith(person)
    assert FAULTS[person, room] in cause
    table = broken_run.table("completeness.tsv")
    row = table[(table["participant_id"] == person) & (table["modality"] == room)].iloc[0]
    assert row["command"].startswith("snakemake --cores all --configfile")


def test_one_bad_modality_never_stops_another(broken_run):
    states = broken_run.states()
    spoilt = set(FAULTS)
    for (person, room, product), (state, _) in states.items():
        if (person, room) not in spoilt and not (person == "sub-01" and room == "mrs"):
            assert state == "present", (person, room, product)
    assert (broken_run.out / "report.html").exists()


def test_without_a_brain_the_spectrum_still_gives_ratios(broken_run):
    table = broken_run.table("markers.tsv")
    own = table[(table["participant_id"] == "sub-01") & (table["modality"] == "mrs")]
    assert "glu_tcr" in set(own["marker"])
    assert "glu" not in set(own["marker"])
    assert broken_run.states()["sub-01", "mrs", "concentrations"][0] == "missing"


def test_what_was_computed_is_not_computed_again(broken):
    spoilt = set(FAULTS) | {("sub-01", room) for room in ("func", "dwi", "mrs")}
    for path, time_ns in broken[1].items():
        person, room = path.parts[-3], path.parts[-2]
        if (person, room) not in spoilt:
            assert path.stat().st_mtime_ns == time_ns, path


def test_a_mended_dataset_is_complete_again(broken_run, tiny_cohort):
    shutil.copytree(tiny_cohort, broken_run.bids, dirs_exist_ok=True)
    broken_run.snakemake()
    assert {state for state, _ in broken_run.states().values()} == {"present"}
