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


def test_the_raw_data_are_never_the_output(study):
    person(study)
    (study.bids / "participants.tsv").write_text("participant_id\nsub-01\n")
    before = {path: path.read_bytes() for path in study.bids.rglob("*") if path.is_file()}
    for folder in ("bids", "bids/results", "."):
        study.configure(output_dir=folder)
        assert "commissure: output_dir: " in refused(study)
    assert before == {path: path.read_bytes() for path in study.bids.rglob("*") if path.is_file()}


def test_a_closed_output_and_braces(study):
    person(study)
    study.configure(output_dir="/proc/out")
    assert "commissure: output_dir: /proc/out cannot be written" in refused(study)
    study.configure(output_dir="out/{x}")
    assert "commissure: output_dir: out/{x} holds braces" in refused(study)


def test_a_default_configuration_is_read_strictly_before_snakemake_reads_it(study):
    person(study)
    for content, words in (
        ("title: J\xfcrgen\n".encode("latin-1"), "line 1 is no UTF-8"),
        (b"bids_dir: bids\nbids_dir: other\n", "'bids_dir' is there twice"),
        (b"a: &a {b: 1}\nc: &c {d: *a, d: *a}\n", "'d' is there twice"),
    ):
        (study.folder / "config.yaml").write_bytes(content)
        assert f"commissure: config.yaml: {words}" in refused(study)


def test_a_key_that_stands_twice_in_a_named_configuration(study):
    person(study)
    (study.folder / "study.yaml").write_text("bids_dir: bids\noutput_dir: a\noutput_dir: b\n")
    assert "study.yaml: 'output_dir' is there twice (lines 2 and 3)" in refused(study)


def test_what_is_passed_over_is_told_and_the_others_are_planned(study):
    person(study)
    person(study, "sub-AB_01")
    (study.bids / "sub-02").symlink_to("gone")
    done = study.snakemake("-n", "--quiet")
    said = done.stdout + done.stderr
    assert "1 is passed over, because the name does not follow BIDS: sub-AB_01/anat" in said
    assert "1 is passed over, because the folder cannot be looked into: sub-02/" in said
