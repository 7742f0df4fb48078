"""What is wrong with the study as a whole stops at the start, in one readable sentence."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def refused(study, *arguments):
    done = study.snakemake(*arguments, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return said


def person(study, name="sub-01"):
    folder = study.bids / name / "anat"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}_T1w.nii.gz").write_text("x")


def test_no_dataset_says_where_to_get_one(study):
    said = refused(study)
    assert "bids_dir bids: there is no such folder; a BIDS dataset is expected." in said
    assert "make demo" in said


def test_an_unknown_key_gets_a_suggestion(study):
    study.configure(func={"fd_treshold_mm": 0.5})
    assert "func.fd_treshold_mm is unknown (did you mean func.fd_threshold_mm?)" in refused(study)


def test_an_empty_dataset(study):
    study.bids.mkdir()
    (study.bids / "dataset_description.json").write_text("{}")
    assert "none of its 1 files is a T1w, BOLD, diffusion or spectroscopy image" in refused(study)


def test_a_column_that_is_not_there(study):
    person(study)
    (study.bids / "participants.tsv").write_text("participant_id\tcentre\nsub-01\tA\n")
    study.configure(participants={"site": "site"})
    assert "participants.tsv has no column 'site'; one of ['participant_id', 'centre']" in refused(
        study
    )


def test_duplicate_participants(study):
    person(study)
    (study.bids / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-01\t31\n")
    assert "participants.tsv: sub-01 has more than one row" in refused(study)
