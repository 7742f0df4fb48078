"""An embedding as a block: learnt without anybody who is tested, stored or learnt in the fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from commissure.errors import ConfigError, DatasetError
from commissure.flow.plan import Plan
from commissure.flow.settings import Settings, _refuse_absent_torch
from commissure.models import embedding
from commissure.models.embedding import EmbeddingColumns, EmbeddingModel, encoder_columns
from commissure.models.encoders.encoder import MarkerEncoder, scale_of
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.stored_encoder import StoredEncoder, store_encoder
from commissure.models.registry import model_specs
from commissure.models.settings import ModelSettings
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.study import Study

MARKERS = tuple(range(6))
BLOCKS = (Block("anat", (0, 1, 2)), Block("dwi", (3, 4, 5)))
SMALL = PretrainingSettings(hidden=8, embedding=4, batch=16, epochs=3)
IN_FOLD = EmbeddingColumns(SMALL, age=6)


def cohort(seed=0, controls=40, patients=80):
    rng = np.random.default_rng(seed)
    y = np.r_[np.full(controls, -1), np.arange(patients) % 2]
    X = rng.normal(size=(len(y), 7))
    X[:, 6] = rng.uniform(20, 60, len(y))
    X[:, :2] += 1.2 * (y == 1)[:, None]
    return X, y


def drawn_encoder(X):
    rng = np.random.default_rng(5)
    weights = tuple(rng.normal(size=shape) for shape in ((16, 6), (16,), (8, 16), (8,)))
    encoder = MarkerEncoder(*scale_of(X[:, :6]), weights)
    return encoder.with_healthy(X[:, :6], X[:, 6])


@pytest.fixture
def folder(tmp_path):
    X, y = cohort(seed=8)
    columns = [DesignColumn(b.name, f"r{n}", "m") for b in BLOCKS for n in b.columns]
    store_encoder(tmp_path / "encoder", drawn_encoder(X[y < 0]), columns, ["mm"] * 6, {})
    return str(tmp_path / "encoder")


def study(settings, X, y):
    columns = tuple(DesignColumn(b.name, f"r{n}", "m") for b in BLOCKS for n in b.columns)
    blocks = {block.name: block for block in BLOCKS} | {"confounds": Block("confounds", (6,))}
    design = Design(
        np.array([f"sub-{n:03d}" for n in range(len(X))]), np.full(len(X), "a"), X,
        (*columns, DesignColumn("confounds", "", "age")), blocks, ("anat", "dwi"),
    )  # fmt: skip
    return Study(settings, design, y, units={"m": "mm"})


@pytest.mark.parametrize("beside", [False, True])
def test_an_encoder_from_elsewhere_is_a_block(folder, beside):
    X, y = cohort()
    columns = EmbeddingColumns(SMALL, encoder=folder, markers=MARKERS, beside=beside)
    model = EmbeddingModel(BLOCKS, inner_folds=3, columns=columns).fit(X, y)
    new, labels = cohort(seed=1)
    logits = model.logits(new)[:, 0]
    won = (logits[labels == 1][:, None] > logits[labels == 0]).mean()
    assert won > 0.7
    nobody = new.copy()
    nobody[0, :6] = np.nan
    assert np.isnan(model.logits(nobody)[0]).all()
    assert clone(model).columns == columns


def test_patients_and_test_people_have_no_part_in_the_encoder():
    pytest.importorskip("torch", reason="the extra deep is not installed")
    X, y = cohort()
    first = EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(X, y)
    other = X.copy()
    other[y >= 0] *= 3
    again = EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(other, y)
    for one, two in zip(first.encoder_.weights, again.encoder_.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(first.preparations_, again.preparations_, strict=True):
        np.testing.assert_array_equal(one.mean_, two.mean_)
    fewer = np.r_[np.arange(30), np.arange(40, 120)]
    third = EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(X[fewer], y[fewer])
    assert not np.array_equal(first.encoder_.weights[0], third.encoder_.weights[0])


def test_it_is_learnt_once_for_the_same_controls(monkeypatch):
    pytest.importorskip("torch", reason="the extra deep is not installed")
    X, y = cohort(seed=4)
    EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(X, y)
    monkeypatch.setattr(embedding, "pretrain_markers", None)
    shuffled = y.copy()
    shuffled[y >= 0] = np.random.default_rng(0).permutation(y[y >= 0])
    EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(X, shuffled)


def test_with_fewer_controls_than_a_batch_everybody_gets_the_base_rate():
    X, y = cohort(controls=15)
    model = EmbeddingModel(BLOCKS, inner_folds=3, columns=IN_FOLD).fit(X, y)
    np.testing.assert_allclose(model.logits(X), 0.0, atol=1e-9)


def test_the_registry_takes_it_or_says_why_not(folder):
    X, y = cohort()
    asked = {"models": ["late", "embedding", "embedding_late"], "confounds": ["age"]}
    specs, _ = model_specs(study(ModelSettings(**asked, embedding={"batch": 16}), X, y))
    assert [spec.name for spec in specs] == ["late", "embedding", "embedding_late"]
    assert specs[1].embedding.age == 6
    assert specs[2].embedding.beside
    specs, cautions = model_specs(study(ModelSettings(**asked), X, y))
    assert [spec.name for spec in specs] == ["late"]
    assert any("40 controls, and a batch of 64" in caution for caution in cautions)
    stored, _ = model_specs(study(ModelSettings(**asked, embedding={"encoder": folder}), X, y))
    assert stored[1].embedding.markers == MARKERS


def test_the_run_learns_one_only_where_it_is_asked_for(monkeypatch):
    plan = Plan.__new__(Plan)

    def learns(**fusion):
        plan.settings = Settings(fusion=fusion)
        return plan.learns_embedding

    assert not learns()
    assert learns(models=["late", "embedding"])
    assert not learns(models=["late", "embedding"], embedding={"encoder": "elsewhere"})
    monkeypatch.setattr("commissure.flow.settings.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="torch is not installed.*EXTRAS=.deep"):
        _refuse_absent_torch(Settings(fusion={"models": ["late", "embedding"]}).fusion)
    _refuse_absent_torch(Settings().fusion)


def test_an_encoder_of_other_markers_or_units_is_refused(folder):
    X, y = cohort()
    of = study(ModelSettings(), X, y)
    good = [*of.design.columns[:6]]
    for columns, units, message in (
        ([*good[:5], DesignColumn("dwi", "Schaefer_1", "m")], ["mm"] * 6, "no such marker"),
        (good, ["cm", *["mm"] * 5], "in cm, and the study has it in mm"),
    ):
        stored = StoredEncoder(drawn_encoder(X), tuple(columns), tuple(units), {})
        with pytest.raises(DatasetError, match=message):
            encoder_columns(stored, of.design, of.units)
