"""Which of several T1w images of a visit is used."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from commissure.dataset.choice import choice
from commissure.dataset.contrast import of_most_contrast
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.images.contrast import tissue_contrast
from commissure.images.load import load_image
from commissure.images.template import whole_head


def used(names, wanted=None):
    scans = [f"sub-01/anat/sub-01_{name}.nii.gz" for name in names.split()]
    decided = choice(scans, wanted or {})
    return [s.split("sub-01_")[1].split(".")[0] for s in scans if decided[s][0]]


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        ("T1w", {}, ["T1w"]),
        ("ce-gadolinium_T1w T1w", {}, ["T1w"]),
        ("ce-gadolinium_T1w", {}, ["ce-gadolinium_T1w"]),
        ("ce-gadolinium_T1w UNIT1", {}, ["UNIT1"]),
        ("desc-preproc_T1w T1w", {}, ["T1w"]),
        ("desc-preproc_T1w ce-gadolinium_T1w", {}, ["ce-gadolinium_T1w"]),
        ("UNIT1 acq-mprage_T1w", {}, ["acq-mprage_T1w"]),
        ("UNIT1 acq-mprage_T1w", {"suffix": ("UNIT1",)}, ["UNIT1"]),
        ("run-1_T1w run-2_T1w", {}, ["run-1_T1w", "run-2_T1w"]),
        ("run-01_T1w run-02_T1w", {"run": ("2",)}, ["run-02_T1w"]),
        ("acq-a_T1w acq-b_T1w rec-norm_T1w", {"acq": ("a", "")}, ["acq-a_T1w", "rec-norm_T1w"]),
        ("acq-a_T1w", {"acq": ("b",)}, []),
        ("part-phase_T1w part-mag_T1w", {}, ["part-mag_T1w"]),
    ],
)
def test_names_and_settings_decide_before_contrast(names, wanted, expected):
    assert used(names, wanted) == expected


def test_what_is_passed_over_says_why():
    decided = choice(["ce-1/sub-01_ce-gad_T1w.nii.gz", "x/sub-01_T1w.nii.gz"], {"acq": ("", "a")})
    assert decided["ce-1/sub-01_ce-gad_T1w.nii.gz"] == (
        False,
        "an image of this visit without a contrast agent is used (sub-01_T1w.nii.gz)",
    )
    assert choice(["sub-01_T1w.nii"], {"acq": ("a",)})["sub-01_T1w.nii"][1] == (
        "anat.image asks for acq-a"
    )


@pytest.fixture
def head():
    return np.asarray(whole_head().dataobj), whole_head().affine


def degraded(data):
    rng = np.random.default_rng(3)
    yield "noise", np.abs(data + rng.normal(0, 0.05 * data.max(), data.shape))
    yield "blur", gaussian_filter(data, 1.0)
    yield "ghost", 0.8 * data + 0.2 * np.roll(data, 8, axis=1)


def test_what_spoils_an_image_lowers_its_contrast(head):
    data, affine = head
    best = tissue_contrast(nib.Nifti1Image(data, affine))
    for name, spoilt in degraded(data):
        assert tissue_contrast(nib.Nifti1Image(spoilt.astype(np.float32), affine)) < best, name
    assert tissue_contrast(nib.Nifti1Image(np.zeros((40, 40, 40), np.float32), affine)) == 0


@pytest.mark.slow
@pytest.mark.real
def test_what_spoils_a_real_head_lowers_its_contrast(shared_data):
    image = load_image(shared_data / "bids/sub-pu01/anat/sub-pu01_T1w.nii.gz", who="pu01", ndim=3)
    best = tissue_contrast(image)
    for name, spoilt in degraded(np.asarray(image.dataobj)):
        assert tissue_contrast(nib.Nifti1Image(spoilt, image.affine)) < best, name


def test_the_repeat_with_more_contrast_is_used_and_the_other_says_so(tmp_path, head):
    data, affine = head
    root, folder = tmp_path / "bids", tmp_path / "bids/sub-01/anat"
    folder.mkdir(parents=True)
    for run, values in (("1", next(degraded(data))[1]), ("2", data)):
        nib.save(nib.Nifti1Image(values, affine), folder / f"sub-01_run-{run}_T1w.nii.gz")
    (folder / "sub-01_run-3_T1w.nii.gz").write_text("no image")
    entries = build_index(root, tree_of(root))
    assert [entry.used for entry in entries] == [True, True, True]
    chosen = of_most_contrast(entries, root, tmp_path / "work")
    assert [entry.used for entry in chosen] == [False, True, False]
    assert chosen[0].note.startswith(
        "another T1w image of this visit has more contrast (sub-01_run-2_T1w.nii.gz: "
    )
    kept = sorted((tmp_path / "work/contrast").iterdir())
    assert [path.name for path in kept] == ["sub-01_run-1_T1w.json", "sub-01_run-2_T1w.json"]
    before = [path.stat().st_mtime_ns for path in kept]
    assert of_most_contrast(entries, root, tmp_path / "work") == chosen
    assert before == [path.stat().st_mtime_ns for path in kept]
