"""A network that looks at the images of a run of the workflow: the extra ``deep``."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'deep' is not installed")

from commissure.files import read_table, write_table
from commissure.image_sequence.predict import Request, predict_visits
from commissure.image_sequence.settings import SequenceSettings
from commissure.phantom.lesions.dataset import write_follow_ups

pytestmark = pytest.mark.slow


def test_images_are_predicted_from_in_the_folds_of_a_run(study):
    people = 20
    write_follow_ups(
        study.bids, patients=people, visits=2, lesions=3, seed=3, voxel_mm=(6.0, 6.0, 6.0)
    )
    truth = read_table(study.bids / "sourcedata/truth/lesions.tsv", text=("session",))
    total = truth.pivot_table(
        index="participant_id", columns="session", values="volume_ml", aggfunc="sum"
    ).fillna(0.0)
    grown = (total["ses-2"] / total["ses-1"]).rank(method="first") > people / 2
    table = read_table(study.bids / "participants.tsv")
    table["grown"] = np.where(grown[table["participant_id"]], "yes", "no")
    write_table(table, study.bids / "participants.tsv")
    study.configure(
        modalities=["lesion"],
        lesion={"registration": "none"},
        sessions={"baseline": "1", "followup": "2"},
        fusion={
            "label": {"source": "column", "column": "grown", "positive": "yes", "negative": "no"},
            "clinical": ["age"], "visit_markers": ["baseline", "change"], "permutations": 19,
            "repeats": 1, "models": ["late", "modalities", "clinical"],
            "secondary_analyses": False, "min_per_class": 5,
        },
    )  # fmt: skip
    study.snakemake()
    settings = SequenceSettings(voxel_mm=6.0, epochs=20, learning_rate=1e-2)
    result = predict_visits(
        Request(study.out, study.folder / "sequence", settings=settings, device="cpu")
    )
    assert result["people"] == people and result["visits"] == {"2": people}
    assert result["models"]["image_sequence"]["auc_within_site"]["value"] > 0.8
    metrics = json.loads((study.out / "fusion/metrics.json").read_text())["models"]
    assert set(result["fusion"]) == set(metrics)
