"""A drawn lesion is filled for the engine, and read with the checks that a wrong file deserves."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.anat.builtin.mp2rage import without_noise
from commissure.anat.lesion import filled, lesion_mask
from commissure.errors import DatasetError
from commissure.names import Scan

AFFINE = np.diag([2.0, 2, 2, 1])


def scan_with(tmp_path, **associated) -> Scan:
    paths = {}
    for key, data in associated.items():
        paths[key] = tmp_path / f"sub-01_{key}.nii.gz"
        nib.save(nib.Nifti1Image(data, AFFINE), paths[key])
    return Scan(tmp_path / "sub-01_T1w.nii.gz", {"sub": "01"}, "T1w", [], paths)


def test_a_lesion_is_filled_with_what_is_around_it_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(4)
    truth = np.linspace(90, 110, 40)[:, None, None] + rng.normal(0, 1, (40, 40, 40))
    lesion = np.zeros(truth.shape, bool)
    lesion[14:26, 14:26, 14:26] = True
    image = nib.Nifti1Image(np.where(lesion, 20, truth).astype(np.float32), AFFINE)
    found = np.asarray(filled(image, lesion).dataobj)
    assert found[lesion] == pytest.approx(truth[lesion], abs=8)
    assert (found[~lesion] == np.asarray(image.dataobj)[~lesion]).all()


def test_masks_are_read_empty_ones_are_none_and_wrong_ones_are_refused(tmp_path) -> None:
    image = nib.Nifti1Image(np.ones((20, 20, 20), np.float32), AFFINE)
    drawn = np.zeros((20, 20, 20), np.uint8)
    assert lesion_mask(scan_with(tmp_path), image) is None
    assert lesion_mask(scan_with(tmp_path, roi=drawn), image) is None
    drawn[5:9, 5:9, 5:9] = 1
    assert lesion_mask(scan_with(tmp_path, roi=drawn), image).sum() == 64
    with pytest.raises(DatasetError, match="another place"):
        lesion_mask(scan_with(tmp_path, roi=drawn[:-1]), image)
    scan = scan_with(tmp_path, roi=drawn)
    scan.associated["roi"].write_text("no image")
    with pytest.raises(DatasetError, match="cannot be read"):
        lesion_mask(scan, image)


@pytest.mark.parametrize("with_second", [True, False])
def test_the_noise_around_a_ratio_image_goes_and_the_brain_stays(tmp_path, with_second) -> None:
    rng = np.random.default_rng(6)
    place = np.indices((60, 60, 60))
    head = np.sqrt(((place - 30.0) ** 2).sum(axis=0))
    inside = head < 20
    ratio = np.where(inside, 2600 + 300 * np.sin(head), 4095 * rng.random(inside.shape))
    second = np.where(inside, 400.0, rng.rayleigh(8, inside.shape)).astype(np.float32)
    scan = scan_with(tmp_path, **({"inv2": second} if with_second else {}))
    found, note = without_noise(scan, nib.Nifti1Image(ratio.astype(np.float32), AFFINE))
    data = np.asarray(found.dataobj)
    assert note.startswith("UNIT1")
    assert np.median(data[head < 18]) > 2000
    assert np.median(data[head > 24]) < 150
    if with_second:
        with pytest.raises(DatasetError, match="another grid"):
            without_noise(scan, nib.Nifti1Image(ratio[:-1].astype(np.float32), AFFINE))
