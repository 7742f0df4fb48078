"""Masks of lesions in the index: which are taken, and what belongs to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.flow.refresh import refresh_index
from commissure.modalities import BY_DEFAULT


def indexed(folder: Path, *names: str):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    entries, said = survey(folder, tree_of(folder))
    return {entry.scan.rsplit("/", 1)[-1]: entry for entry in entries}, said


def test_a_mask_has_its_image_and_the_tables_that_tell_of_the_visit(tmp_path):
    masks, said = indexed(
        tmp_path,
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_label-lesion_dseg.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_label-lesion_dseg.tsv",
        "sub-01/ses-1/sub-01_ses-1_scans.tsv",
        "sub-01/sub-01_sessions.tsv",
        "phenotype/lesion.tsv",
    )
    mask = masks["sub-01_ses-1_ce-gd_label-lesion_dseg.nii.gz"]
    assert (mask.modality, mask.used, said) == ("lesion", True, [])
    assert {key: name.rsplit("/", 1)[-1] for key, name in mask.associated.items()} == {
        "image": "sub-01_ses-1_ce-gd_T1w.nii.gz",
        "labels": "sub-01_ses-1_ce-gd_label-lesion_dseg.tsv",
        "sessions": "sub-01_sessions.tsv",
        "scans": "sub-01_ses-1_scans.tsv",
        "visits": "lesion.tsv",
    }
    # The T1w images are those of the anatomy all the same.
    assert masks["sub-01_ses-1_T1w.nii.gz"].used


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("anat/sub-01_label-lesion_dseg", "anat/sub-01_T1w"),
        ("anat/sub-01_mod-FLAIR_label-lesion_mask", "anat/sub-01_FLAIR"),
        ("anat/sub-01_run-2_label-lesion_desc-b_dseg", ""),
        ("ct/sub-01_label-lesion_dseg", "ct/sub-01_ct"),
    ],
)
def test_the_image_of_a_mask(tmp_path, mask, image):
    masks, _ = indexed(
        tmp_path,
        *(f"sub-01/anat/sub-01_{suffix}.nii.gz" for suffix in ("T1w", "ce-gd_T1w", "FLAIR", "T2w")),
        "sub-01/ct/sub-01_ct.nii.gz",
        f"sub-01/{mask}.nii.gz",
    )
    found = masks[f"{mask.rsplit('/', 1)[-1]}.nii.gz"].associated.get("image", "")
    assert found == (f"sub-01/{image}.nii.gz" if image else "")


def test_other_masks_are_none(tmp_path):
    masks, said = indexed(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_dseg.nii.gz",
        "sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "sub-01/anat/sub-01_label-GM_mask.nii.gz",
        "sub-01/anat/sub-01_label-lesion_roi.nii.gz",
    )
    assert (list(masks), said) == (["sub-01_T1w.nii.gz"], [])


def test_one_mask_of_a_visit_counts(tmp_path):
    masks, _ = indexed(
        tmp_path,
        *(
            f"sub-01/anat/sub-01_{name}.nii.gz"
            for name in (
                "T1w", "ce-gd_T1w", "label-lesion_dseg", "ce-gd_label-lesion_dseg",
                "ce-gd_label-lesion_mask", "ce-gd_label-lesion_desc-b_dseg",
            )
        ),
    )  # fmt: skip
    used = [name for name, entry in masks.items() if entry.used and entry.modality == "lesion"]
    assert used == ["sub-01_ce-gd_label-lesion_dseg.nii.gz"]
    note = masks["sub-01_ce-gd_label-lesion_mask.nii.gz"].note
    assert note == "another mask of this visit is used (sub-01_ce-gd_label-lesion_dseg.nii.gz)"


def test_a_mask_in_another_folder_is_told(tmp_path):
    masks, said = indexed(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/dwi/sub-01_label-lesion_dseg.nii.gz",
    )
    assert masks["sub-01_label-lesion_dseg.nii.gz"].refused == "place"
    assert "the folder sub-01/anat" in said[0]


def test_masks_may_lie_among_the_derivatives(tmp_path):
    masks, said = indexed(
        tmp_path,
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "derivatives/lesions/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_dseg.nii.gz",
        "derivatives/lesions/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_dseg.tsv",
        "derivatives/lesions/sub-01/ses-1/anat/sub-01_ses-1_desc-brain_T1w.nii.gz",
        "derivatives/lesions/dataset_description.json",
        "derivatives/other/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz",
    )
    assert said == [] and set(masks) == {
        "sub-01_ses-1_T1w.nii.gz", "sub-01_ses-1_label-lesion_dseg.nii.gz",
    }  # fmt: skip
    mask = masks["sub-01_ses-1_label-lesion_dseg.nii.gz"]
    assert (mask.modality, mask.participant_id, mask.session) == ("lesion", "sub-01", "ses-1")
    assert mask.associated["image"] == "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
    assert mask.associated["labels"].startswith("derivatives/lesions/")


def test_masks_are_files_like_any_others_in_a_study_that_does_not_ask_for_lesions(tmp_path):
    names = [
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_label-lesion_roi.nii.gz",
    ]
    indexed(tmp_path, *names)
    tree = tree_of(tmp_path, modalities=BY_DEFAULT)
    without = survey(tmp_path, tree, modalities=BY_DEFAULT)
    refresh_index(tmp_path, tmp_path / "out/work", batch_size=1)
    index = (tmp_path / "out/work/index.tsv").read_bytes()
    indexed(
        tmp_path,
        "sub-01/anat/sub-01_label-lesion_dseg.nii.gz",
        "sub-01/anat/sub-01_label-lesion_mask.nii.gz",
        "sub-01/dwi/sub-01_label-lesion_mask.nii.gz",
        "sub-02/anat/sub-02_label-lesion_mask.nii.gz",
        "derivatives/lesions/sub-03/anat/sub-03_label-lesion_dseg.nii.gz",
    )
    tree = tree_of(tmp_path, modalities=BY_DEFAULT)
    assert survey(tmp_path, tree, modalities=BY_DEFAULT) == without
    refresh_index(tmp_path, tmp_path / "out/work", batch_size=1)
    assert (tmp_path / "out/work/index.tsv").read_bytes() == index
    # Asked for, they are in the index at once.
    refresh_index(tmp_path, tmp_path / "out/work", batch_size=1, modalities=["anat", "lesion"])
    index = (tmp_path / "out/work/index.tsv").read_text()
    assert index.count("\tlesion\t") == 5
