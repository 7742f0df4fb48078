"""Outcomes that are no pair of labels go the whole road, and each check finds its planted fault."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from commissure.errors import CommissureError
from commissure.report.page import write_report
from commissure.report.settings import ReportSettings

SPECS = {
    "continuous": {"kind": "continuous", "column": "score"},
    "change": {"kind": "continuous", "before": "earlier", "after": "later"},
    "classes": {"kind": "classes", "column": "grade", "classes": ["low", "mid", "high"]},
    "time": {"kind": "time_to_event", "column": "days", "event_column": "relapse"},
}


@pytest.fixture
def cohort(make_study):
    """Ninety people whose spectra carry a score, a change, a grade and a time."""
    study = make_study(n=90, d=3.0)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t", na_values="n/a")
    rows = pd.read_csv(study.folder / "markers.tsv", sep="\t")
    by_person = rows[rows["modality"] == "mrs"].groupby("participant_id")["value"].sum()
    signal = by_person.reindex(people["participant_id"]).fillna(by_person.mean()).to_numpy()
    rng = np.random.default_rng(1)
    until, end = rng.exponential(100 * np.exp(-signal)), rng.exponential(200, len(people))
    people["score"] = 10 + signal + rng.normal(0, 1, len(people))
    people["earlier"] = rng.normal(95, 12, len(people)).round()
    people["later"] = (people["earlier"] - 20 - 6 * signal - rng.normal(0, 4, len(people))).clip(30)
    people["grade"] = np.select([signal > 1.5, signal > -0.2], ["high", "mid"], "low")
    people["days"] = np.minimum(until, end) + 1
    people["relapse"] = np.where(until <= end, "yes", "no")
    people.to_csv(study.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    return study


@pytest.mark.parametrize(
    ("name", "key", "chance"),
    [("continuous", "r", 0), ("change", "r", 0), ("classes", "hand_till", 0.5),
     ("time", "c_index", 0.5)],
)  # fmt: skip
def test_an_outcome_goes_the_whole_road(cohort, tmp_path, name, key, chance):
    metrics = cohort.run(outcome=SPECS[name], permutations=39)
    assert metrics["status"] == "fitted" and metrics["kind"] == SPECS[name]["kind"]
    models = metrics["models"]
    assert {"late", "early", "mrs", "confounds", "site", "missingness"} <= set(models)
    assert models["mrs"][f"{key}_within_site"]["ci_low"] > chance
    assert models["mrs"]["p_permutation"] == pytest.approx(1 / 40)
    assert models["site"][f"{key}_within_site"]["value"] == pytest.approx(chance, abs=1e-9)
    checks = json.loads((cohort.results / "falsification.json").read_text())["checks"]
    verdicts = {check["name"]: check["passed"] for check in checks}
    for held in ("noise_features", "planted_signal", "people_in_two_folds", "planted_leak",
                 "test_outcomes_unseen", "test_people_unseen", "same_answer_twice"):  # fmt: skip
        assert verdicts[held] is True, held
    assert len(cohort.table("predictions.tsv")) > 90
    page = tmp_path / "report.html"
    write_report(
        cohort.folder, page, statuses=[], settings=ReportSettings(), config_text="",
        participants=pd.read_csv(cohort.folder / "participants.tsv", sep="\t", na_values="n/a"),
    )  # fmt: skip
    text = page.read_text()
    assert metrics["measure"]["name"] in text
    shown = text.split('id="models"')[1].split("Settings of the models")[0]
    assert "resistant" not in shown and "<svg" in shown


@pytest.mark.parametrize("kind", ["continuous", "classes"])
def test_jobs_of_their_own_are_one_job(cohort, tmp_path, kind):
    from commissure.fusion.part_names import part_names
    from commissure.fusion.run import fuse_part, permute
    from commissure.fusion.settings import FusionSettings

    options = {"outcome": SPECS[kind], "repeats": 1, "inner_folds": 3, "permutations": 7,
               "permutation_repeats": 1, "penalties": [1.0], "models": ["early", "modalities"],
               "primary": "early", "secondary_analyses": True}  # fmt: skip
    whole, settings = cohort.run(**options, block=4), FusionSettings(**options)
    checks = (cohort.results / "falsification.json").read_bytes()
    nulls = [tmp_path / f"part-{part}.tsv" for part in (0, 1)]
    for number, null in enumerate(nulls):
        permute(settings=settings, part=number, parts=2, block=4, out=null, **cohort.tables())
    parts = [tmp_path / f"{name}.json" for name in part_names(settings)]
    for part in parts:
        fuse_part(settings=settings, part=part.stem, out=part, **cohort.tables())
    assert cohort.run(nulls=nulls, parts=parts, **options) == whole
    assert (cohort.results / "falsification.json").read_bytes() == checks


def test_severity_before_is_no_prediction_of_its_own_change(cohort):
    people = pd.read_csv(cohort.folder / "participants.tsv", sep="\t", na_values="n/a")
    rng = np.random.default_rng(5)
    true = rng.normal(90, 10, len(people))
    people["earlier"] = (true + rng.normal(0, 10, len(people))).clip(45)
    people["later"] = (true + rng.normal(0, 10, len(people))).clip(30)
    people["copy"] = people["earlier"] + rng.normal(0, 1, len(people))
    people.to_csv(cohort.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    freed = cohort.run(outcome=SPECS["change"], clinical=["copy"], permutations=0)
    people["change"] = people["earlier"] - people["later"]
    people.to_csv(cohort.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    raw = cohort.run(
        outcome={"kind": "continuous", "column": "change"}, clinical=["copy"], permutations=0
    )
    assert raw["models"]["clinical"]["r_within_site"]["value"] > 0.4
    assert abs(freed["models"]["clinical"]["r_within_site"]["value"]) < 0.25
    assert abs(freed["question"]["covariates"]["severity_before"]) > 0.3


def test_the_panss_change_of_the_treatment_history_is_an_outcome(cohort):
    metrics = cohort.run(outcome={"kind": "continuous"}, permutations=0)
    assert metrics["question"]["n"] + metrics["question"]["n_controls"] == 90
    labels = cohort.table("labels.tsv")
    first = labels[labels["label"] == "measured"].iloc[0]
    trials = pd.read_csv(cohort.folder / "treatments.tsv", sep="\t")
    trial = trials[trials["participant_id"] == first["participant_id"]].iloc[0]
    expected = 100 * (trial["panss_before"] - trial["panss_after"]) / (trial["panss_before"] - 30)
    assert first["outcome"] == pytest.approx(expected, abs=1e-5)


def test_controls_are_a_class_on_request(cohort):
    outcome = {"kind": "classes", "controls_as_class": True}
    metrics = cohort.run(outcome=outcome, permutations=0)
    assert metrics["question"]["classes"] == ["control", "responsive", "resistant"]
    pairs = {(pair["first"], pair["second"]) for pair in metrics["models"]["late"]["pairs"]}
    assert pairs == {("control", "responsive"), ("control", "resistant"),
                     ("responsive", "resistant")}  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "column", "cell", "words"),
    [
        ({"kind": "continuous", "column": "nothing"}, None, None, "no column 'nothing'"),
        (SPECS["continuous"], "score", "n.d.", "score is 'n.d.'"),
        (SPECS["change"], "later", 12, "later is 12"),
        (SPECS["time"], "days", -3, "days is -3"),
        (SPECS["time"], "relapse", "perhaps", "relapse is 'perhaps'"),
        ({**SPECS["classes"], "classes": ["low", "mid", "higher"]}, None, None, "'higher'"),
        ({"kind": "time_to_event", "column": "days"}, None, None, "no column is named"),
    ],
)
def test_an_outcome_that_cannot_be_read_is_refused_in_words(cohort, outcome, column, cell, words):
    if column:
        people = pd.read_csv(cohort.folder / "participants.tsv", sep="\t", dtype=str)
        people.loc[4, column] = str(cell)
        people.to_csv(cohort.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    with pytest.raises(CommissureError, match=words):
        cohort.run(outcome=outcome, permutations=0)


def test_too_few_events_are_not_fitted(cohort):
    people = pd.read_csv(cohort.folder / "participants.tsv", sep="\t", na_values="n/a")
    people["relapse"] = ["yes"] * 4 + ["no"] * (len(people) - 4)
    people.to_csv(cohort.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    metrics = cohort.run(outcome=SPECS["time"], permutations=0)
    assert metrics["status"] == "not_fitted"
    assert "4 events among 90 observed people are too few" in metrics["reason"]


def test_the_audits_hold_where_confounds_are_taken_out_and_an_estimator_is_named(make_study):
    study = make_study(n=60)
    metrics = study.run(
        remove_confounds=["age", "sex"],
        models=[
            {"name": "svm", "estimator": "sklearn.svm.SVC", "grid": {"C": [0.3, 3.0]},
             "permutations": 5},
            "early", "modalities", "confounds",
        ],
        primary="svm", permutations=19, repeats=1,
    )  # fmt: skip
    assert metrics["primary"] == "svm" and metrics["status"] == "fitted"
    assert metrics["models"]["svm"]["p_permutation"] >= 1 / 6
    assert metrics["models"]["early"]["p_permutation"] == pytest.approx(1 / 20)
    checks = json.loads((study.results / "falsification.json").read_text())["checks"]
    verdicts = {check["name"]: check["passed"] for check in checks}
    for held in ("test_labels_unseen", "test_people_unseen", "same_answer_twice",
                 "people_in_two_folds", "planted_leaks"):  # fmt: skip
        assert verdicts[held] is True, held
    assert (study.results / "model" / "model.skops").is_file()
