"""A stored model on new people, from their tables to the printed result."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.transport.apply import apply_model, summary


def test_people_like_those_of_training_are_scored_and_nothing_drifts(applied, make_study) -> None:
    report, scores, drift = applied(make_study("new", seed=8).folder)
    assert len(scores) == 44
    assert (scores["status"] == "scored").mean() > 0.9
    assert report["n_drifted"] <= 1 and len(drift) == 14
    assert report["performance"] is None


@pytest.mark.parametrize(
    ("name", "change", "options", "words"),
    [
        ("participants.tsv", lambda t: t.assign(tr=np.where(t.index % 2, "Resistant", "responsive")),
         {"label_column": "tr"}, "'Resistant' occurs \\(22 people\\); 'resistant'"),
        ("participants.tsv", lambda t: t.assign(tr=np.nan), {"label_column": "tr"},
         "neither 'resistant' nor 'responsive' occurs in tr; .* not \\['n/a'\\]"),
        ("participants.tsv", lambda t: t.assign(participant_id=t["participant_id"].str[4:]), {},
         "nobody in it is in the participants table"),
        ("participants.tsv", lambda t: t, {"site_column": "centre"}, "no column 'centre'"),
        ("markers.tsv", lambda t: t.assign(unit=t["unit"].where(t.index > 9, "mM")), {},
         "its units are"),
        ("exclusions.tsv", lambda t: t[["rule"]], {}, "'participant_id', 'session', 'modality'"),
    ],
)  # fmt: skip
def test_tables_that_contradict_themselves_are_refused(
    applied, edited, make_study, name, change, options, words
) -> None:
    study = edited(make_study("new", seed=8), change, name)
    with pytest.raises((ConfigError, DatasetError), match=words):
        applied(study.folder, **options)


def test_infinite_values_and_missing_sites_are_told(applied, edited, make_study) -> None:
    study = edited(make_study("new", seed=8), lambda t: t.assign(
        value=t["value"].where(t.index > 5, np.inf)), "markers.tsv")  # fmt: skip
    edited(study, lambda t: t.assign(site=t["site"].where(t.index > 2)), "participants.tsv")
    report, _, _ = applied(study.folder)
    assert (
        "6 marker values are infinite or beyond 1e+30 and count as missing." in (report["cautions"])
    )
    assert "3 people have no site: the model does not use the site." in report["cautions"]


def test_few_labels_make_no_claim(applied, edited, make_study) -> None:
    people = ["sub-002", "sub-003", "sub-005"]
    study = edited(make_study("new", seed=8), lambda t: t[
        t["participant_id"].isin(people)], "markers.tsv")  # fmt: skip
    edited(study, lambda t: t.assign(
        tr=np.where(t.index % 2, "resistant", "responsive"), site=["x", "y"] * 22), "participants.tsv")  # fmt: skip
    report, _, _ = applied(study.folder, label_column="tr")
    performance = report["performance"]
    # Labels and sites alternate: nobody has somebody of the other label at their site.
    assert performance["auc_within_site"]["n"] == 0 and np.isnan(
        performance["auc_within_site"]["value"]
    )
    assert performance["auc_pooled"]["n"] == performance["n"] == 3
    assert "AUC within site unknown (nobody has somebody" in " ".join(summary(report))
    assert "The labels of 3 people (1 resistant) are too few for a claim" in " ".join(
        report["cautions"]
    )


def test_the_command_prints_what_it_found(stored, make_study, tmp_path) -> None:
    study = make_study("new", seed=8)
    out = tmp_path / "applied"
    result = CliRunner().invoke(app, ["apply", str(stored), str(study.folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "people are scored by the late model" in result.output
    assert "markers have drifted" in result.output
    shutil.rmtree(out)
    result = CliRunner().invoke(app, ["apply", str(tmp_path), str(study.folder)])
    assert result.exit_code == 1 and "there is no stored model" in result.output


def test_what_is_no_marker_table_or_has_no_labels_is_refused(
    applied, stored, make_study, tmp_path
) -> None:
    with pytest.raises(ConfigError, match="no column 'diagnosis'"):
        applied(make_study("third").folder, label_column="diagnosis")
    raw = tmp_path / "raw"
    (raw / "sub-01").mkdir(parents=True)
    with pytest.raises(DatasetError, match="snakemake --cores all --config bids_dir="):
        apply_model(stored, raw, out=tmp_path)
