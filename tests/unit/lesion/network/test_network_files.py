"""What a network learns from and how it is stored: all that needs neither torch nor MONAI."""

from __future__ import annotations

import io
import json

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from commissure import torch_device
from commissure.errors import CommissureError, ConfigError, DatasetError
from commissure.images.load import save_image
from commissure.lesion.network.card import PACKAGES, check_weights, read_card
from commissure.lesion.network.examples import (
    drawn_patches,
    marked_scans,
    read_examples,
    split_people,
    usual_voxel_mm,
)
from commissure.lesion.network.prepared_images import padded, prepared_image, prepared_mask
from commissure.lesion.network.segment import dice, entropy_bits, without_small
from commissure.lesion.network.settings import NetworkShape, TrainingSettings, checked_choices
from commissure.lesion.network.trial import overlap
from commissure.lesion.network.unet import write_network
from commissure.names import Scan
from commissure.phantom.lesions.dataset import write_follow_ups
from commissure.stored_arrays import packed, unpacked
from commissure.torch_device import require_packages

SHAPE = NetworkShape(image="ct", voxel_mm=5.0, patch=16, channels=(4, 8, 16))


@pytest.fixture(scope="module")
def livers(tmp_path_factory):
    """Two people at two visits; read, never written."""
    folder = tmp_path_factory.mktemp("lesions") / "bids"
    write_follow_ups(folder, patients=2, visits=2, lesions=2, seed=5, voxel_mm=(5.0, 5.0, 5.0))
    return folder


@pytest.fixture(scope="module")
def examples(livers):
    return read_examples(marked_scans(livers), SHAPE)


def test_an_example_has_the_image_in_the_window_and_every_lesion(livers, examples):
    scans = marked_scans(livers)
    assert len(scans) == len(examples) == 4 and usual_voxel_mm(scans) == 5.0
    for scan, example in zip(scans, examples, strict=True):
        drawn = np.asarray(nib.load(scan.path).dataobj) > 0
        assert example.lesions.sum() == drawn.sum() == sum(len(part) for part in example.parts)
        assert example.data.min() == -1.0 and example.data.max() <= 1.0
        for part in example.parts:
            assert example.lesions[tuple(part.T)].all()
    inside = np.concatenate([x.data[binary_erosion(x.lesions)] for x in examples])
    # Lesions of 55 HU in a window from -160 to 240 HU.
    assert inside.mean() == pytest.approx((55 - 40) / 200, abs=0.06)


def test_patches_follow_from_seed_and_step_alone_and_hold_lesions(examples):
    first, second = (drawn_patches(examples, edge=16, batch=4, seed=3, step=7) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.shape == (4, 1, 16, 16, 16) and one.dtype == np.float32
        assert np.array_equal(one, other)
    for step, seed in ((8, 3), (7, 4)):
        others = drawn_patches(examples, edge=16, batch=4, seed=seed, step=step)
        assert not np.array_equal(others[0], first[0])
    for step in range(20):
        lesions = drawn_patches(examples, edge=16, batch=2, seed=1, step=step)[1]
        assert lesions[0].any(), "every other patch is at a lesion"


def test_a_mirrored_patch_keeps_its_lesion_where_it_is_seen(examples):
    for step in range(10):
        images, lesions = drawn_patches(examples, edge=16, batch=2, seed=2, step=step)
        inside, image = lesions[0, 0] > 0, images[0, 0]
        around = image[~inside & (image > np.median(image))]
        assert image[inside].mean() < around.mean(), "a lesion is darker than the liver"


def test_people_are_held_out_whole(livers):
    scans = [
        Scan(livers / f"{n}.nii.gz", {"sub": f"{n:02d}", "ses": ses}, "dseg")
        for n in range(10)
        for ses in "12"
    ]
    train, aside = split_people(scans, 0.2, 1)
    assert (len(train), len(aside)) == (16, 4)
    assert not {scan.participant_id for scan in train} & {scan.participant_id for scan in aside}
    assert split_people(scans, 0.2, 1) == (train, aside)
    assert split_people(scans[:4], 0.2, 1)[1] == [], "two people are both needed"


def test_an_oblique_image_and_its_mask_lie_on_one_grid():
    affine = np.array([[0, 0, 3.0, 0], [-2.0, 0, 0, 5], [0, 1.0, 0, 9], [0, 0, 0, 1]])
    data = np.zeros((20, 40, 10), np.float32)
    data[5:15, 10:30, 3:8] = 100
    shape = SHAPE.model_copy(update={"image": "T1w", "voxel_mm": 2.0})
    prepared = prepared_image(nib.Nifti1Image(data + 10, affine), shape, who="sub-01")
    mask = prepared_mask(data > 0, affine, 2.0)
    assert nib.aff2axcodes(prepared.affine) == ("R", "A", "S") and mask.shape == prepared.data.shape
    assert (prepared.data > prepared.data.mean())[mask].all()
    assert mask.sum() * 8 == pytest.approx((data > 0).sum() * 6, rel=0.1)
    with pytest.raises(DatasetError, match="without contrast"):
        prepared_image(nib.Nifti1Image(np.full(data.shape, 5.0), affine), shape, who="sub-01")


def test_small_parts_are_left_out_by_their_volume():
    mask = np.zeros((20, 20, 20), bool)
    mask[2:6, 2:6, 2:6] = True
    mask[10:12, 10:12, 10:12] = True
    mask[15, 15, 15] = True
    labels, left = without_small(mask, 8.0, 64.0)
    assert left == 1 and set(np.unique(labels)) == {0, 1, 2}
    assert (labels == 1).sum() == 64 and (labels == 2).sum() == 8
    assert without_small(mask, 8.0, 65.0)[1] == 2
    assert without_small(np.zeros_like(mask), 8.0, 64.0)[1] == 0


def test_the_map_of_doubt_is_one_bit_at_one_half():
    assert entropy_bits(np.array([0.0, 0.5, 1.0, 0.11])) == pytest.approx([0, 1, 0, 0.5], abs=1e-3)


def test_overlap_counts_lesions_that_are_seen_and_false_ones():
    drawn = np.zeros((20, 20, 20), int)
    drawn[2:6, 2:6, 2:6], drawn[10:14, 10:14, 10:14] = 1, 2
    marked = np.zeros(drawn.shape, bool)
    marked[2:6, 2:6, 2:5] = marked[17, 17, 17] = marked[10, 10, 10] = True
    result = overlap(marked, drawn)
    assert result.seen == {1: True, 2: False} and result.false == 1
    assert result.dice == pytest.approx(2 * 49 / (128 + 50)) == dice(marked, drawn > 0)
    assert result.volume_percent == pytest.approx(100 * (50 - 128) / 128)
    empty = overlap(np.zeros_like(marked), np.zeros_like(drawn))
    assert empty.dice == 1 and np.isnan(empty.volume_percent) and not empty.seen


def test_padding_is_at_the_upper_ends():
    wide = padded(np.ones((3, 9, 4)), 6, -1)
    assert wide.shape == (6, 9, 6) and wide[:3, :, :4].all() and (wide[3:] == -1).all()


@pytest.fixture
def stored(tmp_path):
    folder = tmp_path / "network"
    write_network(folder, {"a": np.arange(6.0).reshape(2, 3)}, SHAPE, {"images": 3})
    return folder


def test_a_network_is_arrays_and_a_card(stored):
    card = read_card(stored)
    assert card.shape == SHAPE and card.about["images"] == 3
    arrays = unpacked(check_weights(card), who="network", what="weights")
    assert np.array_equal(arrays["a"], np.arange(6.0).reshape(2, 3))
    assert packed(arrays) == packed({"a": np.arange(6.0).reshape(2, 3)})


def test_other_weights_damage_and_objects_are_refused(stored, tmp_path):
    weights = stored / "network.npz"
    weights.write_bytes(packed({"a": np.zeros(3)}))
    with pytest.raises(DatasetError, match="other weights than those of the card"):
        check_weights(read_card(stored))
    weights.unlink()
    with pytest.raises(DatasetError, match="there are no weights"):
        check_weights(read_card(stored))
    with pytest.raises(DatasetError, match="cannot be read"):
        unpacked(packed({"a": np.zeros(3)})[:-30], who="x", what="weights")
    objects = io.BytesIO()
    np.savez(objects, a=np.array([{}], object))
    with pytest.raises(DatasetError, match="cannot be read"):
        unpacked(objects.getvalue(), who="x", what="weights")
    with pytest.raises(ValueError, match="allow_pickle"):
        packed({"a": np.array([{}], object)})
    card = json.loads((stored / "network.json").read_text())
    for change, said in (({"format": 9}, "format 9"), ({"shape": {"image": "ct"}}, "voxel_mm")):
        (stored / "network.json").write_text(json.dumps(card | change))
        with pytest.raises(CommissureError, match=said):
            read_card(stored)
    with pytest.raises(DatasetError, match="there is no network"):
        read_card(tmp_path)


def test_what_cannot_be_trained_is_refused_in_words(livers, tmp_path):
    with pytest.raises(DatasetError, match="none belongs to a T1w image"):
        marked_scans(livers, "T1w")
    with pytest.raises(DatasetError, match="no such folder"):
        marked_scans(tmp_path / "none")
    with pytest.raises(ValueError, match="a multiple of 4"):
        NetworkShape(image="ct", voxel_mm=2, patch=18, channels=(4, 8, 16, 32))
    with pytest.raises(ValueError, match="batch"):
        TrainingSettings(batch=1)
    with pytest.raises(ConfigError, match="--image PET; ct or T1w or FLAIR or T2w"):
        checked_choices("train-lesion", image="PET", device="cpu")


def test_masks_without_a_lesion_are_refused(livers, tmp_path):
    scans = marked_scans(livers)
    empty = tmp_path / scans[0].path.name
    image = nib.load(scans[0].path)
    save_image(np.zeros(image.shape, np.uint8), image.affine, empty)
    scan = Scan(empty, scans[0].entities, "dseg", (), scans[0].associated)
    with pytest.raises(DatasetError, match=r"1 masks, and no lesion .* of 5 mm"):
        read_examples([scan], SHAPE)


def test_the_extra_is_asked_for_in_words(monkeypatch):
    monkeypatch.setattr(torch_device, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"torch and monai;.*EXTRAS=.deep.., or give the masks"):
        require_packages("the network", PACKAGES, otherwise="give the masks")
