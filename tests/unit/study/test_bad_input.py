"""What is wrong with the input is refused or told in words, never a silent number."""

import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError

FEW = {"repeats": 1, "permutations": 0, "models": ["late", "modalities"]}
COLUMN = {"source": "column", "column": "tr"}


def edited(study, name: str, change) -> None:
    path = study.folder / name
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    change(table).to_csv(path, sep="\t", index=False, na_rep="n/a")


def with_column(study, values) -> None:
    edited(study, "participants.tsv", lambda people: people.assign(tr=values(people)))


def told(metrics: dict) -> str:
    return " ".join(metrics["cautions"])


def test_one_class_only(make_study) -> None:
    study = make_study()
    with_column(study, lambda people: "resistant")
    metrics = study.run(**FEW, label=COLUMN)
    assert metrics["status"] == "not_fitted"
    assert metrics["reason"].startswith("44 resistant and 0 responsive among 44 people")
    assert "No model was stored" in (study.results / "model/card.md").read_text()


def test_a_class_with_fewer_people_than_folds(make_study) -> None:
    study = make_study()
    with_column(study, lambda p: np.where(np.arange(len(p)) < 12, "resistant", "responsive"))
    metrics = study.run(**FEW, label=COLUMN, outer_folds=15, min_per_class=2)
    assert "15 of each are needed" in metrics["reason"]


def test_one_site(make_study) -> None:
    study = make_study()
    edited(study, "participants.tsv", lambda people: people.assign(site="north"))
    metrics = study.run(**FEW)
    assert metrics["models"]["late"]["auc_leave_site_out"]["value"] is None
    assert "There is one site: nothing is known of how the models do at another." in told(metrics)


def test_a_duplicated_column_is_used_once_and_named(make_study) -> None:
    plain, double = make_study("plain"), make_study("double")

    def twice(table: pd.DataFrame) -> pd.DataFrame:
        own = table[(table["marker"] == "glu") & (table["region"] == "r0")]
        return pd.concat([table, own.assign(region="r0_again")])

    edited(double, "markers.tsv", twice)
    metrics = double.run(**FEW)
    assert "1 marker (mrs glu r0_again) has the values of another marker" in told(metrics)
    expected = plain.run(**FEW)["models"]["late"]["auc_within_site"]
    assert metrics["models"]["late"]["auc_within_site"] == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [(7.0, "has one value in everybody: not used"), (np.nan, "has no value in anybody: not used")],
)
def test_constant_and_empty_markers_are_named(make_study, value: float, words: str) -> None:
    study = make_study()

    def still(table: pd.DataFrame) -> pd.DataFrame:
        own = (table["marker"] == "fc") & (table["region"] == "r1")
        return table.assign(value=table["value"].where(~own, value))

    edited(study, "markers.tsv", still)
    assert f"1 marker (func fc r1) {words}" in told(study.run(**FEW))


def test_infinite_values_are_told(make_study) -> None:
    study = make_study()
    path = study.folder / "markers.tsv"
    lines = path.read_text().splitlines()
    cells = lines[1].split("\t")
    cells[lines[0].split("\t").index("value")] = "inf"
    path.write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]) + "\n")
    assert "1 marker values are infinite or beyond 1e+30 and count as missing" in told(
        study.run(**FEW)
    )


def test_the_label_as_a_marker_is_found(make_study) -> None:
    import json

    study = make_study()
    labels = {"resistant": 1.0, "responsive": 0.0}
    study.run(**FEW)
    known = study.table("labels.tsv").set_index("participant_id")["label"].map(labels)

    def leaky(table: pd.DataFrame) -> pd.DataFrame:
        own = (table["marker"] == "fc") & (table["region"] == "r1")
        copied = table["participant_id"].map(known)
        return table.assign(value=table["value"].where(~own | copied.isna(), copied))

    edited(study, "markers.tsv", leaky)
    study.run(**FEW)
    checks = json.loads((study.results / "falsification.json").read_text())["checks"]
    found = next(check for check in checks if check["name"] == "label_copy")
    assert found["passed"] is False and "func m" not in found["description"]
    assert "func fc r1" in found["description"]


def test_a_modality_nobody_has(make_study) -> None:
    study = make_study()
    edited(study, "markers.tsv", lambda t: t.assign(
        value=t["value"].where(t["modality"] != "func", np.nan)))  # fmt: skip
    metrics = study.run(**FEW)
    assert metrics["models"]["late"]["modalities"] == ["anat", "mrs"]
    assert "5 markers (func fc r0, func fc r1, func fc r2 and more) have no value" in told(metrics)


@pytest.mark.parametrize("typo", ["Resistant", "resistnt", " resistant", "responsiv"])
def test_typing_errors_in_the_outcome_are_refused(make_study, typo: str) -> None:
    study = make_study()
    with_column(study, lambda p: np.where(
        np.arange(len(p)) < 2, typo, np.where(np.arange(len(p)) % 2, "resistant", "responsive")))  # fmt: skip
    with pytest.raises(ConfigError, match="occurs \\(2 people\\)"):
        study.run(**FEW, label=COLUMN)


def test_another_word_in_the_outcome_is_indeterminate(make_study) -> None:
    study = make_study()
    with_column(study, lambda p: np.where(
        np.arange(len(p)) < 4, "unclear", np.where(np.arange(len(p)) % 2, "resistant", "responsive")))  # fmt: skip
    metrics = study.run(**FEW, label=COLUMN)
    assert metrics["question"]["n_indeterminate"] == 2  # the other two of the four are controls
    assert "tr is unclear" in set(study.table("labels.tsv")["reason"])


def test_infinite_and_impossible_columns_of_the_people(make_study) -> None:
    study = make_study()
    edited(study, "participants.tsv", lambda p: p.assign(
        age_at_onset=p["age_at_onset"].where(p.index != 4, np.inf), age=30))  # fmt: skip
    metrics = study.run(**{**FEW, "models": ["late", "modalities", "clinical", "confounds"]})
    assert "'age_at_onset' is infinite in 1 people: missing." in told(metrics)
    assert "'age' has one value in everybody: the confounds model learns nothing" in told(metrics)
    assert metrics["models"]["clinical"]["n"] == 31
    edited(study, "participants.tsv", lambda p: p.assign(
        age_at_onset=p["age_at_onset"].astype(object).where(p.index != 4, "23y")))  # fmt: skip
    with pytest.raises(DatasetError, match="sub-005: age_at_onset is '23y'"):
        study.run(**FEW)


def test_functioning_in_words_is_refused(make_study) -> None:
    study = make_study()
    edited(study, "participants.tsv", lambda p: p.assign(sofas=np.where(p.index % 2, "low", "55")))
    with pytest.raises(DatasetError, match="sub-002: sofas is 'low'"):
        study.run(**FEW)


def test_the_label_under_another_spelling_is_refused_as_a_predictor(make_study) -> None:
    with pytest.raises(ConfigError, match="'TR' is the label or the group itself"):
        make_study().run(label=COLUMN, clinical=["TR"])


@pytest.mark.parametrize("name", ["treatments.tsv", "markers.tsv"])
def test_people_of_other_names_are_refused_or_told(make_study, name: str) -> None:
    study = make_study()
    edited(study, name, lambda t: pd.concat([t, t.iloc[:3].assign(participant_id="sub-zzz")]))
    metrics = study.run(**FEW)
    assert f"{name} also tells of 1 people who are not in" in told(metrics)
    assert "zzz" not in told(metrics)  # the report shows no names
    edited(study, name, lambda t: t.assign(participant_id="sub-x" + t["participant_id"].str[4:]))
    with pytest.raises(DatasetError, match="nobody in it is in the participants table"):
        study.run(**FEW)


@pytest.mark.parametrize("name", ["participants.tsv", "markers.tsv"])
def test_rows_without_a_person_are_refused(make_study, name: str) -> None:
    study = make_study()
    edited(study, name, lambda t: t.assign(participant_id=t["participant_id"].where(t.index != 3)))
    with pytest.raises(DatasetError, match="1 of [0-9]+ rows have no participant_id"):
        study.run(**FEW)


@pytest.mark.parametrize("site", ["of their own", "of their label"])
def test_sites_that_hold_one_label_each_are_refused(make_study, site: str) -> None:
    study = make_study()
    label = np.where(np.arange(44) % 2, "resistant", "responsive")
    edited(study, "participants.tsv", lambda people: people.assign(
        tr=label, site=label if site == "of their label" else people["participant_id"]))  # fmt: skip
    metrics = study.run(**FEW, label=COLUMN)
    assert metrics["status"] == "not_fitted"
    assert metrics["reason"].endswith(
        "sites has people of both labels: whatever tells resistant from responsive may be the site."
    )


def test_people_whose_site_has_one_label_are_counted(make_study) -> None:
    study = make_study()
    label = np.where(np.arange(44) % 2, "resistant", "responsive")
    site = np.where((np.arange(44) < 14) & (np.arange(44) % 2 == 0), "far", "near")
    edited(study, "participants.tsv", lambda people: people.assign(tr=label, site=site))
    assert "7 of 44 people are at sites with one label only" in told(study.run(**FEW, label=COLUMN))


@pytest.mark.parametrize(
    ("scale", "words"),
    [(1e300, "are infinite or beyond 1e+30"), (1e-300, "one value in everybody")],
)
def test_values_beyond_arithmetic_give_no_number(make_study, scale: float, words: str) -> None:
    study = make_study()
    edited(study, "markers.tsv", lambda t: t.assign(value=t["value"] * scale))
    metrics = study.run(**FEW)
    assert metrics["status"] == "not_fitted" and words in told(metrics)


def test_a_marker_in_two_units_is_refused(make_study) -> None:
    study = make_study()
    few = ["sub-001", "sub-002"]
    edited(study, "markers.tsv", lambda t: t.assign(
        unit=t["unit"].where(~t["participant_id"].isin(few) | (t["marker"] != "glu"), "mM")))  # fmt: skip
    with pytest.raises(DatasetError, match="marker mrs glu r0: its units are 1 and mM"):
        study.run(**FEW)


@pytest.mark.parametrize("content", ["", "[]", '{"fc": 3}'])
def test_definitions_that_cannot_be_read_are_refused(make_study, content: str) -> None:
    study = make_study()
    (study.folder / "markers.json").write_text(content)
    with pytest.raises(DatasetError, match="markers.json"):
        study.run(**FEW)


def test_exclusions_of_nothing_and_of_everything_are_told(make_study) -> None:
    study = make_study()

    def rule(who, modality):
        return pd.DataFrame({"participant_id": who, "session": None, "modality": modality,
                             "rule": "motion", "limit": 1, "value": 2})  # fmt: skip

    edited(study, "exclusions.tsv", lambda _: rule(["sub-001"], "fnc"))
    metrics = study.run(**FEW)
    assert "exclusions.tsv names the modality fnc, which no marker has" in told(metrics)
    people = [f"sub-{i + 1:03d}" for i in range(44)]
    edited(study, "exclusions.tsv", lambda _: rule(people, "all"))
    metrics = study.run(**FEW)
    assert metrics["status"] == "not_fitted"
    assert "exclusions.tsv excludes all 600 rows of markers." in told(metrics)


def test_a_declared_model_that_is_not_fitted_is_told(make_study) -> None:
    study = make_study()
    metrics = study.run(**FEW, primary="stacked")
    assert metrics["primary"] == "late" and "declared beforehand" not in told(metrics)
    assert "late model: stacked, which was declared, was not fitted" in told(metrics)
    metrics = study.run(repeats=1, permutations=0, models=["clinical"])
    assert metrics["reason"] == "fusion.models names no model of a modality."


def test_settings_without_a_question_are_refused() -> None:
    from pydantic import ValidationError

    from commissure.fusion.settings import FusionSettings

    with pytest.raises(ValidationError, match="positive and negative are both 'a'"):
        FusionSettings(label={"positive": "a", "negative": "a"})
    for penalty in (0.0, -1.0):
        with pytest.raises(ValidationError, match="greater than 0"):
            FusionSettings(penalties=[penalty])


def test_a_label_misspelt_in_the_settings_is_refused(make_study) -> None:
    study = make_study()
    with_column(study, lambda p: np.where(np.arange(len(p)) % 2, "resistant", "responsive"))
    with pytest.raises(ConfigError, match="'resistnt' occurs in nobody, but 'resistant' in 22"):
        study.run(**FEW, label={**COLUMN, "positive": "resistnt"})


def test_words_that_are_no_label_are_counted(make_study) -> None:
    study = make_study()
    with_column(study, lambda p: np.where(
        np.arange(len(p)) < 4, "TRR", np.where(np.arange(len(p)) % 2, "TR", "nTR")))  # fmt: skip
    metrics = study.run(**FEW, label={**COLUMN, "positive": "TR", "negative": "nTR"})
    assert "2 people carry neither label (tr is TRR: 2)" in told(metrics)


def test_unnamed_antidepressants_are_no_failures() -> None:
    from commissure.study.labels.depression import depression_labels

    trials = pd.DataFrame({
        "participant_id": "sub-1", "drug": ["sertraline", None], "drug_class": ["ssri", "snri"],
        "weeks_at_dose": 8, "dose_adequate": 1, "score_before": 24, "score_after": 22,
    })  # fmt: skip
    found = depression_labels(trials, pd.DataFrame({"participant_id": ["sub-1"]})).iloc[0]
    assert found["label"] == "indeterminate" and "its drug is not named" in found["reason"]


def test_controls_with_a_treatment_history_are_told(make_study) -> None:
    study = make_study()
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t")
    treated = people.loc[people["group"] == "control", "participant_id"].iloc[0]
    edited(study, "treatments.tsv", lambda trials: pd.concat(
        [trials, trials.iloc[:1].assign(participant_id=treated)]))  # fmt: skip
    assert "1 controls have a treatment history: they are indeterminate" in told(study.run(**FEW))


def test_families_across_sites_and_labels_are_told(make_study) -> None:
    study = make_study()
    edited(study, "participants.tsv", lambda people: people.assign(
        family=[f"f{i // 2}" if i < 20 else None for i in range(len(people))]))  # fmt: skip
    metrics = study.run(**{**FEW, "permutations": 19})
    words = told(metrics)
    assert "20 people are of 10 families" in words
    assert "families have people of several labels" in words
    splits = study.table("splits.tsv")
    first = splits[
        (splits["scheme"] == "cv") & splits["participant_id"].isin(["sub-001", "sub-002"])
    ]
    assert first.groupby("repeat")["fold"].nunique().tolist() == [1]
    edited(study, "participants.tsv", lambda people: people.assign(family="all"))
    with pytest.raises(ConfigError, match="all 44 people are of the family 'all'"):
        study.run(**FEW)


def test_an_outcome_that_was_before_the_scan_is_refused(make_study) -> None:
    study = make_study()
    edited(study, "participants.tsv", lambda people: people.assign(
        days=np.where(np.arange(len(people)) == 5, -30.0, 100.0), happened=1))  # fmt: skip
    outcome = {"kind": "time_to_event", "column": "days", "event_column": "happened"}
    with pytest.raises(DatasetError, match="days is -30 .* a time above 0"):
        study.run(**FEW, outcome=outcome)


def test_a_person_with_two_labels_is_refused(make_study) -> None:
    study = make_study()

    def twice(people: pd.DataFrame) -> pd.DataFrame:
        people = people.assign(tr=np.where(people.index % 2, "resistant", "responsive"))
        other = people.iloc[[4]].assign(tr="resistant")
        return pd.concat([people, other])

    edited(study, "participants.tsv", twice)
    with pytest.raises(DatasetError, match="sub-005"):
        study.run(**FEW, label=COLUMN)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("cpz_eq_mg", -600, "cpz_eq_mg is -600"), ("weeks_at_dose", -2, "weeks_at_dose is -2"),
     ("panss_before", 25, "panss_before is 25")],
)  # fmt: skip
def test_a_history_that_cannot_be_stops_the_study(make_study, column, value, words) -> None:
    study = make_study()
    edited(study, "treatments.tsv", lambda table: table.assign(
        **{column: table[column].where(table.index != 3, value)}))  # fmt: skip
    with pytest.raises(DatasetError, match=words):
        study.run(**FEW)
