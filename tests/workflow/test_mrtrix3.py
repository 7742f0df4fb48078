"""Diffusion by MRtrix3 joins the same road, and a machine without it is told so at once."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from commissure.engines.mrtrix3.programs import PROGRAMS
from commissure.markers.status import read_statuses

pytestmark = pytest.mark.slow


@pytest.fixture
def with_mrtrix3(study, tiny_cohort):
    for who in ("sub-01", "sub-02"):
        shutil.copytree(tiny_cohort / who / "dwi", study.bids / who / "dwi")
    shutil.copy(tiny_cohort / "dataset_description.json", study.bids)
    study.configure(modalities=["dwi"], dwi={"engine": "mrtrix3"}, batch_size=2)
    return study


def test_without_its_programs_nothing_is_started(with_mrtrix3, monkeypatch, tmp_path):
    # A path that has everything but MRtrix3.
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name not in PROGRAMS:
            (folder / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{folder}")
    told = with_mrtrix3.snakemake(check=False)
    assert told.returncode and "dwi.engine: mrtrix3 is to run, and dwidenoise" in told.stderr
    assert "Traceback" not in told.stderr
    assert "rule dwi_mrtrix3:" in with_mrtrix3.snakemake("-n").stdout


@pytest.mark.usefixtures("mrtrix3")
def test_what_it_leaves_is_measured(with_mrtrix3):
    gone = next((with_mrtrix3.bids / "sub-02/dwi").glob("*.bvec"))
    gone.unlink()
    with_mrtrix3.snakemake("--until", "dwi_measure")
    folder = with_mrtrix3.out / "sub-01/dwi"
    told = json.loads(next(folder.glob("*_desc-preproc_dwi.json")).read_text())
    assert told["GeneratedBy"][0]["Name"] == "MRtrix3"
    rows = next(folder.glob("*_markers.tsv")).read_text()
    assert rows.count("\tfa\t") > 20
    # What failed for one person did so for that person alone.
    (table,) = (with_mrtrix3.out / "work/status/dwi_preprocess").glob("*.tsv")
    rows = {row.participant_id: row for row in read_statuses(table)}
    assert rows["sub-01"].state == "present"
    assert rows["sub-02"].state == "failed" and "bvec" in rows["sub-02"].cause
