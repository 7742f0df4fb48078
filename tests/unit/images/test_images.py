"""What all modalities share about space: reading, grids, transforms, template, atlases."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from commissure.errors import DatasetError
from commissure.images.atlas import jhu189, schaefer
from commissure.images.grid import coarser, resample_to
from commissure.images.load import load_image, same_grid, save_image, voxel_volume_mm3, zooms_mm
from commissure.images.registration import apply_transform, register
from commissure.images.rigid import framewise_displacement, rigid_matrix, rigid_pose
from commissure.images.template import template
from commissure.images.transforms import read_affine, write_affine

OBLIQUE = np.array([[-2.0, 0.1, 0, 40], [0.1, 2.0, 0.2, -60], [0, -0.2, 2.5, -30], [0, 0, 0, 1]])


def _write(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def _ramp(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.where(_ramp((4, 4, 4)) == 7, np.nan, 1.0), "1 voxels that are NaN or infinite"),
        (np.ones((4, 4, 4)), "every voxel .* is 1"),
        (_ramp((4, 4)), r"2 dimensions \(4, 4\)"),
        (_ramp((4, 4, 4, 3)), r"4 dimensions \(4, 4, 4, 3\)"),
    ],
)
def test_an_image_that_cannot_be_used_is_told_in_one_sentence(tmp_path, data, words: str) -> None:
    path = _write(tmp_path / "x.nii.gz", data.astype(np.float32))
    with pytest.raises(DatasetError, match=f"sub-01: x.nii.gz has {words}|sub-01: {words}"):
        load_image(path, who="sub-01", ndim=3)


def test_a_truncated_file_is_told_from_an_absent_one(tmp_path) -> None:
    whole = _write(tmp_path / "whole.nii.gz", _ramp((20, 20, 20)))
    (tmp_path / "half.nii.gz").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DatasetError, match=r"half.nii.gz cannot be read .*Copy or convert"):
        load_image(tmp_path / "half.nii.gz", who="sub-01")
    with pytest.raises(DatasetError, match=r"none.nii.gz is not there"):
        load_image(tmp_path / "none.nii.gz", who="sub-01")


def test_what_was_saved_is_read_and_bytes_repeat(tmp_path) -> None:
    data = _ramp((5, 6, 7))
    paths = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    for path in paths:
        save_image(data, OBLIQUE, path)
    first, second = (gzip.decompress(path.read_bytes()) for path in paths)
    assert first == second
    found = load_image(paths[0], who="sub-01", ndim=3)
    np.testing.assert_array_equal(np.asanyarray(found.dataobj), data)
    assert same_grid(found, nib.Nifti1Image(data, OBLIQUE))
    assert voxel_volume_mm3(OBLIQUE) == pytest.approx(abs(np.linalg.det(OBLIQUE[:3, :3])))


def test_a_linear_image_is_the_same_on_every_grid() -> None:
    """Trilinear interpolation is exact for intensities that are linear in millimetres."""
    slope = np.array([0.3, -0.2, 0.5])
    voxels = np.moveaxis(np.indices((20, 22, 18)), 0, -1)
    data = (nib.affines.apply_affine(OBLIQUE, voxels) @ slope).astype(np.float32)
    shape, affine = (8, 9, 7), np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = nib.affines.apply_affine(OBLIQUE, [12, 4, 3])
    affine[0, 0] = -3.0
    affine[:3, 3] = nib.affines.apply_affine(OBLIQUE, [6, 4, 3])
    found = resample_to(nib.Nifti1Image(data, OBLIQUE), shape, affine)
    expected = (
        nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) @ slope
    ).astype(np.float32)
    inner = found != 0
    assert inner.mean() > 0.5
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)


def test_coarser_voxels_hold_the_same_amount_in_the_same_place() -> None:
    data = np.zeros((48, 40, 44), np.float32)
    data[16:30, 12:28, 14:30] = 1
    image = nib.Nifti1Image(data, np.diag([1.0, 1.0, 1.0, 1.0]))
    small = coarser(image, 4.0)
    assert zooms_mm(small.affine) == pytest.approx((4, 4, 4))
    amount = np.asanyarray(small.dataobj)
    assert amount.sum() * 64 == pytest.approx(data.sum(), rel=0.01)
    for one, other in ((amount, small.affine), (data, image.affine)):
        place = np.average(np.argwhere(one > 0), axis=0, weights=one[one > 0])
        middle = nib.affines.apply_affine(other, place)
        np.testing.assert_allclose(middle, [22.5, 19.5, 21.5], atol=0.3)


def test_poses_go_to_matrices_and_back() -> None:
    rng = np.random.default_rng(3)
    centre = np.array([3.0, -12.0, 20.0])
    for pose in rng.normal(0, (2, 2, 2, 0.2, 0.2, 0.2), (5, 6)):
        matrix = rigid_matrix(pose, centre)
        assert np.linalg.det(matrix) == pytest.approx(1)
        np.testing.assert_allclose(rigid_pose(matrix, centre), pose, atol=1e-9)


def test_framewise_displacement_of_power() -> None:
    moved = np.array(
        [[0, 0, 0, 0, 0, 0], [0.1, 0, 0, 0, 0, 0], [0.1, 0.2, 0, 0.001, 0, 0],
         [0.1, 0.2, -0.3, 0.001, -0.002, 0.004]],
    )  # fmt: skip
    np.testing.assert_allclose(framewise_displacement(moved), [0, 0.1, 0.25, 0.6], atol=1e-12)


def test_an_affine_written_is_applied_as_it_is_meant(tmp_path) -> None:
    """``mode-image``: a map takes a point of the new space to where its value comes from."""
    matrix = np.eye(4)
    matrix[:3, 3] = 6.0, -4.0, 2.0
    data = np.zeros((12, 12, 12), np.float32)
    data[6, 5, 4] = 1
    image = nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]))
    file = write_affine(matrix, tmp_path / "shift.mat")
    moved = np.asarray(apply_transform(image, image, [file]).dataobj)
    assert np.unravel_index(moved.argmax(), moved.shape) == (3, 7, 3)


def test_registration_finds_a_known_affine_map_and_its_inverse(tmp_path) -> None:
    rng = np.random.default_rng(0)
    wanted = np.eye(4)
    wanted[:3, :3] += rng.normal(0, 0.04, (3, 3))
    wanted[:3, 3] = rng.normal(0, 4, 3)
    fixed = template("T1w", resolution_mm=4.0)
    person = apply_transform(
        fixed, fixed, [write_affine(np.linalg.inv(wanted), tmp_path / "true.mat")]
    )
    there, back = tmp_path / "there.h5", tmp_path / "back.h5"
    register(fixed, person, kind="affine", initial=np.eye(4), forward=there, inverse=back)
    corners = np.array([[-60, -90, -50, 1], [60, 60, 70, 1], [0, 0, 0, 1.0]]).T
    found = read_affine(there)
    assert (found @ corners)[:3] == pytest.approx((wanted @ corners)[:3], abs=0.8)
    np.testing.assert_allclose(read_affine(back) @ found, np.eye(4), atol=1e-4)


def test_the_same_registration_gives_the_same_transform(tmp_path) -> None:
    """ANTs samples the images at random: without its seed every run would differ."""
    fixed = template("T1w", resolution_mm=6.0)
    rng = np.random.default_rng(1)
    noisy = np.asanyarray(fixed.dataobj) + rng.normal(0, 0.05, fixed.shape)
    moving = nib.Nifti1Image(np.roll(noisy, 1, axis=0).astype(np.float32), fixed.affine)
    found = []
    for name in ("first", "second"):
        file = tmp_path / f"{name}.h5"
        register(fixed, moving, kind="affine", forward=file, inverse=tmp_path / "back.h5")
        found.append(read_affine(file))
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_a_warp_finds_every_place_and_its_inverse_goes_back(tmp_path) -> None:
    """A head that is stretched from front to back by up to 5 mm."""
    fixed = template("T1w", resolution_mm=4.0)
    mm = nib.affines.apply_affine(fixed.affine, np.moveaxis(np.indices(fixed.shape), 0, -1))
    front = mm[..., 1].astype(np.float32)
    stretched = mm.copy()
    stretched[..., 1] += 5.0 * np.exp(-((front - 30) ** 2) / (2 * 25.0**2))
    places = nib.affines.apply_affine(np.linalg.inv(fixed.affine), stretched)
    data = map_coordinates(np.asanyarray(fixed.dataobj), np.moveaxis(places, -1, 0), order=1)

    def image(values: np.ndarray) -> nib.Nifti1Image:
        return nib.Nifti1Image(values.astype(np.float32), fixed.affine)

    there, back = tmp_path / "there.h5", tmp_path / "back.h5"
    register(fixed, image(data), kind="warp", initial=np.eye(4), forward=there, inverse=back)
    far = (np.asanyarray(fixed.dataobj) > 0.2) & (np.abs(stretched[..., 1] - front) > 2)
    assert far.sum() > 3000
    moved = np.asarray(apply_transform(image(stretched[..., 1]), fixed, [there]).dataobj)
    assert np.median(np.abs(moved - front)[far]) < 0.8
    returned = np.asarray(apply_transform(image(moved), fixed, [back]).dataobj)
    assert np.median(np.abs(returned - stretched[..., 1])[data > 0.2]) < 0.5


def test_the_template_is_the_symmetrical_one_and_its_tissues_fill_it() -> None:
    brain = np.asanyarray(template("T1w").dataobj)
    np.testing.assert_array_equal(brain, brain[::-1])
    parts = [np.asanyarray(template(name).dataobj) for name in ("GM", "WM", "CSF")]
    inside = np.asanyarray(template("mask").dataobj) > 0
    np.testing.assert_allclose(sum(parts)[inside], 1, atol=0.05)


def test_atlases_hold_the_structures_that_markers_name() -> None:
    atlas = jhu189()
    assert {"Hippocampus_L", "SFG_R", "LateralVentricle_L"} <= set(atlas.groups("structure"))
    assert {"GCC", "BCC", "SCC", "ACR_L", "SLF_R"} <= set(atlas.groups("tract"))
    left = np.isin(np.asanyarray(atlas.image.dataobj), atlas.groups("structure")["Hippocampus_L"])
    where = nib.affines.apply_affine(atlas.image.affine, np.argwhere(left).mean(axis=0))
    np.testing.assert_allclose(where, [-27, -22, -13], atol=6)


@pytest.mark.parametrize("parcels", [100, 400])
def test_schaefer_has_its_parcels_in_two_halves_and_seven_networks(parcels: int) -> None:
    labels = schaefer(parcels).labels
    assert len(labels) == parcels
    assert labels["network"].nunique() == 7
    assert (labels.loc[labels["hemisphere"] == "L", "x_mm"] < 4).all()
    assert (labels["hemisphere"] == "L").sum() == parcels // 2
