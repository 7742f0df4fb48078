"""A study whose numbers come of other tools, from their folders to the report."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from tests.tool_trees import freesurfer_subject, lcmodel_table

pytestmark = pytest.mark.slow


@pytest.fixture
def tools(study):
    """Forty people with FreeSurfer and LCModel results; the patients' hippocampus is smaller."""
    rng = np.random.default_rng(0)
    lines = ["participant_id\tage\tsex\tsite\tgroup"]
    for number in range(40):
        who, ill = f"sub-{number:02d}", number % 2
        freesurfer_subject(
            study.folder / "fs" / who, etiv=1.5e6 + 1e5 * rng.normal(),
            hippocampus=round(4300 - 600 * ill + 200 * rng.normal(), 1),
            thickness=round(2.7 + 0.1 * rng.normal(), 3), done=number != 7,
        )  # fmt: skip
        glu = f" {8 + rng.normal():.3f}"
        lcmodel_table(study.folder / "lc" / f"{who}_voi-ACC.table", glu=glu)
        age, sex = 20 + number, "FM"[number // 2 % 2]
        lines.append(
            f"{who}\t{age}\t{sex}\tsite-{number % 4 // 2}\t{'resistant' if ill else 'responsive'}"
        )
    (study.folder / "mriqc").mkdir()
    metrics = ["bids_name\tcjv\tcnr"]
    for number in range(40):
        cjv, cnr = 0.4 + 0.01 * rng.normal(), 3 + 0.1 * rng.normal()
        values = "0.9\t0.5" if number == 11 else f"{cjv}\t{cnr}"
        metrics.append(f"sub-{number:02d}_T1w\t{values}")
    (study.folder / "mriqc/group_T1w.tsv").write_text("\n".join(metrics) + "\n")
    (study.folder / "people.tsv").write_text("\n".join(lines) + "\n")
    study.configure(
        bids_dir=None,
        participants={"file": "people.tsv"},
        ingress=[
            {"tool": "freesurfer", "folder": "fs"},
            {"tool": "lcmodel", "folder": "lc"},
            {"tool": "mriqc", "folder": "mriqc"},
        ],
        markers={"mriqc_outliers": 2},
        fusion={
            "label": {
                "source": "column",
                "column": "group",
                "positive": "resistant",
                "negative": "responsive",
            },
            "permutations": 50,
        },
    )
    return study


def test_the_numbers_of_other_tools_reach_the_report(tools):
    tools.snakemake()
    markers = tools.table("markers.tsv")
    assert set(markers["participant_id"][markers["marker"] == "fs_volume"]) == {
        f"sub-{n:02d}" for n in range(40) if n != 7
    }
    assert tools.states()["sub-07", "anat", "FreeSurfer: recon-all"][0] == "failed"
    # MRIQC found one image bad: a check that failed, a flag, and an exclusion as that of any rule.
    checks = tools.table("tool_quality.tsv").query("participant_id == 'sub-11'")
    assert checks["passed"].tolist() == [False, False]
    flagged = markers.query("participant_id == 'sub-11' and modality == 'anat'")
    assert set(flagged["quality"]) == {"flag"}
    left_out = tools.table("exclusions.tsv")
    assert ["sub-11", "anat", "mriqc_outliers"] in left_out[
        ["participant_id", "modality", "rule"]
    ].to_numpy().tolist()
    defined = json.loads((tools.out / "markers.json").read_text())
    assert defined["lcmodel_glu_tcr"]["unit"] == "1"
    metrics = json.loads((tools.out / "fusion/metrics.json").read_text())
    assert metrics["models"]["late"]["auc_within_site"]["value"] > 0.7
    report = (tools.out / "report.html").read_text()
    assert "fs_volume" in report and "MRIQC CJV" in report

    again = tools.snakemake()
    assert "Nothing to be done" in again.stdout + again.stderr
    # The person is finished now: that folder is read again, the other is not.
    (tools.folder / "fs/sub-07/scripts/recon-all.done").touch()
    before = (tools.out / "work/ingress/1_markers.tsv").stat().st_mtime_ns
    tools.snakemake("--until", "markers")
    assert "sub-07" in set(
        tools.table("markers.tsv").query("marker == 'fs_volume'")["participant_id"]
    )
    assert (tools.out / "work/ingress/1_markers.tsv").stat().st_mtime_ns == before


def test_a_folder_that_is_none_of_the_tool_stops_the_run_in_words(tools):
    os.rename(tools.folder / "lc", tools.folder / "elsewhere")
    told = tools.snakemake(check=False)
    assert told.returncode and "ingress[1].folder: there is no file or folder lc" in told.stderr
    (tools.folder / "lc").mkdir()
    told = tools.snakemake(check=False)
    assert told.returncode and "it has no table of LCModel" in told.stderr
    assert "Traceback" not in told.stderr
