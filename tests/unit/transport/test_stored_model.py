"""A model comes back as it was stored, and nothing else is loaded."""

import pickle

import numpy as np
import pytest
import skops.io
from sklearn.gaussian_process import GaussianProcessClassifier

from commissure.errors import DatasetError
from commissure.models.fitting import fit_models
from commissure.models.registry import FUSED_MODELS, ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import Block
from commissure.transport import reference_scorer, stored_model
from commissure.transport.kinds import PREDICTION_KINDS
from commissure.transport.stored_file import without_addresses


@pytest.mark.parametrize("name", FUSED_MODELS)
def test_every_model_of_the_registry_comes_back_as_it_was(name: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    site = np.arange(60) % 2
    X = np.column_stack([rng.normal(size=(60, 7)), np.eye(2)[site]])
    X[::7, 4:7] = np.nan
    blocks = (Block("a", (0, 1, 2, 3), sites=(7, 8)), Block("b", (4, 5, 6)))
    spec = ModelSpec(name, "fusion", "", ("a", "b"), blocks)
    settings = ModelSettings(inner_folds=3, penalties=[1.0, 10.0])
    model = fit_models([spec], X, rng.integers(0, 2, 60), settings=settings)[name]
    content = {
        "model": model,
        "columns": [],
        "units": {},
        "domain": {},
        "digests": [],
        "about": {"kind": "binary"},
    }
    stored = without_addresses(skops.io.dumps(content))
    (tmp_path / "model.skops").write_bytes(stored)
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
    skops.io.dump({"model": GaussianProcessClassifier()}, tmp_path / "model.skops")
    skops.io.dump({"model": np.vectorize}, tmp_path / "other.skops")
    (tmp_path / "pickled.skops").write_bytes(pickle.dumps({"model": 1}))
    for name in ("model.skops", "other.skops", "pickled.skops"):
        with pytest.raises(DatasetError):
            stored_model.load(tmp_path / name)
    with pytest.raises(DatasetError, match="there is no stored model"):
        stored_model.load(tmp_path / "nothing")


def test_a_model_of_an_older_version_is_refused_in_words(stored, tmp_path) -> None:
    content = skops.io.load(stored / "model.skops", trusted=list(stored_model.MODEL_FILE.trusted))
    for part, lacks in ((content["model"], "slopes_"), (content["model"].models_[0], "coef_"),
                        (content["model"].models_[0].preparations_[0], "removal_")):  # fmt: skip
        kept = part.__dict__.pop(lacks)
        skops.io.dump(content, tmp_path / "model.skops")
        with pytest.raises(DatasetError, match=r"stored by version 0.*lacks what version"):
            stored_model.load(tmp_path)
        part.__dict__[lacks] = kept
    del content["version"], content["model"].slopes_
    skops.io.dump(content, tmp_path / "model.skops")
    with pytest.raises(DatasetError, match="older version, which does not say its number"):
        stored_model.load(tmp_path)


def test_a_recalibrated_model_says_so_and_scores_by_it(make_study) -> None:
    study = make_study("again", d=1.0)
    few = {"repeats": 1, "permutations": 0, "models": ["late", "early", "modalities"]}
    plain = study.run(**few, recalibrate=False)
    first = stored_model.load(study.results / "model")
    assert first.recalibration == stored_model.AS_FITTED
    again = study.run(**few)  # late is, without a word
    second = stored_model.load(study.results / "model")
    assert again["models"] == plain["models"]
    intercept, slope = second.recalibration
    assert (intercept, slope) != stored_model.AS_FITTED and slope >= 0
    X = np.random.default_rng(0).normal(size=(9, len(second.columns)))
    assert second.logits(X) == pytest.approx(intercept + slope * first.logits(X), abs=1e-12)
    assert f"slope {slope:.3f}" in (study.results / "model/card.md").read_text()
    kept = reference_scorer.read_model(study.results / "model/model.json")
    assert reference_scorer.logits(kept, X) == pytest.approx(second.logits(X), abs=1e-12)
    # The limits of the sets move along: the same people have the same sets.
    for limits, one in ((second.about["conformal"]["limits"], second),
                        (first.about["conformal"]["limits"], first)):  # fmt: skip
        kind = PREDICTION_KINDS["binary"]
        sets = kind.sets(one.logits(X), limits)
        assert (sets == kind.sets(first.logits(X), first.about["conformal"]["limits"])).all()
    study.run(**few, primary="early")
    assert stored_model.load(study.results / "model").recalibration == stored_model.AS_FITTED
