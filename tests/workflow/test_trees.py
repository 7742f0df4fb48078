"""A tree of another program joins the same road: what is taken over is measured alike."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from commissure.images.template import TEMPLATE

pytestmark = pytest.mark.slow


def laid_out_as_fmriprep(out: Path, tree: Path, *, version: str = "23.2.1") -> Path:
    """Anatomy and BOLD of a finished run under the names of fMRIPrep."""
    tree.mkdir()
    (tree / "dataset_description.json").write_text(
        json.dumps({"Name": "x", "GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]})
    )
    for source in sorted(out.glob("sub-*/*/sub-*")):
        person, modality = source.parts[-3:-1]
        name = source.name
        if modality not in ("anat", "func") or "_markers" in name or "_qc" in name:
            continue
        # fMRIPrep numbers its resolutions and writes no JSON of ours.
        name = name.replace(f"space-{TEMPLATE}_", f"space-{TEMPLATE}_res-2_")
        target = tree / person / modality / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("desc-preproc_bold.json"):
            said = json.loads(source.read_text())
            target.write_text(json.dumps({"RepetitionTime": said["RepetitionTime"]}))
        else:
            shutil.copy(source, target)
    return tree


@pytest.fixture
def taken_over(study, tiny_run):
    """The tiny cohort, whose anatomy and BOLD come out of a tree."""
    laid_out_as_fmriprep(tiny_run.out, study.folder / "tree")
    study.bids.symlink_to(tiny_run.bids)
    engine = {"engine": "derivatives", "from": "tree"}
    study.configure(modalities=["anat", "func"], anat=engine, func=engine)
    return study


def markers(run) -> pd.DataFrame:
    keys = ["participant_id", "session", "modality", "region", "marker"]
    return run.table("markers.tsv").set_index(keys).sort_index()


def test_what_is_taken_over_is_measured_as_what_was_computed(taken_over, tiny_run):
    taken_over.snakemake()
    again, before = markers(taken_over), markers(tiny_run)
    before = before[before.index.get_level_values("modality").isin(["anat", "func"])]
    assert list(again.index) == list(before.index)
    apart = (again["value"].astype(float) - before["value"].astype(float)).abs()
    scale = before["value"].astype(float).abs().clip(lower=1e-3)
    assert (apart / scale).max() < 1e-6
    assert set(taken_over.states().values()) == {("present", "n/a")}

    series = next((taken_over.out / "sub-01/func").glob("*desc-preproc_bold.json"))
    assert json.loads(series.read_text())["GeneratedBy"][0]["Version"] == "23.2.1"
    done = taken_over.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr

    # One person's table is made again: that person alone is taken over again.
    confounds = next((taken_over.folder / "tree/sub-02/func").glob("*confounds_timeseries.tsv"))
    kept = list(taken_over.out.glob("work/**/func_preprocess/*.json"))
    assert len(kept) == 6
    records = {path: path.stat().st_mtime_ns for path in kept}
    os.utime(confounds)
    taken_over.snakemake("--until", "func_adopt")
    renewed = [p for p, time in records.items() if p.stat().st_mtime_ns != time]
    assert [path.name for path in renewed] == ["sub-02_task-rest_bold.json"]


def test_half_a_tree_costs_the_people_concerned_and_nobody_else(taken_over):
    tree = taken_over.folder / "tree"
    next((tree / "sub-01/func").glob("*confounds_timeseries.tsv")).unlink()
    shutil.rmtree(tree / "sub-02")
    for path in (tree / "sub-03/func").glob("*"):
        if f"space-{TEMPLATE}" in path.name:
            path.rename(path.with_name(path.name.replace(TEMPLATE, "MNIPediatricAsym_cohort-2")))
    confounds = next((tree / "sub-04/func").glob("*confounds_timeseries.tsv"))
    confounds.write_text("".join(confounds.read_text().splitlines(keepends=True)[:-1]))
    for name in ("*probseg.nii.gz", "*dseg.nii.gz"):
        next((tree / "sub-05/anat").glob(name)).unlink()
    shutil.copytree(tree / "sub-06", tree / "sub-99")
    told = taken_over.snakemake()
    assert "sub-99 of func.from have no image in the dataset" in told.stderr
    states = taken_over.states()
    for who, modality, words in (
        ("sub-01", "func", "half a tree: it has no confounds, only a mask, a series"),
        ("sub-02", "func", "the tree of fMRIPrep has nobody of this name"),
        ("sub-02", "anat", "the tree of fMRIPrep has nobody of this name"),
        ("sub-03", "func", "in the spaces MNIPediatricAsym+2 only"),
        ("sub-04", "func", "rows for"),
        ("sub-05", "anat", "half a tree: it has no"),
    ):
        state, cause = states[who, modality, "preproc"]
        assert (state, words in cause) == ("failed", True), (who, modality, cause)
    assert states["sub-06", "func", "connectivity"][0] == "present"
    assert "sub-99" not in set(taken_over.table("markers.tsv")["participant_id"])


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"engine": "derivatives"}, "no folder is named"),
        ({"from": "tree"}, "a folder of derivatives is named"),
        ({"engine": "derivatives", "from": "nowhere"}, "there is no folder nowhere"),
        ({"engine": "derivatives", "from": "bids"}, "names"),
    ],
)
def test_a_tree_that_is_none_stops_the_run_in_words(study, section, words):
    study.bids.mkdir()
    (study.bids / "sub-01/func").mkdir(parents=True)
    (study.bids / "sub-01/func/sub-01_task-rest_bold.nii.gz").write_text("x")
    (study.bids / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.9.0"}')
    (study.folder / "tree").mkdir()
    study.configure(func=section)
    told = study.snakemake("-n", check=False)
    assert told.returncode and words in told.stderr and "Traceback" not in told.stderr
