"""What is read of a run, and what is refused in words: needs no torch."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from commissure import torch_device
from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table, write_table
from commissure.image_sequence.crops import IMAGE, LESION, read_sequence
from commissure.image_sequence.finished_run import read_run
from commissure.image_sequence.judge import visits_alone
from commissure.image_sequence.predict import Request, _divisions, _sequences, predict_visits
from commissure.image_sequence.settings import SequenceSettings
from commissure.settings import validated

SETTINGS = SequenceSettings(voxel_mm=6.0, channels=(4, 8), epochs=2, lesions=2)


def changed(path, **columns):
    table = read_table(path)
    write_table(table.assign(**columns), path)


def test_people_labels_and_folds_are_those_of_the_fusion(grown):
    run = read_run(grown / "run")
    labels = read_table(grown / "run/fusion/labels.tsv").set_index("participant_id")["label"]
    splits = read_table(grown / "run/fusion/splits.tsv", text=("participant_id", "fold"))
    assert list(run.study.text) == list(labels[run.study.design.participants])
    assert (run.study.y == 1).sum() == 10 and len(run.folds) == splits["fold"].nunique()
    fold = splits.set_index("participant_id")["fold"]
    for one in run.folds:
        assert set(fold[run.study.design.participants[one.test]]) == {one.name}
        assert set(one.train) | set(one.test) == set(range(20)) and not set(one.train) & set(
            one.test
        )
    assert run.sessions["sub-01"] == ["ses-1", "ses-2"]


def test_predictions_of_the_fusion_give_its_own_auc_again(grown):
    from commissure.evaluation.out_of_fold import model_aucs

    run = read_run(grown / "run")
    metrics = json.loads((grown / "run/fusion/metrics.json").read_text())
    for name, model in metrics["models"].items():
        again = model_aucs(run.study, run.scores_of(name, run.folds))["within"]
        assert again.value == pytest.approx(model["auc_within_site"]["value"], abs=1e-9)


def test_cubes_hold_the_lesions_in_one_place_at_all_visits(grown):
    run = read_run(grown / "run")
    wide = SETTINGS.model_copy(update={"crop_mm": 96.0, "voxel_mm": 6.0})
    person = read_sequence(run.masks["sub-01"], ["ses-1", "ses-2"], run.folder, wide)
    assert person.sessions == ("ses-1", "ses-2") and list(person.days) == [0.0, 56.0]
    assert person.cubes.shape == (2, len(person.lesions), 2, 16, 16, 16)
    lesions = read_table(grown / "run/lesions.tsv", text=("participant_id", "session", "label"))
    first = lesions[(lesions["participant_id"] == "sub-01") & (lesions["session"] == "ses-1")]
    largest = first.sort_values("volume_ml", ascending=False).iloc[0]
    assert str(person.lesions[0]) == largest["label"]
    # The middle of the first cube is the centre of the largest lesion.
    assert person.cubes[0, 0, LESION, 7:9, 7:9, 7:9].mean() > 0.9
    # The cube holds no less than this lesion, whose voxels are partly filled at its border.
    volume = person.cubes[0, 0, LESION].sum() * 6.0**3 / 1000
    assert volume >= 0.95 * largest["volume_ml"]
    seen = person.cubes[0, 0, IMAGE]
    inside = seen[person.cubes[0, 0, LESION] > 0.99]
    assert np.nanmean(inside) == pytest.approx((55 - 40) / 200, abs=0.06)


def test_a_visit_that_is_excluded_is_not_looked_at(copied):
    rule = {"participant_id": "sub-02", "session": "ses-2", "modality": "lesion", "rule": "named",
            "value": "named", "limit": None}  # fmt: skip
    table = read_table(copied / "run/exclusions.tsv")
    row = {name: rule.get(name, "x") for name in table.columns}
    write_table(pd.DataFrame([row]), copied / "run/exclusions.tsv")
    run = read_run(copied / "run")
    assert run.sessions["sub-02"] == ["ses-1"] and run.sessions["sub-01"] == ["ses-1", "ses-2"]


def test_visits_can_be_named_and_unknown_ones_are_refused(grown):
    assert read_run(grown / "run", sessions=["1", "ses-2"]).sessions["sub-03"][-1] == "ses-2"
    with pytest.raises(ConfigError, match=r"--visits: nobody has ses-9; some of ses-1, ses-2"):
        read_run(grown / "run", sessions=["9"])
    with pytest.raises(DatasetError, match="nobody has lesions measured at two of these visits"):
        read_run(grown / "run", sessions=["1"])


def test_a_folder_without_what_is_needed_is_refused_in_words(copied, tmp_path):
    run = copied / "run"
    with pytest.raises(DatasetError, match=r"no fusion/metrics.json.*run with a fusion"):
        read_run(tmp_path)
    metrics = json.loads((run / "fusion/metrics.json").read_text())

    def with_metrics(**changes):
        (run / "fusion/metrics.json").write_text(json.dumps({**metrics, **changes}))

    with_metrics(status="not_fitted", reason="There are 3 people")
    with pytest.raises(DatasetError, match="fitted no model: There are 3 people"):
        read_run(run)
    outcome = {"kind": "continuous", "column": "age"}
    with_metrics(settings={**metrics["settings"], "outcome": {**metrics["settings"]["outcome"],
                                                              **outcome}})  # fmt: skip
    with pytest.raises(ConfigError, match="of the kind continuous; binary"):
        read_run(run)
    with_metrics()
    with pytest.raises(DatasetError, match=r"nowhere: there is no such folder.*--bids"):
        read_run(run, tmp_path / "nowhere")
    visits = read_table(run / "visits.tsv")
    changed(run / "visits.tsv", visit=visits["visit"].replace("followup", "other"))
    with pytest.raises(DatasetError, match=r"no visit of this run is a follow-up.*--visits"):
        read_run(run)
    write_table(visits, run / "visits.tsv")
    labels = read_table(run / "fusion/labels.tsv")
    changed(run / "fusion/labels.tsv", label=labels["label"].map({"yes": "no", "no": "yes"}))
    with pytest.raises(
        DatasetError, match="label and site of fusion/predictions.tsv are not those"
    ):
        read_run(run)
    write_table(labels, run / "fusion/labels.tsv")
    (run / "work/index.tsv").unlink()
    with pytest.raises(DatasetError, match=r"no work/index.tsv"):
        read_run(run)


def test_an_outcome_before_a_visit_that_is_looked_at_is_refused(copied):
    run = copied / "run"
    metrics = json.loads((run / "fusion/metrics.json").read_text())
    metrics["settings"]["outcome"]["days_column"] = "answered"
    (run / "fusion/metrics.json").write_text(json.dumps(metrics))
    changed(run / "participants.tsv", answered=30.0)
    with pytest.raises(DatasetError, match=r"sub-01: the follow-up visit is 56 days after"):
        read_run(run)
    changed(run / "participants.tsv", answered=60.0)
    read_run(run)


def test_images_that_are_gone_and_too_few_people_are_told(copied):
    asked = Request(copied / "run", copied / "out", settings=SETTINGS)
    for path in copied.glob("bids/sub-*/ses-*/ct/*_ct.nii.gz"):
        if not path.parts[-4].endswith(("sub-01", "sub-02", "sub-03")):
            path.unlink()
    run = read_run(copied / "run")
    sequences, table = _sequences(run, SETTINGS, lambda line: None)
    assert len(sequences) == 3 and list(table["seen"]).count("no") == 17
    assert table["reason"].dropna().str.contains("is not in the dataset").all()
    with pytest.raises(DatasetError, match=r"people of the two labels have images; 5 of each"):
        _divisions(run, sequences, asked)
    for path in copied.glob("bids/sub-*/ses-*/ct/*_ct.nii.gz"):
        path.unlink()
    with pytest.raises(DatasetError, match="the images of nobody can be looked at"):
        _sequences(run, SETTINGS, lambda line: None)


def test_without_torch_it_is_refused_in_words(grown, tmp_path, monkeypatch):
    monkeypatch.setattr(torch_device, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"predict-visits: not installed: torch"):
        predict_visits(Request(grown / "run", tmp_path / "out"))


def test_cubes_too_small_for_the_network_are_refused():
    with pytest.raises(ConfigError, match=r"4 voxels cannot be halved 3 times"):
        validated(SequenceSettings, {"crop_mm": 8, "voxel_mm": 2}, who="predict-visits")


def test_the_number_of_visits_alone_is_judged_where_it_tells_the_outcome(grown):
    run = read_run(grown / "run")
    sequences, _ = _sequences(run, SETTINGS, lambda line: None)
    from dataclasses import replace

    fewer = {
        row: person if run.study.y[row] else
        replace(person, sessions=person.sessions[:1], days=person.days[:1], cubes=person.cubes[:1])
        for row, person in sequences.items()
    }  # fmt: skip
    from commissure.evaluation.out_of_fold import model_aucs

    folds = list(run.folds)
    assert model_aucs(run.study, visits_alone(run.study, fewer, folds))["within"].value == 1.0
    assert model_aucs(run.study, visits_alone(run.study, sequences, folds))["within"].value == 0.5
