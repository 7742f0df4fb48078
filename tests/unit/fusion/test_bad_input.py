"""What is wrong with the input is refused or told in words, never a silent number."""

import numpy as np
import pandas as pd
import pytest

from commissure.errors import CommissureError, ConfigError

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


def test_infinite_values_are_refused_or_told(make_study) -> None:
    study = make_study()
    path = study.folder / "markers.tsv"
    lines = path.read_text().splitlines()
    cells = lines[1].split("\t")
    cells[lines[0].split("\t").index("value")] = "inf"
    path.write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]) + "\n")
    try:
        assert "1 marker values are infinite and count as missing" in told(study.run(**FEW))
    except CommissureError as error:
        assert "inf" in str(error)


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
    assert found["passed"] is False and "func m" not in found["words"]
    assert "func fc r1" in found["words"]


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
