from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.dwi.gradients import (
    Gradients,
    distinct_directions,
    read_gradients,
    shells,
    voxel_axes,
    write_gradients,
)
from commissure.errors import CommissureError, DatasetError, QualityError

AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def files(tmp_path):
    paths = {"bval": tmp_path / "sub-01_dwi.bval", "bvec": tmp_path / "sub-01_dwi.bvec"}

    def write(bvals, bvecs):
        np.savetxt(paths["bval"], np.atleast_2d(bvals), fmt="%g")
        np.savetxt(paths["bvec"], bvecs, fmt="%.6f")
        return paths

    return write


@pytest.fixture
def good(dti):
    bvals, directions = dti.table(12, 1)
    return bvals, directions.T


def test_fsl_negates_x_where_the_affine_is_right_handed():
    # FSL's convention: the first component follows a left-handed (radiological) first axis.
    assert np.allclose([-1, 0, 0], voxel_axes(np.diag([2.0, 2.0, 2.0, 1.0])) @ [1, 0, 0])
    assert np.allclose([-1, 0, 0], voxel_axes(AFFINE) @ [1, 0, 0])
    assert np.allclose([0, 1, 0], voxel_axes(AFFINE) @ [0, 1, 0])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_written_is_read_back_on_any_grid(tmp_path, good, seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    affine = nib.affines.from_matvec(turn @ np.diag([1.7, 1.7, 2.5]), rng.normal(0, 40, 3))
    expected = Gradients(good[0], good[1].T)
    bval, bvec = tmp_path / "a.bval", tmp_path / "a.bvec"
    write_gradients(expected, affine, bval, bvec)
    found = read_gradients({"bval": bval, "bvec": bvec}, affine, volumes=13, who="sub-01")
    assert np.array_equal(expected.b, found.b)
    assert np.allclose(expected.directions, found.directions, atol=2e-6)


def test_directions_turn_against_the_head():
    # The head turned by +90 degrees about z; a gradient along the scanner's y is the head's x.
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    found = Gradients(np.array([1000.0]), np.array([[0.0, 1, 0]])).turned(turn[None])
    assert np.allclose([[1, 0, 0]], found.directions)


def test_a_table_with_one_direction_per_line_is_read_and_noted(files, good):
    bvals, bvecs = good
    expected = read_gradients(files(bvals, bvecs), AFFINE, volumes=13, who="sub-01")
    found = read_gradients(files(bvals, bvecs.T), AFFINE, volumes=13, who="sub-01")
    assert np.allclose(expected.directions, found.directions)
    assert "one direction per line" in found.notes[0]


def spoilt(kind, bvals, bvecs):
    bvals, bvecs = bvals.copy(), bvecs.copy()
    if kind == "count":
        bvals = bvals[:-1]
    elif kind == "vectors":
        bvecs = bvecs[:, :-2]
    elif kind == "units":
        bvals = bvals / 1000
    elif kind == "no b0":
        bvals[0] = 300
        bvecs[:, 0] = [0, 0, 1]
    elif kind == "no directions":
        bvecs[:, 4:8] = 0
    elif kind == "length":
        bvecs[:, 3] *= 0.7
    elif kind == "nan":
        bvecs[0, 3] = np.nan
    elif kind == "negative":
        bvals[4] = -1000
    elif kind == "few":
        bvecs[:, 6:] = bvecs[:, [5]]
    elif kind == "plane":
        angle = np.linspace(0, np.pi, 12, endpoint=False)
        bvecs[:, 1:] = [np.cos(angle), np.sin(angle), 0 * angle]
    return bvals, bvecs


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("count", DatasetError, "12 b-values for 13 volumes"),
        ("vectors", DatasetError, "3 lines of 11 numbers for 13 volumes"),
        ("units", DatasetError, "from 0 to 1; 0 to some thousands of s/mm²"),
        ("no b0", DatasetError, "the lowest is 300"),
        ("no directions", DatasetError, "volume 4 has b = 1000 s/mm² and no direction"),
        ("length", DatasetError, "volume 3 in sub-01_dwi.bvec has length 0.700"),
        ("nan", DatasetError, "NaN"),
        ("negative", DatasetError, "run from -1000 to 1000"),
        ("few", QualityError, "has 5 distinct gradient directions"),
        ("plane", QualityError, "12 distinct gradient directions that do not span a tensor"),
    ],
)
def test_impossible_tables_are_refused_in_one_sentence(files, good, kind, error, words):
    with pytest.raises(error) as caught:
        read_gradients(files(*spoilt(kind, *good)), AFFINE, volumes=13, who="sub-01 ses-2")
    assert str(caught.value).startswith("sub-01 ses-2: ")
    assert words in str(caught.value)


def test_the_average_over_directions_of_the_scanner_is_left_out_and_named(files, good):
    bvals, bvecs = good
    bvecs = bvecs.copy()
    bvecs[:, 5] = 0
    table = read_gradients(files(bvals, bvecs), AFFINE, volumes=13, who="sub-01")
    assert table.without_direction == (5,)
    assert len(table.b) == len(table.directions) == 12
    assert "Volume 5 left out" in table.notes[0]


def test_shortened_vectors_give_the_lower_shell_its_b_value(files, good):
    bvals, bvecs = good
    shortened = bvecs.copy()
    shortened[:, 8:] *= np.sqrt(0.5)
    table = read_gradients(files(bvals, shortened), AFFINE, volumes=13, who="sub-01")
    assert np.allclose(table.b[8:], 500, atol=1)
    assert np.allclose(table.b[1:8], 1000)
    assert np.allclose(np.linalg.norm(table.directions[1:], axis=1), 1)
    assert "multiplied by their squared length" in table.notes[0]
    # Where the b-values say the same, they are not shortened once more.
    told = bvals.copy()
    told[8:] = 500
    table = read_gradients(files(told, shortened), AFFINE, volumes=13, who="sub-01")
    assert np.array_equal(table.b, told)
    assert "lengths follow the b-values" in table.notes[0]
    # Where they contradict each other, neither is believed.
    told[8:] = 700
    with pytest.raises(DatasetError, match="length 0.707"):
        read_gradients(files(told, shortened), AFFINE, volumes=13, who="sub-01")


def test_vectors_that_are_all_shortened_are_refused(files, good):
    bvals, bvecs = good
    with pytest.raises(DatasetError, match="length 0.500"):
        read_gradients(files(bvals, 0.5 * bvecs), AFFINE, volumes=13, who="sub-01")


@pytest.mark.real
def test_a_real_scanners_average_is_left_out(shared_data):
    stem = shared_data / "bids-more/sub-bn02/dwi/sub-bn02_dwi"
    files = {kind: stem.with_suffix(f".{kind}") for kind in ("bval", "bvec")}
    image = nib.load(stem.with_suffix(".nii.gz"))
    table = read_gradients(files, image.affine, volumes=image.shape[3], who="sub-bn02")
    assert table.without_direction == (33,)
    assert len(table.b) == 33


def test_missing_and_unreadable_tables_are_named(files, good):
    paths = files(*good)
    with pytest.raises(DatasetError, match=r"no \.bvec file"):
        read_gradients({"bval": paths["bval"]}, AFFINE, volumes=13, who="sub-01")
    paths["bval"].write_text("0 1000 abc")
    with pytest.raises(CommissureError, match="sub-01_dwi.bval cannot be read"):
        read_gradients(paths, AFFINE, volumes=13, who="sub-01")


def test_antipodes_and_repeats_are_one_direction(dti):
    directions = dti.even_directions(9)
    assert distinct_directions(np.vstack([directions, -directions, directions[:3]])) == 9


def test_shells_are_numbered_by_b_value_with_their_jitter():
    b = np.array([0, 995, 2000, 5, 1005, 1990, 2995, 1000])
    assert shells(b, b0_max_b_s_mm2=50).tolist() == [0, 1, 2, 0, 1, 2, 3, 1]
