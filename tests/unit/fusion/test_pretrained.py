"""An encoder that was learnt on people who are tested is refused; of others it is taken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.fusion.pretrained import refuse_pretrained_people
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.models.encoders.encoder import MarkerEncoder, scale_of
from commissure.models.encoders.stored_encoder import store_encoder
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.study import Study
from commissure.transport.encoder_people import encoder_digests

COLUMNS = tuple(DesignColumn("anat", f"r{n}", "volume") for n in range(20))


def study_of(values, y, encoder):
    settings = FusionSettings(models=["late", "embedding"], embedding={"encoder": str(encoder)})
    names = np.array([f"sub-{n:02d}" for n in range(len(y))])
    design = Design(
        names, np.full(len(y), "a"), values, COLUMNS, {"anat": Block("anat", tuple(range(20)))},
        ("anat",),
    )  # fmt: skip
    return Study(settings, design, y, units={"volume": "mm3"})


@pytest.mark.parametrize("learnt_on, refused", [("controls", False), ("patient", True)])
def test_the_digests_decide(tmp_path, learnt_on, refused):
    rng = np.random.default_rng(0)
    values = rng.normal(4000, 300, (60, 20))
    y = np.r_[np.full(30, -1), np.arange(30) % 2]
    people = values[:30] if learnt_on == "controls" else values[:31]
    weights = tuple(rng.normal(size=shape) for shape in ((8, 20), (8,), (4, 8), (4,)))
    encoder = MarkerEncoder(*scale_of(people), weights)
    encoder = encoder.with_healthy(people, rng.uniform(20, 60, len(people)))
    store = (tmp_path, encoder, COLUMNS, ["mm3"] * 20, {})
    store_encoder(*store, encoder_digests(people, COLUMNS, encoder))
    study = study_of(values, y, tmp_path)
    if refused:
        with pytest.raises(DatasetError, match="learnt on 1 people with an outcome, as sub-30"):
            refuse_pretrained_people(study)
    else:
        assert refuse_pretrained_people(study) == []
    # Another folder: what was read is kept.
    (tmp_path / "leaves").mkdir()
    store_encoder(tmp_path / "leaves", *store[1:])
    sentences = refuse_pretrained_people(study_of(values, y, tmp_path / "leaves"))
    assert "keeps no digests" in sentences[0]


def test_a_study_with_an_embedding_is_fitted_and_written(make_study, tmp_path):
    pytest.importorskip("torch", reason="the extra deep is not installed")
    settings = FusionSettings(
        models=["late", "embedding", "embedding_late", "embedding_tuned"], repeats=1,
        inner_folds=3, permutations=3, penalties=[1.0, 10.0], min_per_class=5,
        embedding={"batch": 4, "epochs": 2, "tuning_epochs": 2, "permutations": 1},
    )  # fmt: skip
    tables = make_study().tables()
    fuse(settings=settings, out=tmp_path / "fusion", **tables)
    metrics = json.loads((tmp_path / "fusion/metrics.json").read_text())
    models = metrics["models"]
    assert {"embedding", "embedding_late", "embedding_tuned"} <= set(models)
    assert "learnt on the controls in training" in models["embedding"]["description"]
