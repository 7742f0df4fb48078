import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import skops.io
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.models.estimators import LateFusion
from commissure.study.design import Block
from commissure.transport import stored_model
from commissure.transport.apply import apply_model, summary


@pytest.fixture(scope="module")
def stored(stored_study):
    return stored_study.results / "model"


def applied(stored, study, tmp_path, **options):
    report = apply_model(stored, study.folder, out=tmp_path / "out", **options)
    scores = pd.read_csv(tmp_path / "out/scores.tsv", sep="\t", na_values="n/a")
    drift = pd.read_csv(tmp_path / "out/drift.tsv", sep="\t", na_values="n/a")
    return report, scores, drift


def changed(study, change):
    path = study.folder / "markers.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    change(table).to_csv(path, sep="\t", index=False)
    return study


def test_a_stored_model_says_what_it_said_before(plain_design, tmp_path) -> None:
    rng = np.random.default_rng(0)
    site = np.arange(60) % 2
    X = np.column_stack([rng.normal(size=(60, 7)), np.eye(2)[site]])
    X[::7, 4:7] = np.nan
    blocks = (Block("a", (0, 1, 2, 3), sites=(7, 8)), Block("b", (4, 5, 6)))
    model = LateFusion(blocks, inner_folds=3).fit(X, rng.integers(0, 2, 60))
    (tmp_path / "model.skops").write_bytes(
        stored_model._without_addresses(
            skops.io.dumps(
                {
                    "model": model,
                    "columns": [],
                    "units": {},
                    "domain": {},
                    "digests": [],
                    "about": {},
                }
            )
        )
    )
    again = stored_model.load(tmp_path).model
    assert (again.logits(X) == model.logits(X)).all()


@pytest.mark.slow
def test_two_stored_models_are_the_same_bytes_and_hold_nobody(make_study) -> None:
    first, second = make_study("first"), make_study("second")
    few = {"repeats": 1, "permutations": 0, "models": ["late", "modalities"], "combat": "in_fold"}
    first.run(**few)
    second.run(**few)
    stored = (first.results / "model/model.skops").read_bytes()
    assert stored == (second.results / "model/model.skops").read_bytes()
    assert b"sub-0" not in stored
    assert not hasattr(stored_model.load(first.results / "model").model, "evidence_")
    assert "decides nothing" in (first.results / "model/card.md").read_text()


def test_foreign_types_and_pickles_are_refused(tmp_path) -> None:
    from sklearn.gaussian_process import GaussianProcessClassifier

    skops.io.dump({"model": GaussianProcessClassifier()}, tmp_path / "model.skops")
    skops.io.dump({"model": np.vectorize}, tmp_path / "other.skops")
    (tmp_path / "pickled.skops").write_bytes(pickle.dumps({"model": 1}))
    for name in ("model.skops", "other.skops", "pickled.skops"):
        with pytest.raises(DatasetError):
            stored_model.load(tmp_path / name)
    with pytest.raises(DatasetError, match="there is no stored model"):
        stored_model.load(tmp_path / "nothing")


def test_people_like_those_of_training_are_scored_and_nothing_drifts(
    stored, make_study, tmp_path
) -> None:
    report, scores, drift = applied(stored, make_study("new", seed=8), tmp_path)
    assert len(scores) == 44
    assert (scores["status"] == "scored").mean() > 0.9
    assert report["n_drifted"] <= 1 and len(drift) == 14
    assert report["performance"] is None


def test_labels_tell_how_well_it_does_elsewhere(stored, make_study, tmp_path) -> None:
    study = make_study("new", seed=8, n=120, d=3.0)
    report, _, _ = applied(stored, study, tmp_path)
    study.run(repeats=1, permutations=0, models=["late", "modalities"])
    report, _, _ = applied(stored, study, tmp_path)
    own = report["performance"]
    assert own["auc_within_site"]["value"] > 0.8
    assert own["n"] == (study.table("labels.tsv")["label"] != "control").sum()


def test_a_marker_that_drifted_is_named(stored, make_study, tmp_path) -> None:
    def shifted(table):
        own = (table["marker"] == "glu") & (table["region"] == "r1")
        table.loc[own, "value"] = table.loc[own, "value"].astype(float) + 2.0
        return table

    report, _, drift = applied(stored, changed(make_study("new", seed=8), shifted), tmp_path)
    assert drift.loc[drift["drifted"], ["marker", "region"]].to_numpy().tolist() == [["glu", "r1"]]
    assert report["blocks"]["mrs"]["two_sample_auc"] > 0.8
    assert report["blocks"]["anat"]["two_sample_auc"] < 0.75


def test_it_abstains_far_from_home_and_says_why(stored, make_study, tmp_path) -> None:
    def far(table):
        own = (table["participant_id"] == "sub-004") & (table["modality"] == "func")
        table.loc[own, "value"] = 40.0
        return table[table["participant_id"] != "sub-007"]

    study = changed(make_study("new", seed=8), far)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t")
    assert "sub-007" in set(people["participant_id"])  # he has no markers and is no row
    _, scores, _ = applied(stored, study, tmp_path)
    own = scores.set_index("participant_id").loc["sub-004"]
    assert own["status"] == "abstained" and np.isnan(own["probability"])
    assert own["reason"].startswith("func is")
    assert "sub-007" not in set(scores["participant_id"])


def test_what_does_not_fit_is_refused_in_words(stored, make_study, tmp_path) -> None:
    study = changed(make_study("new"), lambda t: t.assign(unit=t["unit"].replace("1", "cm")))
    with pytest.raises(DatasetError, match="its unit is cm"):
        applied(stored, study, tmp_path)
    study = changed(make_study("other"), lambda t: t[t["marker"] == "tiv"])
    with pytest.raises(DatasetError, match="none of the markers that the model uses"):
        applied(stored, study, tmp_path)
    with pytest.raises(ConfigError, match="no column 'diagnosis'"):
        applied(stored, make_study("third"), tmp_path, label_column="diagnosis")
    raw = tmp_path / "raw"
    (raw / "sub-01").mkdir(parents=True)
    with pytest.raises(DatasetError, match="snakemake --cores all --config bids_dir="):
        apply_model(stored, raw, out=tmp_path)


def test_missing_markers_and_new_sites_are_told(stored, make_study, tmp_path) -> None:
    study = changed(make_study("new"), lambda t: t[~t["region"].isin(["r0", "r1"])])
    path = study.folder / "participants.tsv"
    path.write_text(path.read_text().replace("north", "west"))
    report, _, _ = applied(stored, study, tmp_path)
    assert any("func: 3 of 5 markers are there" in told for told in report["cautions"])
    assert any("The sites west were not in training" in told for told in report["cautions"])


def edited(study, name, change):
    path = study.folder / name
    change(pd.read_csv(path, sep="\t", na_values="n/a")).to_csv(
        path, sep="\t", index=False, na_rep="n/a"
    )
    return study


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
    stored, make_study, tmp_path, name, change, options, words
) -> None:
    study = edited(make_study("new", seed=8), name, change)
    with pytest.raises((ConfigError, DatasetError), match=words):
        applied(stored, study, tmp_path, **options)


def test_infinite_values_and_missing_sites_are_told(stored, make_study, tmp_path) -> None:
    study = edited(make_study("new", seed=8), "markers.tsv", lambda t: t.assign(
        value=t["value"].where(t.index > 5, np.inf)))  # fmt: skip
    edited(study, "participants.tsv", lambda t: t.assign(site=t["site"].where(t.index > 2)))
    report, _, _ = applied(stored, study, tmp_path)
    assert (
        "6 marker values are infinite or beyond 1e+30 and count as missing." in (report["cautions"])
    )
    assert "3 people have no site: the model does not use the site." in report["cautions"]


def test_few_labels_make_no_claim(stored, make_study, tmp_path) -> None:
    people = ["sub-002", "sub-003", "sub-005"]
    study = edited(make_study("new", seed=8), "markers.tsv", lambda t: t[
        t["participant_id"].isin(people)])  # fmt: skip
    edited(study, "participants.tsv", lambda t: t.assign(
        tr=np.where(t.index % 2, "resistant", "responsive"), site=["x", "y"] * 22))  # fmt: skip
    report, _, _ = applied(stored, study, tmp_path, label_column="tr")
    own = report["performance"]
    # Labels and sites alternate: nobody has somebody of the other label at his site.
    assert own["auc_within_site"]["n"] == 0 and np.isnan(own["auc_within_site"]["value"])
    assert own["auc_pooled"]["n"] == own["n"] == 3
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


def test_an_unseen_site_has_no_number_of_a_known_one() -> None:
    from commissure.models.preparation import Preparation

    rng = np.random.default_rng(6)
    site = np.arange(60) % 2
    X = np.column_stack([rng.normal(size=(60, 3)) + 3.0 * site[:, None], np.eye(2)[site]])
    prepared = Preparation(Block("a", (0, 1, 2), sites=(3, 4))).fit(X)
    plain = Preparation(Block("a", (0, 1, 2))).fit(X)
    new = np.column_stack([rng.normal(size=(5, 3)), np.zeros((5, 2))])
    raw = prepared.transform(new) * prepared.scale_ + prepared.mean_
    assert raw == pytest.approx(new[:, :3])
    assert plain.combat_ is None
