"""Visits of one person in one template, by the real workflow: failures, later visits, a mirror."""

from __future__ import annotations

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from tests.workflow.conftest import Run, simulate_tiny

pytestmark = pytest.mark.slow


def record(run: Run, session: str) -> dict:
    name = f"sub-01_ses-{session}_desc-preproc_T1w.json"
    return json.loads((run.out / f"sub-01/ses-{session}/anat/{name}").read_text())


def volumes(run: Run, person: str = "sub-01"):
    table = run.table("markers.tsv")
    rows = table[(table["participant_id"] == person) & (table["marker"] == "volume")]
    return rows.pivot(index="region", columns="session", values="value").astype(float)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory, repository) -> Run:
    """Two people with two visits; the second visit of the other one cannot be read."""
    folder = tmp_path_factory.mktemp("repeats")
    run = Run(folder, repository)
    simulate_tiny(
        run.bids, controls=2, responsive=0, resistant=0, missing=0.0, sites=1,
        visits=2, years_between=0.0, change={"LateralVentricle_L": 0.3},
    )  # fmt: skip
    spoilt = run.bids / "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz"
    spoilt.write_bytes(spoilt.read_bytes()[:5000])
    run.configure(modalities=["anat"], anat={"longitudinal": True})
    run.snakemake("--until", "markers")
    return run


def test_both_visits_are_segmented_in_their_template_and_say_so(repeated):
    for session in "12":
        said = record(repeated, session)
        assert said["WithinPersonTemplate"]["Visits"] == [
            f"bids:raw:sub-01/ses-{k}/anat/sub-01_ses-{k}_T1w.nii.gz" for k in "12"
        ]
        assert said["SameHead"]["Same"] is True
        assert "Segmented in one template of 2 visits (ses-1, ses-2)." in said["Notes"]
    table = volumes(repeated)
    assert list(table.columns) == ["ses-1", "ses-2"]
    assert not table.isna().any(axis=None)


def test_a_planted_change_is_measured_and_nothing_else_changes(repeated):
    table = volumes(repeated)
    change = table["ses-2"] / table["ses-1"] - 1
    assert 0.2 < change["LateralVentricle_L"] < 0.4
    assert abs(change["TIV"]) < 0.005
    assert abs(change[["Hippocampus_L", "Hippocampus_R"]]).max() < 0.04


def test_a_failed_visit_does_not_stop_the_other_one(repeated):
    states = repeated.table("completeness.tsv").set_index(["participant_id", "session", "product"])
    assert states.loc[("sub-02", "ses-2", "preproc"), "state"] == "failed"
    assert states.loc[("sub-02", "ses-1", "preproc"), "state"] == "present"
    path = repeated.out / "sub-02/ses-1/anat/sub-02_ses-1_desc-preproc_T1w.json"
    said = json.loads(path.read_text())
    assert "WithinPersonTemplate" not in said
    assert any("No other visit can be laid onto this one" in note for note in said["Notes"])


def test_nothing_is_left_to_do(repeated):
    done = repeated.snakemake("-n", "--until", "markers")
    said = done.stdout + done.stderr
    # Steps behind the markers were never asked for: then the plan counts no job instead.
    assert "Nothing to be done" in said or re.search(r"^total +0$", said, re.MULTILINE)


def test_a_later_visit_gives_another_template_and_a_mirror_is_flagged(repeated):
    others = {
        path: path.stat().st_mtime_ns
        for path in (repeated.out / "sub-02/ses-1").rglob("*")
        if path.is_file()
    }
    first = repeated.bids / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
    for session in "34":
        folder = repeated.bids / f"sub-01/ses-{session}/anat"
        folder.mkdir(parents=True)
        name = f"sub-01_ses-{session}_T1w"
        image = nib.load(first)
        data = np.asanyarray(image.dataobj)
        noise = np.random.default_rng(int(session)).normal(0, 15, data.shape)
        data = np.clip(data + noise, 0, None).astype(np.int16)
        data = data[::-1] if session == "4" else data
        nib.save(nib.Nifti1Image(data, image.affine), folder / f"{name}.nii.gz")
        shutil.copy(first.with_name("sub-01_ses-1_T1w.json"), folder / f"{name}.json")
    repeated.snakemake("--until", "markers")
    for session in "123":
        assert len(record(repeated, session)["WithinPersonTemplate"]["Visits"]) == 3
    said = record(repeated, "4")
    assert "WithinPersonTemplate" not in said
    assert any("are mirror images of each other" in note for note in said["Notes"])
    table = repeated.table("markers.tsv").set_index(["participant_id", "session", "region"])
    assert set(table.loc[("sub-01", "ses-4"), "quality"]) == {"flag"}
    quality = json.loads((repeated.out / "sub-01/ses-1/anat/sub-01_ses-1_qc.json").read_text())
    assert "same_head" not in quality["flags"]
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in others.items())
