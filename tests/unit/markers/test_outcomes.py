from __future__ import annotations

import json

import pandas as pd

from commissure.markers.outcomes import dwi_quality, outcomes
from commissure.markers.status import Status, write_statuses
from commissure.outputs import DWI_QUALITY


def done(tmp_path, **records):
    """Outcomes of diffusion series with these quality records, and of a BOLD series."""
    rows = []
    for person, record in records.items():
        path = tmp_path / f"{person}_qc.json"
        path.write_text(json.dumps(record))
        rows.append(
            {"participant_id": f"sub-{person}", "session": "", "modality": "dwi", "step": "measure",
             "scan": f"sub-{person}/dwi/sub-{person}_dwi.nii.gz", "state": "present",
             "qc": str(path)}
        )  # fmt: skip
    rows.append({**rows[0], "modality": "func"})
    rows.append({**rows[0], "participant_id": "sub-x", "state": "failed", "qc": ""})
    return pd.DataFrame(rows)


def record(**values):
    checks = [{"name": name, "value": value} for name, value in values.items()]
    return {"checks": checks, "flags": [], "volumes": 40, "runs": 2, "b_values": [0, 1000, 2000]}


def test_every_series_is_a_row_with_its_lowest_and_highest_shell(tmp_path):
    first = record(directions=30, cnr_b1000=1.5, cnr_b2000=1.1, cnr_b500=0.4, other=3)
    second = {**record(directions=6), "flags": ["directions"], "susceptibility": "a.nii.gz"}
    table = dwi_quality(done(tmp_path, b=first, a=second))
    assert list(table.columns) == DWI_QUALITY.names
    assert list(table["participant_id"]) == ["sub-a", "sub-b"]
    assert table.loc[1, ["cnr_lowest_shell", "cnr_highest_shell"]].tolist() == [0.4, 1.1]
    assert table.loc[1, "b_values"] == "0 1000 2000"
    assert table.loc[0, "flags"] == "directions"
    assert table.loc[0, "susceptibility"] == "a.nii.gz"
    assert pd.isna(table.loc[0, "cnr_lowest_shell"]) and pd.isna(table.loc[1, "flags"])


def test_a_study_without_diffusion_has_a_table_without_rows(tmp_path):
    table = dwi_quality(done(tmp_path, a=record()).query("modality == 'func'"))
    assert list(table.columns) == DWI_QUALITY.names
    assert table.empty


def test_results_of_a_marked_image_are_named_as_those_of_a_drawn_mask(tmp_path):
    image = "sub-01/ses-1/ct/sub-01_ses-1_ce-iodine_ct.nii.gz"
    mask = "sub-01/ses-1/ct/sub-01_ses-1_ce-iodine_label-lesion_dseg.nii.gz"
    bold = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz"
    rows = [
        Status("sub-01", "ses-1", modality, scan, "measure", "present", "", 1, 1)
        for modality, scan in (("lesion", image), ("lesion", mask), ("func", bold))
    ]
    write_statuses(rows, tmp_path / "batch-0001.tsv")
    table = outcomes([tmp_path / "batch-0001.tsv"], tmp_path)
    found = [path.rsplit("/", 1)[-1] for path in table["markers"]]
    lesion = "sub-01_ses-1_ce-iodine_label-lesion_markers.tsv"
    assert found == [lesion, lesion, "sub-01_ses-1_task-rest_markers.tsv"]
