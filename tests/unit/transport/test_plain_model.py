"""The reference scorer gives the scores of the stored model, by NumPy alone."""

import json
import subprocess
import sys

import numpy as np
import pytest

from commissure.files import write_json
from commissure.models.fitting import fit_models
from commissure.models.registry import FUSED_MODELS, ModelSpec
from commissure.models.settings import ModelSettings
from commissure.study.design import Block, DesignColumn
from commissure.transport import reference_scorer, stored_model
from commissure.transport.plain_model import plain_model

ABOUT = {"kind": "binary", "name": "", "positive": "yes", "negative": "no", "n": 1, "n_positive": 1}
#: Head size, confounds and baseline are columns 9 to 12, sites 13 to 15.
BLOCKS = {
    "plain": (Block("a", (0, 1, 2, 3)), Block("b", (4, 5, 6))),
    "head": (Block("a", (0, 1, 2, 3), adjusted=(0, 2), head_size=9), Block("b", (4, 5, 6))),
    "removed": (Block("a", (0, 1, 2, 3), removed=(10, 11)), Block("b", (4, 5, 6))),
    "change": (Block("a", (0, 1, 2, 3)), Block("b", (4, 5), before=(7, 8))),
}
COMBAT = (
    Block("a", (0, 1, 2, 3), sites=(13, 14, 15), kept=(10, 11), removed=(10,)),
    Block("b", (4, 5, 6), sites=(13, 14, 15)),
)


def matrix(people: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(people, 13)), np.eye(3)[np.arange(people) % 3]])
    X[:, 3] = 7.0  # a column that does not vary is dropped
    X[:, :6] += X[:, [9]] + X[:, [10]]
    X[rng.random(X.shape) < 0.05] = np.nan
    X[::7, 4:7] = np.nan
    X[1::11, 0:4] = np.nan
    X[3, 1] = -999.0
    X[:, 13:] = np.nan_to_num(X[:, 13:])
    return X


def checked(name, blocks, tmp_path, again=(0.0, 1.0)) -> None:
    X = matrix(90, 0)
    y = np.where(np.arange(90) % 4 == 0, -1, np.random.default_rng(1).integers(0, 2, 90))
    spec = ModelSpec(name, "fusion", "", ("a", "b"), blocks)
    settings = ModelSettings(inner_folds=3, penalties=[1.0, 10.0])
    model = fit_models([spec], X, y, settings=settings)[name]
    columns = [DesignColumn("m", f"r{i}", "marker") for i in range(X.shape[1])]
    write_json(plain_model(model, columns, {"marker": "mm"}, ABOUT, again), tmp_path / "m.json")
    plain = reference_scorer.read_model(tmp_path / "m.json")
    new = np.vstack([X, matrix(60, 5)])
    new[-1, :9] = np.nan  # nobody's modality
    new[-2, 13:] = 0.0  # a site that is not known
    new[-3, 9] = 500.0  # a head far from all others
    wanted = again[0] + again[1] * model.logits(new)[:, 0]
    said = reference_scorer.logits(plain, new)
    assert np.isnan(said[-1]) and np.isfinite(said).sum() > 120
    np.testing.assert_allclose(said, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["late", "early", "stacked"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_every_preparation_is_the_same_to_1e_12(name, kind, tmp_path) -> None:
    checked(name, BLOCKS[kind], tmp_path)


def test_combat_and_recalibration_are_the_same(tmp_path) -> None:
    pytest.importorskip("combatlearn")
    for name in ("late", "early", "stacked"):
        checked(name, COMBAT, tmp_path, (0.3, 0.7))


def test_recalibration_is_applied(tmp_path) -> None:
    checked("late", BLOCKS["plain"], tmp_path, (0.3, 0.7))


def test_a_model_of_one_modality_and_one_that_is_no_sum(tmp_path) -> None:
    X, y = matrix(40, 0), np.arange(40) % 2
    settings = ModelSettings(inner_folds=3, penalties=[1.0])
    block = BLOCKS["plain"][:1]
    columns = [DesignColumn("m", f"r{i}", "marker") for i in range(X.shape[1])]
    spec = ModelSpec("a", "modality", "", ("a",), block)
    model = fit_models([spec], X, y, settings=settings)["a"]
    write_json(plain_model(model, columns, {}, ABOUT, (0.0, 1.0)), tmp_path / "m.json")
    plain = reference_scorer.read_model(tmp_path / "m.json")
    assert reference_scorer.logits(plain, X) == pytest.approx(
        model.logits(X)[:, 0], abs=1e-12, nan_ok=True
    )
    assert not FUSED_MODELS["multiple_kernel"].linear
    spec = ModelSpec("multiple_kernel", "fusion", "", ("a", "b"), BLOCKS["plain"])
    kernel = fit_models([spec], X, y, settings=settings)["multiple_kernel"]
    assert plain_model(kernel, columns, {}, ABOUT, (0.0, 1.0)) is None


def test_the_stored_folder_scores_without_commissure(stored, tmp_path) -> None:
    frozen = stored_model.load(stored)
    X = np.random.default_rng(0).normal(size=(20, len(frozen.columns)))
    np.save(tmp_path / "X.npy", X)
    program = (
        "import sys, numpy as np, scorer\n"
        f"p = scorer.probabilities(scorer.read_model({str(stored / 'model.json')!r}), "
        f"np.load({str(tmp_path / 'X.npy')!r}))\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, p)\n"
        "assert not {'commissure', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=stored,
        check=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    wanted = 1 / (1 + np.exp(-frozen.logits(X)))
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), wanted, rtol=0, atol=1e-12)
    plain = json.loads((stored / "model.json").read_text())
    assert plain["columns"][0].keys() == {"modality", "region", "marker", "unit"}
    with pytest.raises(ValueError, match="X has the shape"):
        reference_scorer.logits(plain, X[:, 1:])
    (tmp_path / "old.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="reads format 2"):
        reference_scorer.read_model(tmp_path / "old.json")
