"""The same workflow on real images and on a real two-site cohort."""

from __future__ import annotations

import json

import pytest
from tests.workflow.conftest import Run

pytestmark = [pytest.mark.slow, pytest.mark.real]

# Coarse enough for a test; the road is the same.
COARSE = {
    "anat": {"registration_resolution_mm": 3},
    "func": {"tasks": ["rest", "oneback"], "resolution_mm": 4},
    "dwi": {"denoise": "none"},
}


@pytest.fixture(scope="module")
def real_run(repository, shared_data, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("real"), repository)
    run.configure(bids_dir=str(shared_data / "bids"), **COARSE)
    run.snakemake()
    return run


def test_every_modality_that_is_there_gives_markers(real_run):
    table = real_run.table("markers.tsv")
    found = set(zip(table["participant_id"], table["modality"], strict=True))
    assert found >= {
        ("sub-sf02", "anat"), ("sub-sf02", "func"), ("sub-bn01", "dwi"), ("sub-pu01", "anat"),
        ("sub-pu01", "func"), ("sub-op01", "anat"), ("sub-op01", "mrs"),
    }  # fmt: skip


def test_volumes_and_anisotropy_are_human(real_run):
    table = real_run.table("markers.tsv").set_index(["participant_id", "marker", "region"])["value"]
    for person in ("sub-sf02", "sub-pu01", "sub-op01"):
        assert 1.0e6 < table[person, "volume", "TIV"] < 2.1e6
        for side in "LR":
            assert 2000 < table[person, "volume", f"Hippocampus_{side}"] < 6000
    assert 0.5 < table["sub-bn01", "fa", "SCC"] < 0.9
    assert table["sub-bn01", "fa", "SCC"] > table["sub-bn01", "fa", "ACR_L"] > 0.35
    assert table["sub-bn01", "md", "ACR_L"] < 1.1e-3
    assert (
        0.8
        < table[
            "sub-op01", "glu_tcr", "PCC" if ("sub-op01", "glu_tcr", "PCC") in table.index else "ACC"
        ]
        < 1.8
    )


def test_what_cannot_be_computed_is_named_with_its_cause(real_run):
    state, cause = real_run.states()["sub-pu01", "func", "connectivity"]
    assert state == "missing"
    assert "no degree of freedom is left: 20 retained volumes" in cause
    states = real_run.states()
    assert states["sub-bn01", "anat", "image"] == (
        "missing",
        "the dataset has no image of this modality",
    )
    assert {state for state, _ in states.values()} == {"present", "missing"}


def test_four_unlabelled_people_are_not_classified(real_run):
    metrics = json.loads((real_run.out / "fusion/metrics.json").read_text())
    assert metrics["status"] == "not_fitted"
    assert metrics["reason"].count(".") <= 2
    assert (real_run.out / "report.html").exists()


def test_fusion_on_the_two_sites_of_mcic(study, shared_data):
    file = str(shared_data / "tables/mcic-vbm-aal/gm_density_aal116.csv")
    study.configure(
        bids_dir=None,
        participants={"file": file, "id": "id"},
        tables=[
            {"file": file, "participant": "id", "columns": ["gm_*"], "prefix": "gm_",
             "modality": "anat", "marker": "gm_density"},
        ],
        fusion={
            "label": {"source": "column", "column": "is_control", "positive": "False", "negative": "True"},
            "permutations": 100,
        },
    )  # fmt: skip
    study.snakemake()
    metrics = json.loads((study.out / "fusion/metrics.json").read_text())
    assert metrics["status"] == "fitted"
    assert metrics["question"]["n"] == 162
    assert metrics["question"]["n_positive"] == 90
    anat = metrics["models"]["anat"]
    # A plain ridge model reaches 0.743 pooled; a classifier of site 0.93, so that little of the
    # pooled number need be disease.
    assert 0.64 < anat["auc_pooled"]["value"] < 0.82
    within = anat["auc_within_site"]
    assert within["ci_low"] < within["value"] < within["ci_high"]
    assert anat["auc_leave_site_out"]["value"] is not None
