"""Models of every kind of outcome are frozen, applied to new people, and judged there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.transport import reference_scorer, stored_model
from commissure.transport.apply import apply_model
from commissure.transport.predict import model_matrix

FEW = {"repeats": 1, "permutations": 0, "models": ["late", "modalities"]}
SPECS = {
    "number": {"kind": "continuous", "column": "score", "unit": "points"},
    "change": {"kind": "continuous", "before": "earlier", "after": "later"},
    "classes": {"kind": "classes", "column": "grade", "classes": ["low", "mid", "high"]},
    "time": {"kind": "time_to_event", "column": "days", "event_column": "relapse"},
}
ASKED = {
    "number": {"label_column": "score"},
    "change": {"label_column": "gone"},
    "classes": {"label_column": "grade"},
    "time": {"label_column": "days", "event_column": "relapse"},
}


def with_outcomes(study, seed: int):
    """The study with a score, a change, a grade and a time that hang on its spectra."""
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t", na_values="n/a")
    rows = pd.read_csv(study.folder / "markers.tsv", sep="\t")
    by_person = rows[rows["modality"] == "mrs"].groupby("participant_id")["value"].sum()
    signal = by_person.reindex(people["participant_id"]).fillna(by_person.mean()).to_numpy()
    rng = np.random.default_rng(seed)
    until, end = rng.exponential(100 * np.exp(-signal)), rng.exponential(200, len(people))
    people["score"] = 10 + signal + rng.normal(0, 1, len(people))
    people["earlier"] = rng.normal(95, 12, len(people)).round()
    people["gone"] = 30 + 10 * signal + rng.normal(0, 8, len(people))
    above = (people["earlier"] - 30) * (1 - people["gone"] / 100)
    people["later"] = (30 + above).clip(30, 210)
    people["grade"] = np.select([signal > 1.5, signal > -0.2], ["high", "mid"], "low")
    people["days"] = np.minimum(until, end) + 1
    people["relapse"] = np.where(until <= end, "yes", "no")
    people.to_csv(study.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    return study


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A function that fits and stores a kind of outcome once: its folder, and new people."""
    from tests.unit.conftest import write_study

    folder, kept = tmp_path_factory.mktemp("kinds"), {}

    def freeze(name: str, **options):
        key = (name, str(options))
        if key not in kept:
            study = with_outcomes(write_study(folder / f"s{len(kept)}", n=90), 1)
            study.run(outcome=SPECS[name], **{**FEW, **options})
            kept[key] = study.results / "model"
        return kept[key]

    new = with_outcomes(write_study(folder / "new", n=120, seed=8), 2)
    return freeze, new.folder


@pytest.mark.parametrize(
    ("name", "columns", "key", "least"),
    [("number", ["predicted", "low", "high"], "r", 0.5),
     ("change", ["predicted", "low", "high"], "r", 0.4),
     ("classes", ["probability_low", "probability_mid", "probability_high", "set"], "hand_till", .7),
     ("time", ["log_hazard"], "c_index", 0.6)],
)  # fmt: skip
def test_every_kind_is_applied_to_new_people(frozen, tmp_path, name, columns, key, least) -> None:
    freeze, new = frozen
    lines: list[str] = []
    report = apply_model(freeze(name), new, out=tmp_path, say=lines.append, **ASKED[name])
    scores = pd.read_csv(tmp_path / "scores.tsv", sep="\t", na_values="n/a")
    assert list(scores) == ["participant_id", "site", *columns, "status", "reason"]
    assert (scores["status"] == "scored").mean() > 0.9
    assert scores.loc[scores["status"] == "scored", columns].notna().all(axis=None)
    within = report["performance"][f"{key}_within_site"]
    assert within["value"] > least and within["n"] > 80
    assert "within site" in " ".join(lines) and "nan" not in " ".join(lines)
    if name != "time":
        assert report["conformal"]["coverage"]["ci_high"] > 0.85


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("primary", ["late", "early", "stacked"])
def test_plain_numbers_give_the_scores_of_every_kind(frozen, name, primary) -> None:
    freeze, _ = frozen
    models = [*FEW["models"], *{primary} - {"late"}]
    folder = freeze(name) if primary == "late" else freeze(name, models=models, primary=primary)
    stored = stored_model.load(folder)
    plain = reference_scorer.read_model(folder / "model.json")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, len(stored.columns)))
    X[rng.random(X.shape) < 0.1] = np.nan
    X[0] = np.nan
    wanted = stored.logits(X)
    assert np.isnan(wanted[0]).all() and np.isfinite(wanted[1:]).mean() > 0.9
    np.testing.assert_allclose(reference_scorer.logits(plain, X), wanted, rtol=0, atol=1e-10)
    if name == "classes":
        p = reference_scorer.probabilities(plain, X)[1:]
        assert p.shape == (29, 3) and np.nansum(p, axis=1) == pytest.approx(1)
    else:
        with pytest.raises(ValueError, match="gives no probabilities"):
            reference_scorer.probabilities(plain, X)


def test_severity_before_is_asked_of_new_people_and_counts(frozen, tmp_path) -> None:
    freeze, new = frozen
    stored = stored_model.load(freeze("change"))
    assert stored.about["outcome"]["covariates"] == {"severity_before": "earlier"}
    people = pd.read_csv(new / "participants.tsv", sep="\t", na_values="n/a")
    rows = pd.read_csv(new / "markers.tsv", sep="\t", na_values="n/a", dtype={"session": str})
    first = stored.logits(model_matrix(stored, rows, people))
    worse = people.assign(earlier=people["earlier"] + 20)
    second = stored.logits(model_matrix(stored, rows, worse))
    slope = stored.model.freed_[0, 0]
    assert second - first == pytest.approx(20 * slope) and abs(slope) > 1e-3
    without = people.drop(columns="earlier")
    without.to_csv(tmp_path / "people.tsv", sep="\t", index=False, na_rep="n/a")
    with pytest.raises(DatasetError, match="there is no column 'earlier'"):
        apply_model(freeze("change"), new, out=tmp_path, participants=tmp_path / "people.tsv")


def test_outcomes_that_cannot_be_read_are_refused(frozen, tmp_path) -> None:
    freeze, new = frozen
    with pytest.raises(ConfigError, match="--event"):
        apply_model(freeze("time"), new, out=tmp_path, label_column="days")
    with pytest.raises(ConfigError, match="no column 'was'"):
        apply_model(freeze("time"), new, out=tmp_path, label_column="days", event_column="was")
    with pytest.raises(ConfigError, match="neither 'high' nor 'mid' nor 'low'"):
        apply_model(freeze("classes"), new, out=tmp_path, label_column="sex")
    with pytest.raises(DatasetError, match="sex is '[FM]'"):
        apply_model(freeze("number"), new, out=tmp_path, label_column="sex")


def test_outcomes_of_a_run_beside_the_markers_are_taken(frozen, tmp_path) -> None:
    freeze, new = frozen
    (new / "fusion").mkdir(exist_ok=True)
    people = pd.read_csv(new / "participants.tsv", sep="\t", na_values="n/a")
    event = np.where(people["relapse"] == "yes", "event", "censored")
    table = people[["participant_id"]].assign(label=event, reason="n/a", outcome=people["days"])
    table.to_csv(new / "fusion/labels.tsv", sep="\t", index=False)
    try:
        one = apply_model(freeze("time"), new, out=tmp_path)["performance"]
        other = apply_model(freeze("time"), new, out=tmp_path, **ASKED["time"])["performance"]
        assert one == other and one["n_events"] > 20
    finally:
        (new / "fusion/labels.tsv").unlink()


@pytest.mark.parametrize(
    ("name", "estimator", "options", "plain"),
    [("number", "sklearn.linear_model.ElasticNet", {"alpha": 0.01}, True),
     ("number", "sklearn.ensemble.RandomForestRegressor", {"n_estimators": 5}, False),
     ("number", "sklearn.linear_model.GammaRegressor", {"alpha": 0.1}, False),
     ("classes", "sklearn.svm.LinearSVC", {}, True)],
)  # fmt: skip
def test_an_estimator_by_its_path_is_plain_where_it_is_a_weighted_sum(
    frozen, tmp_path, name, estimator, options, plain
) -> None:
    freeze, new = frozen
    entry = {"name": "other", "estimator": estimator, "options": options}
    folder = freeze(name, models=[entry, "modalities"], primary="other")
    stored = stored_model.load(folder)
    card = (folder / "card.md").read_text()
    assert (folder / "model.json").is_file() == plain
    assert ("There is no `model.json`" in card) != plain
    assert ("share it as you would them" in card) != plain
    apply_model(folder, new, out=tmp_path, **ASKED[name])
    if plain:
        X = np.random.default_rng(0).normal(size=(30, len(stored.columns)))
        kept = reference_scorer.read_model(folder / "model.json")
        np.testing.assert_allclose(
            reference_scorer.logits(kept, X), stored.logits(X), rtol=0, atol=1e-9
        )
