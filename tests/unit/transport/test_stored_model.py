"""A model comes back as it was stored, and nothing else is loaded."""

import pickle

import numpy as np
import pytest
import skops.io
from sklearn.gaussian_process import GaussianProcessClassifier

from commissure.errors import DatasetError
from commissure.models.registry import FUSED_MODELS, ModelSpec, fit_models
from commissure.models.settings import ModelSettings
from commissure.study.design import Block
from commissure.transport import stored_model


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
    content = {"model": model, "columns": [], "units": {}, "domain": {}, "digests": [], "about": {}}
    stored = stored_model._without_addresses(skops.io.dumps(content))
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
