"""A network marks the lesions inside the workflow: the extra ``deep``."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="the extra 'deep' is not installed")
pytest.importorskip("monai", reason="the extra 'deep' is not installed")

from commissure.files import read_table
from commissure.lesion.network.settings import TrainingSettings
from commissure.lesion.network.train import Training, train
from commissure.phantom.lesions.dataset import write_follow_ups

pytestmark = pytest.mark.slow


def livers(folder, patients):
    write_follow_ups(
        folder, patients=patients, visits=2, lesions=3, seed=5, voxel_mm=(6.0, 6.0, 6.0)
    )


def learnt(bids, out, steps):
    settings = TrainingSettings(steps=steps, held_out=0)
    train(
        Training(bids, out, patch=16, channels=(8, 16, 32), settings=settings, device="cpu",
                 checkpoint_every=1000)
    )  # fmt: skip


def test_a_network_makes_the_masks_inside_the_workflow(study):
    """What was drawn is not read; another network makes the steps run again."""
    drawn, network = study.folder / "drawn", study.folder / "network"
    for folder in (drawn, study.bids):
        livers(folder, patients=3)
    learnt(drawn, network, steps=500)
    for path in study.bids.glob("sub-*/ses-*/ct/*_label-lesion_dseg.*"):
        path.unlink()
    study.configure(
        modalities=["lesion"],
        lesion={"masks": str(network), "registration": "none", "least_volume_mm3": 0},
    )
    study.snakemake()
    assert {state for state, _ in study.states().values()} == {"present"}, study.states()
    card = json.loads((network / "network.json").read_text())
    sidecars = sorted(study.out.glob("sub-*/ses-*/lesion/*_desc-numbered_dseg.json"))
    assert len(sidecars) == 6
    for path in sidecars:
        assert json.loads(path.read_text())["Network"]["Weights"] == card["weights_sha256"]
    assert len(list(study.out.glob("sub-*/ses-*/lesion/*_desc-entropy_probseg.nii.gz"))) == 6
    markers = study.table("markers.tsv")
    found = markers[markers["marker"] == "lesion_volume"].set_index(["participant_id", "session"])
    truth = read_table(study.bids / "sourcedata/truth/lesions.tsv", text=("session",))
    due = truth.groupby(["participant_id", "session"])["volume_ml"].sum()
    # It saw these images in training: it marks about what was drawn, and no whole liver.
    assert len(found) == 6
    assert 0.5 < found["value"].astype(float).sum() / due.reindex(found.index).sum() < 2
    planned = study.snakemake("-n")
    assert "Nothing to be done" in planned.stdout + planned.stderr
    for path in network.iterdir():
        path.unlink()
    learnt(drawn, network, steps=2)
    planned = study.snakemake("-n")
    assert "lesion_preprocess" in planned.stdout + planned.stderr
