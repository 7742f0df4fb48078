"""A model that leaves a hospital tells of nobody that they were in training."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import DatasetError
from commissure.transport.card import HOLDS_PEOPLE
from commissure.transport.released import release
from commissure.transport.stored_model import load
from commissure.transport.training_membership import in_training


def test_a_released_model_scores_alike_and_knows_nobody(stored, tmp_path):
    before = load(stored)
    assert len(before.digests) > 0
    done = CliRunner().invoke(app, ["release", str(stored), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    after = load(tmp_path / "out")
    assert list(after.digests) == [] and after.about["n_recognisable"] == 0
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert not any(digest.encode() in content for digest in before.digests), path.name
    people = np.random.default_rng(0).normal(size=(20, len(before.columns)))
    np.testing.assert_array_equal(after.logits(people), before.logits(people))
    assert not in_training(people, after.blocks, after.domain, after.digests).any()
    card = (tmp_path / "out" / "card.md").read_text()
    assert "keeps no digests" in card and "one-way digests" not in card


def test_a_model_that_holds_people_does_not_leave(stored, tmp_path):
    card = (stored / "card.md").read_text()
    release(stored, tmp_path / "out")
    (tmp_path / "out" / "card.md").write_text(card + HOLDS_PEOPLE)
    with pytest.raises(DatasetError, match="it holds values of its training people"):
        release(tmp_path / "out", tmp_path / "again")
    with pytest.raises(DatasetError, match="take the model's place"):
        release(stored, stored)
