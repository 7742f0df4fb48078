"""Training and applying a real network: the extra ``deep``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'deep' is not installed")
pytest.importorskip("monai", reason="the extra 'deep' is not installed")

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import CommissureError, ConfigError, DatasetError
from commissure.files import read_table
from commissure.images.load import save_image
from commissure.lesion.builtin.preprocess import preprocess
from commissure.lesion.derivatives import LesionFiles, LesionMeasured
from commissure.lesion.measure import measure
from commissure.lesion.network.apply import mark_dataset
from commissure.lesion.network.checkpoint import CHECKPOINT
from commissure.lesion.network.examples import marked_scans
from commissure.lesion.network.segment import marked_by, ready_network
from commissure.lesion.network.settings import NetworkShape, TrainingSettings
from commissure.lesion.network.train import Training, train
from commissure.lesion.network.unet import new_unet, read_network
from commissure.lesion.settings import LesionMeasureSettings, LesionPreprocessSettings
from commissure.phantom.lesions.dataset import write_follow_ups

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SETTINGS = TrainingSettings(steps=6, held_out=0.34, seed=2)


@pytest.fixture(scope="module")
def bids(tmp_path_factory) -> Path:
    """Three livers at two visits, in coarse voxels; read, never written."""
    folder = tmp_path_factory.mktemp("livers") / "bids"
    write_follow_ups(folder, patients=3, visits=2, lesions=3, seed=5, voxel_mm=(6.0, 6.0, 6.0))
    return folder


def training(bids, out, **changes):
    usual = {
        "patch": 16, "channels": (4, 8), "settings": SETTINGS, "checkpoint_every": 2,
        "device": "cpu",
    }  # fmt: skip
    return Training(bids, out, **{**usual, **changes})


@pytest.fixture(scope="module")
def network(bids, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("network") / "net"
    train(training(bids, out))
    return out


def test_what_a_network_says_of_a_place_does_not_hang_on_what_lies_far_away():
    """Else a window of fat alone looks like one of liver alone."""
    import torch

    module = new_unet(NetworkShape(image="ct", voxel_mm=2, patch=16, channels=(2, 4, 8)), seed=1)
    image = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 64, 16, 16)))
    other = image.clone()
    other[:, :, :8] -= 5
    with torch.no_grad():
        first, second = (module.eval()(x.float())[0, 0] for x in (image, other))
    assert not torch.equal(first[:8], second[:8])
    assert torch.equal(first[48:], second[48:])


def test_before_anything_is_learnt_lesions_are_rare():
    import torch

    for seed in range(3):
        module = new_unet(NetworkShape(image="ct", voxel_mm=2, patch=16), seed=seed)
        image = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 1, 32, 32, 32)))
        with torch.no_grad():
            share = torch.sigmoid(module(image.float())).mean()
        assert 0.002 < float(share) < 0.05


class Interrupted(Exception):
    """As somebody who pulls the plug."""


def interrupted_at(step):
    def progress(done, loss):
        if done == step:
            raise Interrupted

    return progress


def test_two_trainings_give_the_same_weights_bit_for_bit(bids, network, tmp_path):
    again = train(training(bids, tmp_path / "again"))
    assert (tmp_path / "again/network.npz").read_bytes() == (network / "network.npz").read_bytes()
    other = train(training(bids, tmp_path / "other",
                           settings=SETTINGS.model_copy(update={"seed": 3})))  # fmt: skip
    assert other.digest != again.digest
    about = again.about
    assert about["people"] == 2 and about["held_out"]["people"] == 1
    assert about["training"]["device"] == "cpu" and about["versions"]["monai"]
    losses = read_table(tmp_path / "again/losses.tsv")
    assert list(losses["step"]) == [6] and losses["loss"].between(0, 3).all()
    assert not (tmp_path / "again" / CHECKPOINT).exists()


@pytest.mark.parametrize("step", [1, 3, 5])
def test_an_interrupted_training_ends_with_the_same_weights(bids, network, tmp_path, step):
    asked, said = training(bids, tmp_path / "net"), []
    with pytest.raises(Interrupted):
        train(asked, progress=interrupted_at(step))
    assert (asked.out / CHECKPOINT).exists() == (step > 1)
    assert not (asked.out / "network.json").exists()
    card = train(asked, say=said.append)
    assert ("going on from step" in " ".join(said)) == (step > 1)
    assert card.digest == json.loads((network / "network.json").read_text())["weights_sha256"]
    assert train(asked, say=said.append).digest == card.digest and "already" in said[-1]


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_it_had_not_been(bids, network, tmp_path):
    """By SIGKILL, at an arbitrary moment after a checkpoint was written."""
    out = tmp_path / "net"
    command = [
        sys.executable, "-m", "commissure.cli", "train-lesion", str(bids), str(out), "--patch",
        "16", "--channels", "4,8", "--steps", "400", "--held-out", "0.34", "--seed", "2",
        "--checkpoint-every", "20", "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 300
        while not (out / CHECKPOINT).exists() and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert (out / CHECKPOINT).exists() and not (out / "network.json").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = train(training(bids, tmp_path / "whole",
                           settings=SETTINGS.model_copy(update={"steps": 400})))  # fmt: skip
    assert (out / "network.npz").read_bytes() == (tmp_path / "whole/network.npz").read_bytes()
    steps = json.loads((out / "network.json").read_text())["trained_in"]["steps"]
    assert 0 < steps < 400, "it went on, and did not begin again"
    assert whole.about["trained_in"]["steps"] == 400


def test_a_checkpoint_or_network_of_another_request_is_refused_in_words(bids, network, tmp_path):
    asked = training(bids, tmp_path / "net")
    with pytest.raises(Interrupted):
        train(asked, progress=interrupted_at(3))
    for change, said in (
        ({"channels": (4, 8, 8)}, r"another network: channels 4,8; --channels 4,8,8 is expected"),
        ({"voxel_mm": 7.0}, r"another network: voxel_mm 6.0; --voxel-mm 7.0"),
        ({"settings": SETTINGS.model_copy(update={"steps": 9})}, r"another training: steps 6"),
    ):
        for out in (asked.out, network):
            with pytest.raises(ConfigError, match=said):
                train(replace(asked, out=out, **change))
    write_follow_ups(tmp_path / "others", patients=3, visits=2, lesions=3, seed=6,
                     voxel_mm=(6.0, 6.0, 6.0))  # fmt: skip
    with pytest.raises(ConfigError, match="on other images or masks"):
        train(replace(asked, bids=tmp_path / "others"))
    content = (asked.out / CHECKPOINT).read_bytes()
    (asked.out / CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="checkpoint .* cannot be read"):
        train(asked)


def test_weights_of_another_architecture_are_refused_in_words(network, tmp_path):
    card = json.loads((network / "network.json").read_text())
    card["shape"]["channels"] = [4, 16]
    (tmp_path / "network.json").write_text(json.dumps(card))
    (tmp_path / "network.npz").write_bytes((network / "network.npz").read_bytes())
    with pytest.raises(DatasetError, match="weights of another architecture"):
        read_network(tmp_path)


def test_a_cuda_device_that_is_not_there_is_refused(network):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a graphics processor")
    with pytest.raises(ConfigError, match="torch sees no graphics processor"):
        ready_network(network, device="cuda")


@pytest.fixture(scope="module")
def learnt(bids, tmp_path_factory) -> Path:
    """A network that has learnt enough to mark something."""
    out = tmp_path_factory.mktemp("learnt") / "net"
    settings = TrainingSettings(steps=500, held_out=0)
    train(training(bids, out, settings=settings, channels=(8, 16, 32), checkpoint_every=1000))
    return out


def test_a_trained_network_marks_what_it_has_seen_and_says_how_sure_it_is(bids, learnt):
    scan = marked_scans(bids)[0]
    network = ready_network(learnt, device="cpu")
    image = nib.load(scan.associated["image"])
    drawn = np.asarray(nib.load(scan.path).dataobj) > 0
    marked = marked_by(network, image, floor_mm3=0, who=scan.who)
    assert 2 * (drawn & (marked.labels > 0)).sum() / (drawn.sum() + (marked.labels > 0).sum()) > 0.6
    assert marked.probability[drawn].mean() > 0.5 > marked.probability[~drawn].mean()
    assert 0 < marked.agreement <= 1 and marked.entropy.max() <= 1
    assert [lesion.label for lesion in marked.lesions] == list(range(1, marked.labels.max() + 1))
    again = marked_by(network, image, floor_mm3=0, who=scan.who)
    assert np.array_equal(again.probability, marked.probability)
    one = marked_by(network, image, floor_mm3=0, who=scan.who, passes=1)
    assert one.agreement == 1.0
    sizes = sorted(lesion.volume_mm3 for lesion in marked.lesions)
    few = marked_by(network, image, floor_mm3=sizes[-1], who=scan.who)
    assert len(few.lesions) == 1 and few.too_small == len(sizes) - 1


def test_an_image_that_is_mirrored_is_marked_as_a_mirror_would(bids, learnt):
    """With all eight passes nothing prefers a side."""
    scan = marked_scans(bids)[0]
    image = nib.load(scan.associated["image"])
    network = ready_network(learnt, device="cpu")
    flipped = nib.Nifti1Image(np.flip(np.asarray(image.dataobj), 0), image.affine)
    first, second = (marked_by(network, x, floor_mm3=0, who="x") for x in (image, flipped))
    assert np.flip(second.probability, 0) == pytest.approx(first.probability, abs=1e-3)


def test_masks_of_a_network_go_through_the_steps_of_the_modality(bids, learnt, tmp_path):
    settings = LesionPreprocessSettings(masks=str(learnt), registration="none", least_volume_mm3=0)
    entries = survey(bids, tree_of(bids), unmarked="ct")[0]
    scans = [e.scan_in(bids) for e in entries if e.used and e.participant_id == "sub-01"]
    assert [scan.suffix for scan in scans] == ["ct", "ct"]
    folders = [tmp_path / scan.participant_id / scan.session / "lesion" for scan in scans]
    for scan, folder in zip(scans, folders, strict=True):
        folder.mkdir(parents=True)
        preprocess(scan, folder, settings=settings, visits=scans)
    files = LesionFiles.of(scans[0], folders[0])
    assert files.complete() and files.probability.exists() and files.entropy.exists()
    assert files.labels.name == "sub-01_ses-1_ce-iodine_label-lesion_desc-numbered_dseg.nii.gz"
    record = json.loads(files.sidecar.read_text())["Network"]
    assert record["Weights"] == json.loads((learnt / "network.json").read_text())["weights_sha256"]
    assert record["Device"] == "cpu" and record["torch"] and len(record["Lesions"]) > 0
    for scan, folder in zip(scans, folders, strict=True):
        measure(scan, folder, settings=LesionMeasureSettings(), visits=scans)
    quality = json.loads(LesionMeasured.of(scans[0], folders[0]).quality.read_text())
    checks = {check["name"]: check for check in quality["checks"]}
    assert checks["network_agreement"]["value"] == pytest.approx(record["Agreement"], abs=1e-3)
    assert LesionMeasured.of(scans[1], folders[1]).response.exists()


def test_a_marked_dataset_is_found_by_a_study_and_a_drawn_mask_is_preferred(bids, learnt, tmp_path):
    said = []
    masks = mark_dataset(learnt, bids, floor_mm3=250, passes=2, out=tmp_path / "lesions",
                         device="cpu", say=said.append)  # fmt: skip
    assert len(masks) == len(said) == 6
    assert masks[0].parent == tmp_path / "lesions/sub-01/ses-1/ct"
    table = read_table(masks[0].with_name(masks[0].name.replace(".nii.gz", ".tsv")))
    assert list(table) == ["index", "name", "volume_mm3", "probability", "agreement"]
    labels = np.asarray(nib.load(masks[0]).dataobj)
    assert labels.max() == len(table) and (table["volume_mm3"] >= 250).all()
    study = tmp_path / "study"
    for source, place in ((bids, study), (tmp_path / "lesions", study / "derivatives/lesions")):
        for path in source.rglob("*_ct.nii.gz" if source == bids else "*"):
            if path.is_file():
                target = place / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    drawn = study / "sub-01/ses-1/ct/sub-01_ses-1_ce-iodine_label-lesion_dseg.nii.gz"
    drawn.write_bytes(masks[0].read_bytes())
    used = [e.scan for e in survey(study, tree_of(study))[0] if e.used]
    assert len(used) == 6 and sum("desc-network" in scan for scan in used) == 5


def test_a_dataset_without_images_of_its_kind_is_refused(learnt, tmp_path):
    image = tmp_path / "heads/sub-01/anat/sub-01_T1w.nii.gz"
    save_image(np.ones((4, 4, 4), np.float32), np.eye(4), image)
    with pytest.raises(CommissureError, match="no ct image"):
        mark_dataset(learnt, tmp_path / "heads", floor_mm3=0, passes=1, device="cpu")
