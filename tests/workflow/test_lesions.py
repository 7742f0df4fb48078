"""Lesions over time, from simulated masks to the tables of a study."""

from __future__ import annotations

import json

import pytest

from commissure.files import read_table
from commissure.phantom.lesions.dataset import write_follow_ups

pytestmark = pytest.mark.slow


def test_masks_of_two_visits_end_in_markers_and_a_response(study):
    write_follow_ups(study.bids, patients=1, visits=2, lesions=3, seed=3, voxel_mm=(2.5, 2.5, 2.5))
    study.configure(modalities=["lesion"])
    study.snakemake()
    markers = study.table("markers.tsv")
    assert set(markers["modality"]) == {"lesion"} and set(markers["session"]) == {"ses-1", "ses-2"}
    truth = read_table(study.bids / "sourcedata/truth/lesions.tsv", text=("session",))
    first = truth[truth["session"] == "ses-1"]
    found = markers[markers["session"] == "ses-1"].set_index("marker")["value"].astype(float)
    assert found["lesion_count"] == len(first)
    assert found["lesion_volume"] == pytest.approx(first["volume_ml"].sum(), rel=0.05)
    targets = first["longest_mm"].nlargest(2).sum()
    assert found["target_sum"] == pytest.approx(targets, abs=2 * 2.5)
    response = study.table("response.tsv")
    due = read_table(study.bids / "sourcedata/truth/responses.tsv", text=("response",))
    assert list(response["response"]) == list(due["response"])
    assert response["reason"][0].startswith(f"{due['response'][0]}: ")
    lesions = study.table("lesions.tsv")
    assert list(lesions["role"][:3]).count("target") == 2
    assert set(lesions["organ"]) == {"liver"}
    assert list(study.table("best_response.tsv")["participant_id"]) == ["sub-01"]
    person = study.table("participants.tsv").iloc[0]
    assert (float(person["days_to_progression"]), float(person["progressed"])) == (56.0, 0.0)
    assert all(state == "present" for state, _ in study.states().values())
    page = (study.out / "report.html").read_text()
    assert "lesions over time" in page.lower()
    assert (study.out / "methods.md").read_text().count("RECIST 1.1") == 1
    figures = sorted(path.name for path in study.out.glob("sub-01/ses-*/lesion/figures/*.svg"))
    assert figures == ["sub-01_ses-2_ce-iodine_label-lesion_desc-timeline_dseg.svg"]
    # A table of the dataset that says something else of a visit makes its steps run again.
    written = study.bids / "phenotype/lesion.tsv"
    written.parent.mkdir()
    written.write_text("participant_id\tsession\tday\nsub-01\tses-1\t0\nsub-01\tses-2\t20\n")
    study.snakemake("--rerun-incomplete", "out/response.tsv")
    assert list(study.table("response.tsv")["day"].astype(float)) == [20.0]
    metrics = json.loads((study.out / "fusion/metrics.json").read_text())
    assert metrics["status"] != "fitted"
