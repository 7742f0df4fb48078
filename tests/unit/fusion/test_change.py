"""Change between two declared visits: found where planted, at chance where it is retest error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.errors import CommissureError
from commissure.files import write_table
from commissure.markers.change import change_reliability, rows_for_models, two_visits
from commissure.outputs import VISITS
from commissure.rows import COLUMNS, Marker, write_markers

MARKERS = 6


def write_two_visits(study, *, d: float, retest: float = 0.5, seed: int = 0, days=None) -> None:
    """Two visits of everybody: a stable level, retest noise, and change along the label."""
    rng = np.random.default_rng(seed)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t", na_values="n/a")
    trials = pd.read_csv(study.folder / "treatments.tsv", sep="\t")
    resistant = people["participant_id"].isin(
        trials.loc[trials["panss_after"] > 80, "participant_id"]
    )
    n = len(people)
    level = rng.normal(50, 5, (n, MARKERS))
    change = rng.normal(0, 1, (n, MARKERS))
    # A difference of d along the change's own direction, in its SD with retest error.
    size = d * np.sqrt((1 + 2 * retest**2) / MARKERS)
    change += size * resistant.to_numpy()[:, None]
    visits = {"ses-pre": level, "ses-post": level + change}
    rows, table = [], []
    for who, i in zip(people["participant_id"], range(n), strict=True):
        for session, values in visits.items():
            noisy = values[i] + rng.normal(0, retest, MARKERS)
            rows += [Marker(who, session, "anat", f"r{j}", "thickness", noisy[j], "mm")
                     for j in range(MARKERS)]  # fmt: skip
            rows.append(Marker(who, session, "anat", "head", "tiv", 1e6 + i, "mm3"))
        late = 90.0 if days is None else days[i]
        table += [(who, "ses-pre", "baseline", 0.0), (who, "ses-post", "followup", late)]
    write_markers(rows, study.folder / "markers.tsv")
    write_table(VISITS.frame(table), study.folder / "visits.tsv")


def run(study, **settings):
    study_tables = study.tables
    study.tables = lambda: {**study_tables(), "visits": study.folder / "visits.tsv"}
    try:
        return study.run(**{"permutations": 0, "repeats": 3, **settings})
    finally:
        study.tables = study_tables


def test_a_planted_change_is_found_and_the_baseline_knows_nothing(make_study):
    study = make_study(n=220)
    write_two_visits(study, d=0.8)
    metrics = run(study, visit_markers=["baseline", "change", "residual_change"])
    aucs = {name: metrics["models"][name]["auc_within_site"] for name in
            ("anat", "anat_change", "anat_residual_change")}  # fmt: skip
    # The best AUC of a difference of 0.8 SD is 0.71.
    assert aucs["anat_change"]["ci_low"] > 0.5 and aucs["anat_change"]["value"] > 0.6
    assert aucs["anat_residual_change"]["value"] > 0.6
    assert abs(aucs["anat"]["value"] - 0.5) < 0.1
    assert {row["modality"] for row in metrics["change"]} == {"anat"}
    assert all(row["source"].startswith("measured in") for row in metrics["change"])


def test_retest_noise_alone_is_at_chance(make_study):
    values = {"anat_change": [], "anat_residual_change": []}
    for seed in range(12):
        study = make_study(f"study-{seed}", n=120)
        write_two_visits(study, d=0.0, retest=2.0, seed=seed)
        metrics = run(
            study, visit_markers=["change", "residual_change"], models=["modalities", "late"],
            repeats=1, seed=seed,
        )  # fmt: skip
        for name, found in values.items():
            found.append(metrics["models"][name]["auc_within_site"]["value"])
    for found in values.values():
        assert np.mean(found) == pytest.approx(0.5, abs=3.5 * np.std(found) / np.sqrt(12))


def test_reliability_is_what_retest_error_leaves():
    rng = np.random.default_rng(1)
    n = 4000
    who = [f"sub-{i}" for i in range(n)]
    level, change = rng.normal(100, 10, n), np.where(np.arange(n) < n // 2, 0, rng.normal(3, 2, n))
    rows = pd.DataFrame({
        "participant_id": who * 2, "session": ["ses-1"] * n + ["ses-2"] * n, "modality": "anat",
        "region": "r", "marker": "volume", "unit": "mm3", "quality": "ok",
        "value": np.r_[level, level + change] + rng.normal(0, 1.5, 2 * n),
    })  # fmt: skip
    visits = VISITS.frame(
        [(p, s, v, None) for s, v in (("ses-1", "baseline"), ("ses-2", "followup")) for p in who]
    )
    both = two_visits(rows, visits)
    (measured,) = change_reliability(both, who[: n // 2], {})
    assert measured["retest_sd"] == pytest.approx(1.5, rel=0.05)
    assert measured["reliability"] == pytest.approx(4 / (4 + 2 * 1.5**2), abs=0.05)
    assert measured["detectable"] == pytest.approx(1.96 * np.sqrt(2) * 1.5, rel=0.05)
    (stated,) = change_reliability(both, who[: n // 2], {"volume": 0.5})
    assert stated["source"] == "stated" and stated["retest_sd"] == 0.5
    (unknown,) = change_reliability(both, [], {})
    assert unknown["reliability"] is None and unknown["source"] == "unknown"


def test_residual_change_is_learnt_in_training_and_free_of_the_baseline(make_study):
    study = make_study(n=90)
    write_two_visits(study, d=0.8, retest=3.0)
    run(study, visit_markers=["residual_change"], models=["modalities"])
    import json

    checks = json.loads((study.results / "falsification.json").read_text())["checks"]
    verdicts = {check["name"]: check["passed"] for check in checks}
    assert verdicts["test_people_unseen"] is True and verdicts["test_labels_unseen"] is True


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("outcome_days", 60, "the follow-up visit is 90 days .* outcome 60 days"),
     ("outcome_days", -5, "the outcome was 5 days before the baseline")],
)  # fmt: skip
def test_a_visit_after_the_outcome_is_refused(make_study, column, value, words):
    study = make_study(n=90)
    write_two_visits(study, d=0.8)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t", na_values="n/a")
    people[column] = 180
    people.loc[7, column] = value
    people.to_csv(study.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    outcome = {"days_column": column}
    with pytest.raises(CommissureError, match=words):
        run(study, outcome=outcome, visit_markers=["change"])
    people[column] = 180
    people.to_csv(study.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    assert run(study, outcome=outcome, visit_markers=["change"])["status"] == "fitted"


def test_change_without_a_declared_followup_is_refused(make_study):
    study = make_study(n=90)
    write_two_visits(study, d=0.8)
    table = pd.read_csv(study.folder / "visits.tsv", sep="\t")
    table["visit"] = table["visit"].replace("followup", "other")
    table.to_csv(study.folder / "visits.tsv", sep="\t", index=False)
    with pytest.raises(CommissureError, match="no session is declared as the follow-up"):
        run(study, visit_markers=["change"])


def test_radiomics_change_in_parts_of_the_baseline():
    rows = pd.DataFrame(
        [(who, session, modality, region, marker, value, "1", "ok")
         for who, session, modality, region, marker, value in (
             ("a", "ses-pre", "radiomics", "stat_mean", "radiomic_feature", -4.0),
             ("a", "ses-post", "radiomics", "stat_mean", "radiomic_feature", -5.0),
             ("a", "ses-pre", "radiomics", "stat_skew", "radiomic_feature", 0.0),
             ("a", "ses-post", "radiomics", "stat_skew", "radiomic_feature", 0.3),
             ("a", "ses-pre", "lesion", "all", "lesion_volume", 2.0),
             ("a", "ses-post", "lesion", "all", "lesion_volume", 3.0),
             ("b", "ses-pre", "radiomics", "stat_mean", "radiomic_feature", 7.0))],
        columns=list(COLUMNS),
    )  # fmt: skip
    table = VISITS.frame([("a", "ses-pre", "baseline", 0.0), ("a", "ses-post", "followup", 60.0),
                          ("b", "ses-pre", "baseline", 0.0)])  # fmt: skip
    seen = rows_for_models(
        rows, table, wanted=["change"], confounds=[], relative=["radiomic_feature"]
    )
    values = seen.set_index(["modality", "region"])["value"]
    assert values["radiomics_change", "stat_mean"] == pytest.approx(-0.25)
    assert values["radiomics_change", "stat_skew"] == pytest.approx(0.3)
    assert values["lesion_change", "all"] == pytest.approx(1.0)
    assert set(seen["participant_id"]) == {"a"}
