"""A BOLD image beside the T1w image of the same head, wherever it was acquired."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.func.builtin.normalisation import brain_mask
from commissure.func.builtin.to_t1w import place_beside_t1w, registration_reference
from commissure.images.anat_files import AnatFiles
from commissure.images.boundary import border_of
from commissure.images.boundary_registration import (
    RIGHT_SIGN_MIN,
    boundary_offset_mm,
    largest_distance_mm,
)
from commissure.images.load import save_image
from commissure.images.rigid import rigid_matrix
from commissure.names import Scan

EPI = {"white": 500.0, "grey": 540.0, "fluid": 900.0}
AWAY = rigid_matrix(np.array([5.0, -8.0, 12.0, 0.12, -0.05, 0.08]), np.zeros(3))
SHAPE = (56, 56, 52)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = -3.0 * np.array([27.5, 27.5, 25.5])


def _image(folded_head, matrix: np.ndarray, values=EPI, *, noise: float = 10.0) -> nib.Nifti1Image:
    image = folded_head.drawn(SHAPE, AFFINE, values, matrix)
    data = np.asarray(image.dataobj) + np.random.default_rng(1).normal(0, noise, SHAPE)
    return nib.Nifti1Image(np.clip(data, 0, None).astype(np.float32), AFFINE)


def test_a_run_is_laid_on_the_persons_border(folded_head, folded_anat):
    image = _image(folded_head, AWAY)
    brain = brain_mask(np.asarray(image.dataobj), AFFINE)
    placement = place_beside_t1w(image, brain, folded_anat, who="sub-01")
    assert largest_distance_mm(placement.matrix, AWAY, border_of(folded_anat)) < 0.7
    assert placement.method == "boundary-based"
    assert not placement.notes
    said = placement.sidecar()
    assert said["BoundaryRightSignShare"] > 0.9
    assert said["BoundaryRightSignShare"] - said["BoundaryMirroredRightSignShare"] > 0.15
    assert said["BoundaryPointsSeenShare"] > 0.99
    assert said["BoundaryStart"] in ("mutual information", "centres", "headers")


def test_an_image_that_shows_no_border_is_told_and_fails(folded_head, folded_anat):
    image = _image(folded_head, AWAY, {"white": 500.0, "grey": 500.0, "fluid": 500.0})
    brain = brain_mask(np.asarray(image.dataobj), AFFINE)
    placement = place_beside_t1w(image, brain, folded_anat, who="sub-01")
    assert placement.method == "mutual information"
    assert "nowhere does it show the border" in placement.notes[0]
    assert placement.sidecar()["BoundaryRightSignShare"] < RIGHT_SIGN_MIN


def test_maps_without_white_matter_leave_it_to_mutual_information(
    folded_head, folded_anat, tmp_path
):
    image = _image(folded_head, np.eye(4))
    empty = tmp_path / "wm.nii.gz"
    white = nib.load(folded_anat.wm)
    dim = np.asarray(white.dataobj) * 0.3
    save_image(dim.astype(np.float32), white.affine, empty)
    brain = brain_mask(np.asarray(image.dataobj), AFFINE)
    placement = place_beside_t1w(image, brain, replace(folded_anat, wm=empty), who="sub-01")
    assert placement.fit is None
    assert placement.sidecar() == {}
    assert "by mutual information alone" in placement.notes[0]


@pytest.fixture
def scan_with(tmp_path):
    def written(single: nib.Nifti1Image | None) -> Scan:
        path = tmp_path / "sub-01_task-rest_sbref.nii.gz"
        if single is None:
            path.write_bytes(b"no image")
        else:
            save_image(np.asarray(single.dataobj), single.affine, path)
        entities = {"sub": "01", "task": "rest"}
        bold = Path("sub-01_task-rest_bold.nii.gz")
        return Scan(bold, entities, "bold", (), {"sbref": path})

    return written


def test_a_single_band_reference_comes_to_lie_on_the_mean_volume(
    folded_head, folded_anat, scan_with
):
    moved = rigid_matrix(np.array([3.0, -2.0, 1.5, 0.03, 0.02, -0.03]), np.zeros(3))
    brighter = {part: 3 * value for part, value in EPI.items()}
    mean = _image(folded_head, np.eye(4), noise=20)
    scan = scan_with(_image(folded_head, moved, brighter, noise=3))
    reference, name, notes = registration_reference(scan, mean)
    assert name == "sub-01_task-rest_sbref.nii.gz"
    assert not notes
    border = border_of(folded_anat)
    assert boundary_offset_mm(reference, border, np.eye(4)) < 0.9
    assert largest_distance_mm(moved, np.eye(4), border) > 4
    assert reference.shape == mean.shape


def test_a_single_band_reference_that_cannot_be_read_is_told(folded_head, scan_with):
    mean = _image(folded_head, np.eye(4))
    reference, name, notes = registration_reference(scan_with(None), mean)
    assert reference is mean
    assert name == "mean of the realigned volumes"
    assert "single-band reference does not serve" in notes[0]


@pytest.mark.slow
@pytest.mark.real
def test_a_measured_run_shows_the_border_of_its_own_t1w_image(shared_data, tmp_path):
    root = shared_data / "bids/sub-pu01"
    t1w = Scan(root / "anat/sub-pu01_T1w.nii.gz", {"sub": "pu01"}, "T1w")
    preprocess_anat(t1w, tmp_path, settings=AnatSettings())
    anat = AnatFiles.of(t1w, tmp_path)
    image = nib.load(root / "func/sub-pu01_task-rest_bold.nii.gz")
    mean = np.asarray(image.dataobj, np.float32).mean(axis=3)
    reference = nib.Nifti1Image(mean, image.affine)
    placement = place_beside_t1w(reference, brain_mask(mean, image.affine), anat, who="sub-pu01")
    assert placement.method == "boundary-based"
    assert placement.fit.contrast.percent > 3
    assert placement.fit.contrast.right_sign > 0.73
    assert placement.fit.gain > 0.1
    border = border_of(anat)
    for axis in range(3):
        away = np.eye(4)
        away[axis, 3] = 4
        assert boundary_offset_mm(reference, border, away @ placement.matrix) > 3.5
