"""Images in which a network marks lesions, in the index."""

from __future__ import annotations

import pytest

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.lesion.derivatives import LesionFiles


def indexed(folder, *names, unmarked):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    entries, _ = survey(folder, tree_of(folder), unmarked=unmarked)
    return [entry for entry in entries if entry.modality == "lesion"], entries


def test_every_visit_has_one_image_with_its_tables_and_no_mask(tmp_path):
    lesions, entries = indexed(
        tmp_path,
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_desc-n4_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_label-lesion_dseg.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_part-phase_T1w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz",
        "sub-01/sub-01_sessions.tsv",
        "phenotype/lesion.tsv",
        unmarked="T1w",
    )
    used = {entry.session: entry for entry in lesions if entry.used}
    assert {session: entry.scan.rsplit("/", 1)[-1] for session, entry in used.items()} == {
        "ses-1": "sub-01_ses-1_ce-gd_T1w.nii.gz",
        "ses-2": "sub-01_ses-2_T1w.nii.gz",
    }
    (mask,) = (entry for entry in lesions if not entry.used)
    assert "the network of lesion.masks marks the lesions" in mask.note
    assert set(used["ses-1"].associated) == {"image", "sessions", "visits"}
    assert used["ses-1"].associated["image"] == used["ses-1"].scan
    # The same images are those of the anatomy.
    anatomy = [entry for entry in entries if entry.modality == "anat" and entry.used]
    assert "sub-01_ses-2_T1w.nii.gz" in {entry.scan.rsplit("/", 1)[-1] for entry in anatomy}
    scan = used["ses-1"].scan_in(tmp_path)
    assert LesionFiles.of(scan, tmp_path).labels.name == (
        "sub-01_ses-1_ce-gd_label-lesion_desc-numbered_dseg.nii.gz"
    )


def test_ct_is_taken_where_nothing_else_is_there(tmp_path):
    lesions, _ = indexed(tmp_path, "sub-01/ct/sub-01_ct.nii.gz", unmarked="ct")
    assert [(entry.scan, entry.used) for entry in lesions] == [("sub-01/ct/sub-01_ct.nii.gz", True)]
    with pytest.raises(DatasetError, match="none of its 1 files"):
        indexed(tmp_path, unmarked="FLAIR")


def test_a_changed_image_gives_another_fingerprint(tmp_path):
    before, _ = indexed(tmp_path, "sub-01/ct/sub-01_ct.nii.gz", unmarked="ct")
    (tmp_path / "sub-01/ct/sub-01_ct.nii.gz").write_text("another")
    after, _ = indexed(tmp_path, unmarked="ct")
    assert before[0].fingerprint != after[0].fingerprint
