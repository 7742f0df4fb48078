"""Networks in the folds of a fusion: the extra ``deep``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'deep' is not installed")

from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError
from commissure.evaluation.out_of_fold import model_aucs
from commissure.files import read_table
from commissure.fusion.settings import FusionSettings
from commissure.image_sequence.crops import IMAGE, LESION, VisitSequence
from commissure.image_sequence.fold_results import Learner, check_same_request
from commissure.image_sequence.network import new_network
from commissure.image_sequence.predict import Request, predict_visits
from commissure.image_sequence.settings import SequenceSettings
from commissure.image_sequence.training import (
    _batch,
    logits_of,
    scale_of,
    train_sequence,
)
from commissure.lesion.network.unet import load_arrays
from commissure.stored_arrays import read_arrays
from commissure.study.design import Design
from commissure.study.splits import CV, Fold, folds_that_compare
from commissure.study.study import Study
from commissure.torch_device import prepared_torch

TINY = SequenceSettings(crop_mm=8, voxel_mm=2, channels=(4,), hidden=4, lesions=2, epochs=6)
LONGER = TINY.model_copy(update={"epochs": 20, "learning_rate": 1e-2})
SMALL = SequenceSettings(voxel_mm=6.0, epochs=20, learning_rate=1e-2)


def people(labels, *, seed=0, rise=0.0, visits=2):
    """Cubes of noise that grow brighter by ``rise`` at the last visit of label 1."""
    rng = np.random.default_rng(seed)
    made = []
    for number, label in enumerate(labels):
        cubes = rng.normal(size=(visits, 2, 2, 4, 4, 4)).astype(np.float32)
        cubes[-1, :, IMAGE] += np.float32(rise * label)
        days = np.arange(visits) * 56.0
        made.append(VisitSequence(f"sub-{number:02d}", ("ses-1", "ses-2", "ses-3")[:visits], days,
                                  cubes, (1, 2)))  # fmt: skip
    return made


def learner(sequences, labels, out, settings=TINY):
    who = np.array([one.participant_id for one in sequences])
    sites = np.array(["a", "b"])[np.arange(len(labels)) // 2 % 2]
    design = Design(who, sites, np.zeros((len(who), 0)), (), {}, ())
    study = Study(FusionSettings(permutations=0, min_per_class=5), design, labels)
    prepared_torch("cpu")
    return Learner(study, dict(enumerate(sequences)), settings, out, "cpu", 2, lambda line: None)


def divisions(study, count=3):
    fold = folds_that_compare(study.text, study.design.sites, count, (1, 1, 0))
    return [
        Fold(CV, 0, str(n), np.flatnonzero(fold != n), np.flatnonzero(fold == n))
        for n in range(count)
    ]


LABELS = np.arange(36) % 2


def test_people_who_are_tested_change_nothing_in_the_network_of_their_fold(tmp_path):
    """Neither their images, their days nor their labels: what is learnt is learnt in training."""
    sequences = people(LABELS)
    first = learner(sequences, LABELS, tmp_path / "first")
    folds = divisions(first.study)
    first.scores(folds[:1])
    changed, labels = list(sequences), LABELS.copy()
    for row in folds[0].test:
        person = sequences[row]
        changed[row] = replace(person, cubes=9 * person.cubes + 5, days=person.days + 100)
        labels[row] = 1 - labels[row]
    learner(changed, labels, tmp_path / "second").scores(folds[:1])
    (one, card), (other, card_again) = (
        read_arrays(tmp_path / name / "networks/fold-000.npz", "a network")
        for name in ("first", "second")
    )
    assert card == card_again and set(one) == set(other)
    for name in one:
        assert np.array_equal(one[name], other[name]) != (name == "logits"), name
    # The same change in somebody who is trained on is seen.
    changed = list(sequences)
    row = folds[0].train[0]
    changed[row] = replace(changed[row], cubes=9 * changed[row].cubes + 5)
    learner(changed, LABELS, tmp_path / "third").scores(folds[:1])
    third, card = read_arrays(tmp_path / "third/networks/fold-000.npz", "a network")
    assert (
        not np.array_equal(third["logits"], one["logits"]) and card["image"] != card_again["image"]
    )


def test_visits_beyond_those_of_a_person_and_other_people_change_no_logit():
    prepared_torch("cpu")
    few, many = people([1, 0], seed=1), people([1, 0], seed=2, visits=3)
    trained = train_sequence(few + many, np.array([1, 0, 1, 0]), TINY, draws=(0,))
    alone = logits_of(trained, [few[0]], TINY)
    assert logits_of(trained, [many[0], few[0]], TINY)[1] == alone[0]
    network = new_network(TINY, seed=0)
    load_arrays(network, trained.weights, who="a test")
    network.eval()
    cubes, mean_of, times, lengths = _batch([few[0], many[0]], trained.scale, "cpu")
    assert times.shape == (2, 3, 2) and list(lengths) == [2, 3] and len(cubes) == 10
    together = float(network(cubes, mean_of, times, lengths)[0].detach())
    assert together == pytest.approx(alone[0], abs=1e-5)
    times[0, 2] = 1e3
    assert float(network(cubes, mean_of, times, lengths)[0].detach()) == together
    times[0, 1] = 1e3
    assert float(network(cubes, mean_of, times, lengths)[0].detach()) != together


def test_voxels_beyond_the_image_are_the_mean_and_unknown_days_are_told():
    person = people([1])[0]
    person.cubes[:, :, IMAGE, :2] = np.nan
    person.days[:] = np.nan
    scale = scale_of([person, *people([0], seed=4)])
    seen = person.cubes[:, :, IMAGE]
    cubes, _, times, _ = _batch([person], scale, "cpu")
    assert np.isfinite(cubes.numpy()).all() and (cubes.numpy()[:, IMAGE, :2] == 0).all()
    assert np.array_equal(cubes[:, 2], cubes[:, IMAGE] * cubes[:, LESION])
    assert cubes.numpy()[:, IMAGE, 2:].reshape(-1) == pytest.approx(
        (seen[:, :, 2:].reshape(-1) - scale.image[0]) / scale.image[1], abs=1e-5
    )
    assert (times.numpy() == 0).all()


class Interrupted(Exception):
    """As somebody who pulls the plug."""


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_training_that_was_interrupted_ends_with_the_same_bits(tmp_path, epoch):
    prepared_torch("cpu")
    sequences, labels = people(LABELS[:12]), LABELS[:12]

    def stop(done):
        if done == epoch:
            raise Interrupted

    whole = train_sequence(sequences, labels, TINY, draws=(0, 1))
    path = tmp_path / "checkpoint.npz"
    request = {"shape": {}, "training": {"fold": [0, 1]}, "images_sha256": ""}
    usual = {"draws": (0, 1), "checkpoint": path, "request": request, "checkpoint_every": 2}
    with pytest.raises(Interrupted):
        train_sequence(sequences, labels, TINY, progress=stop, **usual)
    assert path.exists() == (epoch > 1)
    said = []
    again = train_sequence(sequences, labels, TINY, progress=said.append, **usual)
    assert said[0] == 2 * (epoch // 2) + 1 or said[0] == epoch == 1
    assert again.losses == whole.losses
    assert all(np.array_equal(again.weights[name], whole.weights[name]) for name in whole.weights)
    other = train_sequence(sequences, labels, TINY, draws=(0, 2))
    assert not np.array_equal(other.weights["says.weight"], whole.weights["says.weight"])


def areas(rise, cohorts, tmp_path):
    found = []
    for seed in range(cohorts):
        made = learner(
            people(LABELS, seed=[seed, 5], rise=rise), LABELS, tmp_path / f"{rise}-{seed}", LONGER
        )
        folds = divisions(made.study)
        found.append(model_aucs(made.study, made.scores(folds))["within"].value)
    return np.array(found)


def test_what_is_planted_is_found_and_nothing_is_at_chance(tmp_path):
    assert areas(1.0, 2, tmp_path).min() > 0.9
    # The standard error of the mean of eight is about .035.
    assert areas(0.0, 8, tmp_path).mean() == pytest.approx(0.5, abs=0.11)


def test_permuted_labels_give_a_p_value(tmp_path):
    made = learner(people(LABELS, rise=1.0), LABELS, tmp_path / "out")
    null = made.null(4)
    assert null.aucs.shape == (1, 5) and null.p in (0.2, 0.4, 0.6, 0.8, 1.0)
    kept = sorted(path.name for path in (tmp_path / "out/permutations").iterdir())
    assert len(kept) == 5 * made.study.settings.outer_folds
    assert made.null(0) is None
    assert np.array_equal(made.null(4).aucs, null.aucs)


@pytest.fixture(scope="module")
def predicted(grown, tmp_path_factory):
    out = tmp_path_factory.mktemp("sequence") / "out"
    result = predict_visits(Request(grown / "run", out, settings=SMALL, device="cpu"))
    return out, result


def test_growth_is_found_beside_the_models_of_the_fusion(grown, predicted):
    out, result = predicted
    assert result["models"]["image_sequence"]["auc_within_site"]["value"] > 0.85
    assert result["models"]["visits_alone"]["auc_within_site"]["value"] == 0.5
    assert result["models"]["image_sequence"]["p_permutation"] is None
    fusion = json.loads((grown / "run/fusion/metrics.json").read_text())["models"]
    assert set(result["fusion"]) == set(fusion)
    for name, model in fusion.items():
        assert result["fusion"][name]["auc_within_site"]["value"] == pytest.approx(
            model["auc_within_site"]["value"]
        )
    pairs = {row["model"]: row["delong"] for row in result["comparisons"]}
    assert set(pairs) == {*fusion, "visits_alone"}
    areas = {**result["models"], **result["fusion"]}
    gap = [areas[name]["auc_within_site"]["value"] for name in ("image_sequence", "clinical")]
    assert pairs["clinical"]["value"] == pytest.approx(gap[0] - gap[1])
    assert any("no p value" in caution for caution in result["cautions"])
    table = read_table(out / "predictions.tsv", text=("participant_id", "fold"))
    theirs = read_table(grown / "run/fusion/predictions.tsv", text=("participant_id", "fold"))
    assert list(table) == list(theirs)
    mine = table[table["model"] == "image_sequence"].set_index("participant_id")
    of_late = theirs[theirs["model"] == "late"].set_index("participant_id")
    assert dict(mine["fold"]) == dict(of_late["fold"])
    assert dict(mine["label"]) == dict(of_late["label"])
    visits = read_table(out / "visits.tsv")
    assert len(visits) == 40 and (visits["seen"] == "yes").all()


def test_the_command_goes_on_where_it_was_interrupted_with_the_same_bits(
    grown, predicted, tmp_path
):
    out, _ = predicted
    asked = Request(grown / "run", tmp_path / "out", settings=SMALL, device="cpu")

    def stop(line):
        if line.startswith("fold 3"):
            raise Interrupted

    with pytest.raises(Interrupted):
        predict_visits(asked, say=stop)
    assert not (asked.out / "metrics.json").exists()
    assert len(list((asked.out / "networks").iterdir())) == 3
    said = []
    predict_visits(asked, say=said.append)
    assert sum(line.startswith("fold") for line in said) == 2
    for path in [*(out / "networks").iterdir(), out / "predictions.tsv"]:
        assert (asked.out / path.relative_to(out)).read_bytes() == path.read_bytes(), path.name


def test_another_request_is_refused_in_the_same_folder(grown, predicted, tmp_path):
    out, _ = predicted
    for change, found in (({"epochs": 9}, "epochs 20; epochs 9"), ({"seed": 2}, "seed 1; seed 2")):
        with pytest.raises(ConfigError, match=found):
            predict_visits(Request(grown / "run", out, device="cpu",
                                   settings=SMALL.model_copy(update=change)))  # fmt: skip
    request = {"settings": {}, "folds": "a", "labels": "b", "images": "c", "device": "cpu"}
    check_same_request(request, tmp_path / "new")
    with pytest.raises(ConfigError, match="results with other images; those of this request"):
        check_same_request({**request, "images": "d"}, tmp_path / "new")


@pytest.mark.slow
def test_a_killed_command_goes_on_as_if_it_had_not_been(grown, tmp_path):
    """By SIGKILL, at an arbitrary moment after the first network was kept."""
    out = tmp_path / "killed"
    command = [
        sys.executable, "-m", "commissure.cli", "predict-visits", str(grown / "run"), "--voxel-mm",
        "6", "--epochs", "12", "--checkpoint-every", "2", "--device", "cpu", "--out",
    ]  # fmt: skip
    process = subprocess.Popen(
        [*command, str(out)], env=dict(os.environ), stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 300
        while not (out / "networks/fold-000.npz").exists() and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert not (out / "metrics.json").exists()
    subprocess.run([*command, str(out)], check=True, stdout=subprocess.DEVNULL)
    whole = tmp_path / "whole"
    result = CliRunner().invoke(app, [*command[3:], str(whole)])
    assert result.exit_code == 0 and "within site the images reach an AUC of" in result.output
    assert (out / "predictions.tsv").read_bytes() == (whole / "predictions.tsv").read_bytes()
