from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.dwi.builtin.realign import Realignment
from commissure.dwi.builtin.runs import joined_realignments, read_runs
from commissure.images.rigid import rigid_matrix
from commissure.names import Scan

AFFINE = np.diag([-4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = [80, -90, -60]
SHAPE = (40, 44, 32)


def head():
    index = np.indices(SHAPE)
    world = np.tensordot(AFFINE[:3, :3], index, 1) + AFFINE[:3, 3].reshape(3, 1, 1, 1)
    away = np.sqrt(((world / np.array([60, 74, 52]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    texture = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2)
    return gaussian_filter(np.clip(np.where(away < 1, 700 + 3000 * texture, 0), 0, None), 0.6)


@pytest.fixture
def lay(dti, tmp_path):
    """Write runs, each (b-value, affine, factor of the voxel size); the scan of the first."""

    def write(*runs):
        paths = []
        for number, (b, affine, coarser) in enumerate(runs, start=1):
            image = head()[::coarser, ::coarser, ::coarser]
            bvals, directions = dti.table(8, 1, b=b)
            rng = np.random.default_rng(number)
            series = np.stack([image * (1 if i == 0 else 0.4) for i in range(9)], axis=3)
            series = np.abs(series + rng.normal(0, 5, series.shape)).astype(np.float32)
            stem = tmp_path / f"sub-01_run-{number}_dwi"
            zooms = np.diag([coarser] * 3 + [1])
            nib.save(nib.Nifti1Image(series, affine @ zooms), stem.with_suffix(".nii.gz"))
            np.savetxt(stem.with_suffix(".bval"), bvals[None], fmt="%g")
            np.savetxt(stem.with_suffix(".bvec"), directions.T, fmt="%.6f")
            stem.with_suffix(".json").write_text(json.dumps({"PhaseEncodingDirection": "j"}))
            paths.append(stem)
        associated = {kind: paths[0].with_suffix(f".{kind}") for kind in ("bval", "bvec")}
        for number, stem in enumerate(paths[1:], start=2):
            associated[f"run{number}"] = stem.with_suffix(".nii.gz")
            associated[f"run{number}_json0"] = stem.with_suffix(".json")
            for kind in ("bval", "bvec"):
                associated[f"run{number}_{kind}"] = stem.with_suffix(f".{kind}")
        return Scan(
            paths[0].with_suffix(".nii.gz"), {"sub": "01", "run": "1"}, "dwi",
            [paths[0].with_suffix(".json")], associated,
        )  # fmt: skip

    return write


def test_runs_of_one_table_are_read_without_a_word(lay):
    notes: list[str] = []
    runs = read_runs(lay((1000, AFFINE, 1), (1000, AFFINE, 1)), notes, b0_max_b_s_mm2=50)
    assert [run.name for run in runs] == ["sub-01_run-1_dwi.nii.gz", "sub-01_run-2_dwi.nii.gz"]
    assert runs[1].metadata == {"PhaseEncodingDirection": "j"}
    assert notes == []


def test_a_slice_without_signal_is_named(lay):
    scan = lay((1000, AFFINE, 1))
    image = nib.load(scan.path)
    series = np.asarray(image.dataobj)
    # Above the head there may be nothing.
    series[:, :, -1] = 0
    series[:, :, 16, 5] = 0
    nib.save(nib.Nifti1Image(series, image.affine), scan.path)
    notes: list[str] = []
    read_runs(scan, notes, b0_max_b_s_mm2=50)
    assert notes == [
        "sub-01_run-1_dwi.nii.gz has slices without any signal, which count as lost: slice 16 of "
        "volume 5 (from 0)."
    ]


def test_runs_of_other_b_values_are_joined_and_named(lay):
    notes: list[str] = []
    runs = read_runs(lay((1000, AFFINE, 1), (2000, AFFINE, 1)), notes, b0_max_b_s_mm2=50)
    assert len(runs) == 2
    assert "run-2_dwi.nii.gz has b-values [2000] and sub-01_run-1_dwi.nii.gz [1000]" in notes[0]


def test_a_run_of_other_voxels_is_left_out_and_named(lay):
    notes: list[str] = []
    runs = read_runs(lay((1000, AFFINE, 1), (1000, AFFINE, 2)), notes, b0_max_b_s_mm2=50)
    assert len(runs) == 1
    assert "left out: its voxels are 8.00 x 8.00 x 8.00 mm" in notes[0]


def test_a_run_that_lies_elsewhere_is_brought_to_the_grid_of_the_first(lay):
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] += [0, 4, 0]
    notes: list[str] = []
    first, second = read_runs(
        lay((1000, AFFINE, 1), (1000, elsewhere, 1)), notes, b0_max_b_s_mm2=50
    )
    assert np.array_equal(first.affine, second.affine)
    assert "brought to the grid" in notes[0]
    # What was one voxel further along y in the second file has its place now.
    moved = np.roll(head(), 1, axis=1)[8:-8, 8:-8, 8:-8]
    assert np.abs(second.series[8:-8, 8:-8, 8:-8, 0] - moved).mean() < 10


def test_poses_of_a_second_group_are_told_in_the_frame_of_the_first():
    centre = np.array([1.0, 2.0, 3.0])
    poses = [np.zeros((2, 6)), np.zeros((2, 6))]
    poses[1][1] = [0.5, 0, 0, 0, 0, 0.02]
    groups = [
        Realignment(pose, centre + 4 * k, np.tile(np.eye(4), (2, 1, 1)), np.zeros((2, 3), bool),
                    np.full((2, 2, 3, 2), float(k)))
        for k, pose in enumerate(poses)
    ]  # fmt: skip
    between = rigid_matrix(np.array([1.0, -2.0, 0.5, 0.01, 0.02, -0.03]), centre)
    joined = joined_realignments(groups, [np.eye(4), between])
    assert np.allclose(joined.matrices[:2], np.eye(4))
    assert np.allclose(joined.matrices[2], between)
    assert np.allclose(joined.matrices[3], groups[1].head[1] @ between)
    assert joined.series.shape == (2, 2, 3, 4)
    assert (joined.series[..., 2:] == 1).all()
