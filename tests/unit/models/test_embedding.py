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
from commissure.models.responses import Gaussian
from commissure.models.settings import EMBEDDING_NAMES, ModelSettings
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


TUNED = EmbeddingColumns(SMALL, age=6, tuned=300)


def test_tuning_moves_the_encoder_by_the_outcomes_in_training_alone():
    pytest.importorskip("torch", reason="the extra deep is not installed")
    X, y = cohort()
    model = EmbeddingModel(BLOCKS, inner_folds=3, columns=TUNED).fit(X, y)
    assert not np.array_equal(model.tuned_[0].encoder.weights[0], model.encoder_.weights[0])
    new, labels = cohort(seed=1)
    said = model.logits(new)[:, 0]
    assert (said[labels == 1][:, None] > said[labels == 0]).mean() > 0.7
    # Outcomes move it: others give other weights, of the same encoder.
    other = y.copy()
    other[y >= 0] = 1 - y[y >= 0]
    turned = EmbeddingModel(BLOCKS, inner_folds=3, columns=TUNED).fit(X, other)
    np.testing.assert_array_equal(turned.encoder_.weights[0], model.encoder_.weights[0])
    assert np.corrcoef(turned.logits(new)[:, 0], said)[0, 1] < -0.5
    nobody = new.copy()
    nobody[0, :6] = np.nan
    assert np.isnan(model.logits(nobody)[0]).all()
    both = EmbeddingModel(BLOCKS, inner_folds=3, columns=TUNED).fit(X, np.c_[y, other])
    np.testing.assert_allclose(both.logits(new)[:, 0], said)
    assert both.logits(new).shape == (120, 2)


def test_tuned_on_labels_by_chance_it_knows_its_training_people_and_nobody_else():
    pytest.importorskip("torch", reason="the extra deep is not installed")
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 41))
    X[:, 40] = rng.uniform(20, 60, 120)
    y = np.r_[np.full(40, -1), rng.permutation(np.arange(80) % 2)]
    settings = PretrainingSettings(hidden=32, embedding=16, batch=16, epochs=3)
    columns = EmbeddingColumns(settings, age=40, tuned=300)
    block = (Block("anat", tuple(range(40))),)
    fold, held = np.arange(120) % 4, np.full(120, np.nan)
    inside = []
    for number in range(4):
        train, test = fold != number, fold == number
        model = EmbeddingModel(block, inner_folds=3, columns=columns).fit(X[train], y[train])
        held[test] = model.logits(X[test])[:, 0]
        inside.append(auc(y[train], model.logits(X[train])[:, 0]))
    assert np.mean(inside) > 0.9, "a person who was trained on would be seen"
    assert abs(auc(y, held) - 0.5) < 0.15


def auc(y, said):
    return (said[y == 1][:, None] > said[y == 0]).mean()


def test_a_number_is_tuned_to_and_a_time_is_not():
    pytest.importorskip("torch", reason="the extra deep is not installed")
    X, y = cohort(patients=160)
    outcome = np.where(y < 0, np.nan, 50 + 10 * X[:, 0])
    model = EmbeddingModel(BLOCKS, inner_folds=3, response=Gaussian(), columns=TUNED)
    model.fit(X, outcome)
    new, _ = cohort(seed=1)
    said = model.logits(new)[:, 0]
    assert np.corrcoef(said, new[:, 0])[0, 1] > 0.6
    assert said.mean() == pytest.approx(50 + 10 * new[:, 0].mean(), abs=4)


def test_the_registry_takes_it_or_says_why_not(folder):
    X, y = cohort()
    asked = {"models": ["late", *EMBEDDING_NAMES], "confounds": ["age"]}
    specs, _ = model_specs(study(ModelSettings(**asked, embedding={"batch": 16}), X, y))
    assert [spec.name for spec in specs] == ["late", *EMBEDDING_NAMES]
    assert [spec.most_permutations for spec in specs] == [None, None, None, 100]
    assert [spec.embedding.tuned for spec in specs[1:]] == [0, 0, 100]
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
    tuned = {"models": ["late", "embedding_tuned"], "embedding": {"encoder": "elsewhere"}}
    with pytest.raises(ConfigError, match="take embedding_tuned out of config.yaml"):
        _refuse_absent_torch(Settings(fusion=tuned).fusion)


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
