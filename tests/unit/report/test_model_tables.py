"""Tables beside the result, one for each question."""

from __future__ import annotations

from commissure.report.model_tables import model_tables

AREA = {"value": 0.123, "ci_low": -0.05, "ci_high": 0.3}


def test_every_question_has_its_table_and_numbers_are_those_of_the_metrics() -> None:
    metrics = {
        "modalities": [
            {"name": "mrs", "shapley": 0.1, "alone": 0.66, "leave_one_out": 0.08,
             "added_to_clinical": None, "permutation_importance": 0.04}
        ],
        "comparisons": [
            {"model": "clinical", "delong": AREA, "nadeau_bengio": {**AREA, "p": 0.0312}}
        ],
        "exclusion_sensitivity": [
            {"analysis": "as declared", "auc_within_site": AREA, "n": 40, "n_positive": 20, "description": ""},
            {"analysis": "without site N", "auc_within_site": {"value": None}, "n": 9, "n_positive": 4,
             "description": "too few people are left"},
        ],
        "missingness_patterns": [
            {"modalities": "anat mrs", "n": 30, "n_positive": 14, "auc_within_site": AREA,
             "predicted": 0.5, "observed": 0.47}
        ],
        "learning_curve": {"points": [{"n": 20.0, "auc": 0.6}], "description": "too few sizes"},
        "sample_size": {"rows": [{"auc": 0.7, "predictors_carried": 1,
                                  "people_needed": {"6": 417, "10": 694, "20": 1388}}]},
        "stability": {"index": 0.5, "null_mean": 0.1, "null_95": 0.2, "markers": 14, "selected": 3},
    }  # fmt: skip
    tables = {table.title: table for table in model_tables(metrics, "late")}
    assert len(tables) == 7
    share = tables["What each modality adds"].rows[0]
    assert share[:2] == ["MR spectroscopy", "0.10"]
    assert share[4] == "–"
    assert tables["Is late better than the others?"].rows[0][-1] == "0.031"
    assert tables["The result under other exclusions"].rows[1][1] == "too few people are left"
    assert tables["How many people a model asks for"].rows[0][1:4] == ["417", "694", "1388"]
    for table in tables.values():
        assert all(len(row) == len(table.head) for row in table.rows)


def test_a_run_that_did_not_ask_has_no_emptymodel_tables() -> None:
    assert model_tables({}, "late") == []


def _decided(prevalence: float) -> dict:
    return {
        "prevalence": prevalence, "threshold": 0.5, "sensitivity": AREA, "specificity": AREA,
        "balanced_accuracy": 0.7, "positive_predictive_value": None,
        "negative_predictive_value": 0.81, "net_benefit": 0.1, "net_benefit_all": -0.2,
        "average_precision": 0.55, "average_precision_chance": prevalence, "predicted": 0.41,
        "brier": 0.2, "calibration_slope": 0.9, "calibration_intercept": -0.1,
    }  # fmt: skip


def test_decisions_have_a_sentence_each_and_say_at_which_prevalence() -> None:
    late = {"n": 10, "n_positive": 4, "sample": _decided(0.4), "declared": None}
    decisions = {"threshold": 0.5, "prevalence": None, "models": {"late": late, "early": late}}
    question = {"positive_name": "converters", "negative_name": "others"}
    (table,) = model_tables({"decisions": decisions, "question": question}, "late")
    assert table.head == ["", "late", "early", "What it says"]
    assert "No prevalence is declared (fusion.prevalence)" in table.note
    rows = {row[0]: row for row in table.rows}
    assert rows["Sensitivity"][1] == rows["Sensitivity"][2] == "0.12 (−0.05 to 0.30)"
    assert rows["Positive predictive value"][1] == "–"
    assert "label converters" in rows["Sensitivity"][-1]
    assert rows["AUPRC"][1] == "0.55" and "by chance 0.40." in rows["AUPRC"][-1]
    assert all(row[-1].endswith(".") and "{" not in row[-1] for row in table.rows)

    unshifted = {"positive_predictive_value": 0.3, "negative_predictive_value": 0.9,
                 "net_benefit": -0.1}  # fmt: skip
    declared = {**late, "declared": {**_decided(0.1), "unshifted": unshifted}}
    decisions = {"threshold": "youden", "prevalence": 0.1, "models": {"late": declared}}
    here, there = model_tables({"decisions": decisions, "question": question}, "late")
    assert "No prevalence" not in here.note and "Youden" in here.note
    assert there.title == "Decisions where the prevalence is 0.10"
    assert "ratio of the prior odds" in there.note
    assert there.rows[-3][:2] == ["Positive predictive value, odds as they are", "0.30"]


def test_conformal_sets_have_their_table() -> None:
    worse = {**AREA, "value": 0.05}
    sites = [{"site": "a", "n": 9, "coverage": AREA}, {"site": "b", "n": 9, "coverage": worse}]
    row = {
        "coverage": AREA,
        "coverage_left_out": None,
        "sites": sites,
        "coverage_positive": AREA,
        "coverage_negative": AREA,
        "one": 0.6,
        "both": 0.4,
        "none": 0.0,
    }
    (table,) = model_tables({"conformal": {"level": 0.9, "models": {"late": row}}}, "late")
    assert table.rows[0][-3:] == ["0.60", "0.40", "0.00"] and "level 0.90" in table.note
    assert table.rows[0][4] == "0.05 (−0.05 to 0.30), b" and table.rows[0][5] == "–"
    assert "no promise for one site" in table.note
    row = {"coverage": AREA, "coverage_left_out": AREA, "sites": sites, "half_width": 3.25}
    (table,) = model_tables({"conformal": {"level": 0.8, "models": {"late": row}}}, "late")
    assert table.head[-1] == "Half width" and table.rows[0][-1] == "3.25"
