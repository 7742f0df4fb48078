import filecmp
import json

import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError

MODELS = {"late", "early", "stacked", "anat", "func", "mrs", "clinical", "confounds", "site",
          "missingness"}  # fmt: skip
FILES = ("labels.tsv", "splits.tsv", "predictions.tsv", "metrics.json", "falsification.json",
         "importance.tsv")  # fmt: skip


def test_the_whole_road_finds_what_was_planted_where_it_was_planted(fitted_study) -> None:
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    assert metrics["status"] == "fitted" and metrics["primary"] == "late"
    assert set(metrics["models"]) == MODELS
    asked = metrics["question"]
    assert (asked["n"], asked["n_positive"], asked["n_controls"]) == (32, 16, 12)
    assert sum(site["n"] for site in asked["sites"].values()) == 32
    aucs = {name: m["auc_within_site"]["value"] for name, m in metrics["models"].items()}
    assert aucs["mrs"] > 0.85 and aucs["late"] > 0.75
    assert aucs["site"] == 0.5
    assert metrics["models"]["mrs"]["p_permutation"] == pytest.approx(1 / 20)
    for model in metrics["models"].values():
        for key in ("auc_within_site", "auc_pooled", "auc_leave_site_out"):
            assert model[key]["ci_low"] <= model[key]["value"] <= model[key]["ci_high"]
    assert any("too few for a claim" in caution for caution in metrics["cautions"])


def test_tables_agree_with_each_other(fitted_study) -> None:
    splits, predictions = fitted_study.table("splits.tsv"), fitted_study.table("predictions.tsv")
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    merged = predictions.merge(splits, on=["participant_id", "scheme", "repeat"])
    assert len(merged) == len(predictions)
    assert (merged["fold_x"] == merged["fold_y"]).all()
    assert set(splits["participant_id"]) > set(predictions["participant_id"])  # controls
    for name, model in metrics["models"].items():
        own = predictions[(predictions["model"] == name) & (predictions["scheme"] == "cv")]
        assert own["participant_id"].nunique() == model["n"]
        assert own.groupby("repeat").size().eq(model["n"]).all()
        outcome = own["label"] == "resistant"
        assert model["brier"] == pytest.approx(
            ((own["probability"] - outcome) ** 2).mean(), abs=1e-5
        )
    importance = fitted_study.table("importance.tsv")
    early = importance[importance["model"] == "early"]
    assert early["weight"].abs().groupby(early["modality"]).mean().idxmax() == "mrs"
    assert (
        importance[importance["model"] == "late"].set_index("modality")["weight"].idxmax() == "mrs"
    )


def test_every_attempt_to_prove_it_wrong_is_reported(fitted_study) -> None:
    checks = json.loads((fitted_study.results / "falsification.json").read_text())["checks"]
    assert [check["name"] for check in checks] == [
        "permuted_labels", "noise_features", "planted_signal", "site_only", "confounds_only",
        "missingness_only", "beyond_confounds", "transports", "overconfidence", "people_in_two_folds",
        "test_labels_unseen", "test_people_unseen",
        "same_answer_twice", "planted_leaks", "label_copy", "people_twice", "post_outcome_columns",
    ]  # fmt: skip
    assert all(set(check) == {"name", "question", "value", "expected", "passed", "description"}
               for check in checks)  # fmt: skip
    verdict = {check["name"]: check["passed"] for check in checks}
    assert verdict["permuted_labels"] and verdict["planted_signal"]
    assert verdict["people_in_two_folds"]


def test_the_order_of_rows_changes_no_byte(make_study) -> None:
    first, second = make_study("first"), make_study("second")
    few = {"repeats": 1, "permutations": 5, "models": ["late", "modalities", "clinical"]}
    for name in ("markers.tsv", "participants.tsv"):
        path = second.folder / name
        lines = path.read_text().splitlines()
        order = np.random.default_rng(0).permutation(len(lines) - 1) + 1
        path.write_text("\n".join([lines[0], *(lines[i] for i in order)]) + "\n")
    first.run(**few)
    second.run(**few)
    for name in FILES:
        assert filecmp.cmp(first.results / name, second.results / name, shallow=False), name


@pytest.mark.slow
def test_jobs_of_their_own_are_the_whole(make_study) -> None:
    from commissure.fusion.part_names import part_names
    from commissure.fusion.run import fuse_part, permute
    from commissure.fusion.settings import FusionSettings

    whole, parts = make_study("whole"), make_study("parts")
    few = {"repeats": 6, "permutations": 59, "permutation_repeats": 2, "penalties": [1.0, 10.0],
           "inner_folds": 3, "models": ["late", "modalities", "clinical", "confounds"],
           "secondary_analyses": True}  # fmt: skip
    metrics = whole.run(**few, block=20)
    settings = FusionSettings(**few)
    rows = {}
    for jobs in (3, 6):
        nulls = [parts.folder / f"part-{part}-of-{jobs}.tsv" for part in range(jobs)]
        for part, file in enumerate(nulls):
            permute(**parts.tables(), settings=settings, part=part, parts=jobs, block=20, out=file)
        rows[jobs] = pd.concat([pd.read_csv(file, sep="\t", dtype=str) for file in nulls])
    once = rows[3][rows[3][["model", "scheme", "repeat"]].eq(["late", "cv", "1"]).all(axis=1)]
    assert sorted(once["permutation"].astype(int)) == [0, 0, 0, *range(1, 60)]
    first, second = (
        table.drop_duplicates(["model", "scheme", "repeat", "permutation"]).sort_values(
            ["model", "scheme", "repeat", "permutation"], ignore_index=True
        )
        for table in rows.values()
    )
    pd.testing.assert_frame_equal(first, second)
    rest = [parts.folder / f"{part}.json" for part in part_names(settings)]
    for file in rest:
        fuse_part(**parts.tables(), settings=settings, part=file.stem, out=file)
    parts.run(**few, nulls=nulls, parts=rest)
    for name in FILES:
        assert filecmp.cmp(whole.results / name, parts.results / name, shallow=False), name
    kinds = {m[key]["interval"] for m in metrics["models"].values()
             for key in ("auc_within_site", "auc_leave_site_out")}  # fmt: skip
    assert any("from permutations" in kind for kind in kinds)
    # What the jobs left is what was taken: another learning curve in the file is told.
    told = json.loads(rest[-1].read_text())
    told["sizes_of_training"]["description"] = "planted"
    rest[-1].write_text(json.dumps(told))
    assert parts.run(**few, nulls=nulls, parts=rest)["learning_curve"]["description"] == "planted"


def test_unlabelled_people_are_told_in_one_sentence(make_study) -> None:
    study = make_study()
    (study.folder / "treatments.tsv").write_text(
        (study.folder / "treatments.tsv").read_text().splitlines()[0] + "\n"
    )
    metrics = study.run()
    assert metrics["status"] == "not_fitted"
    assert metrics["reason"].startswith("0 resistant and 0 responsive among 44 people are too few")
    assert "no treatment trial is recorded" in metrics["reason"]
    for name in FILES:
        assert (study.results / name).is_file()
    assert study.table("predictions.tsv").empty
    assert len(study.table("labels.tsv")) == 44


def test_a_modality_that_few_have_is_left_out_and_told(make_study) -> None:
    study = make_study()
    table = pd.read_csv(study.folder / "markers.tsv", sep="\t", na_values="n/a")
    few = set(table["participant_id"].unique()[:12])
    kept = table[(table["modality"] != "func") | table["participant_id"].isin(few)]
    kept.to_csv(study.folder / "markers.tsv", sep="\t", index=False, na_rep="n/a")
    metrics = study.run(repeats=1, permutations=0)
    assert "func" not in metrics["models"]
    assert metrics["models"]["late"]["modalities"] == ["anat", "mrs"]
    assert metrics["models"]["late"]["p_permutation"] is None
    assert any(caution.startswith("func is left out") for caution in metrics["cautions"])


def test_columns_that_carry_the_names_of_our_own_are_no_obstacle(make_study) -> None:
    plain, other = make_study("plain"), make_study("other")
    path = other.folder / "participants.tsv"
    people = pd.read_csv(path, sep="\t", na_values="n/a")
    people.assign(label="x", reason="y").to_csv(path, sep="\t", index=False, na_rep="n/a")
    few = {"repeats": 1, "permutations": 0, "models": ["late", "modalities"]}
    assert plain.run(**few)["models"] == other.run(**few)["models"]


def test_no_marker_at_all_is_told(make_study) -> None:
    study = make_study()
    header = (study.folder / "markers.tsv").read_text().splitlines()[0]
    (study.folder / "markers.tsv").write_text(header + "\n")
    assert study.run()["reason"] == "The markers hold no modality to fit."


def test_a_repeated_person_and_a_refused_column_stop_it(make_study) -> None:
    study = make_study()
    with pytest.raises(ConfigError, match="hospitalisations"):
        study.run(clinical=["hospitalisations"])
    people = study.folder / "participants.tsv"
    lines = people.read_text().splitlines()
    people.write_text("\n".join([*lines, lines[5]]) + "\n")
    with pytest.raises(DatasetError, match="sub-005: the participants table has more than one row"):
        study.run()


@pytest.mark.real
@pytest.mark.slow
def test_schizophrenia_in_real_two_site_data(shared_data, tmp_path, repository) -> None:
    # SOURCES.md: pooled 10-fold AUC of a plain ridge model 0.743, of the site 0.93.
    import importlib.util

    from commissure.fusion.run import fuse

    where = importlib.util.spec_from_file_location(
        "fusion_real", repository / "benchmarks" / "fusion_real.py"
    )
    real = importlib.util.module_from_spec(where)
    where.loader.exec_module(real)
    paths = real.tidy_mcic(shared_data / "tables", tmp_path)
    settings = real.settings_of("mcic", repeats=1, permutations=19, secondary_analyses=False)
    fuse(**paths, treatments=None, settings=settings, out=tmp_path / "fusion")
    metrics = json.loads((tmp_path / "fusion/metrics.json").read_text())
    model = metrics["models"]["table"]
    assert (model["n"], model["n_positive"]) == (162, 90)
    assert model["auc_pooled"]["value"] == pytest.approx(0.743, abs=0.04)
    assert model["p_permutation"] == pytest.approx(1 / 20)


def test_the_markers_of_the_only_modality_come_first(make_study) -> None:
    # A study of one modality: what the main model follows, not what the confounds follow.
    study = make_study()
    table = pd.read_csv(study.folder / "markers.tsv", sep="\t", na_values="n/a")
    table[table["modality"] == "mrs"].to_csv(
        study.folder / "markers.tsv", sep="\t", index=False, na_rep="n/a"
    )
    metrics = study.run(permutations=0)
    assert metrics["primary"] == "mrs"
    assert study.table("importance.tsv")["model"].iloc[0] == "mrs"
