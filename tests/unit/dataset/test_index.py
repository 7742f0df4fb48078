"""The index of a dataset: which image, with which sidecars, in which batch."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commissure.dataset.index import (
    Entry,
    build_index,
    read_entries,
)
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.flow.refresh import assign_batches, refresh_index


@pytest.fixture
def dataset(tmp_path):
    """Names of a small dataset: sessions for one person only, shared sidecars, two T1w images."""
    root = tmp_path / "bids"
    files = """
    dataset_description.json participants.tsv T1w.json task-rest_bold.json
    sub-01/anat/sub-01_T1w.nii.gz sub-01/anat/sub-01_run-2_T1w.nii.gz
    sub-01/func/sub-01_task-rest_bold.nii.gz sub-01/func/sub-01_task-rest_bold.json
    sub-01/mrs/sub-01_voi-ACC_svs.nii.gz sub-01/mrs/sub-01_voi-ACC_svs.json
    sub-01/mrs/sub-01_voi-ACC_mrsref.nii.gz sub-01/mrs/sub-01_voi-ACC_mrsref.json
    sub-01/mrs/sub-01_voi-DLPFC_mrsref.nii.gz
    sub-02/ses-a/dwi/sub-02_ses-a_dwi.nii.gz sub-02/ses-a/dwi/sub-02_ses-a_dwi.bval
    sub-02/ses-a/dwi/sub-02_ses-a_dwi.bvec sub-02/ses-a/dwi/sub-02_ses-a_dwi.json
    sub-02/ses-b/func/sub-02_ses-b_task-rest_echo-1_bold.nii.gz
    sub-02/ses-b/func/sub-02_ses-b_task-rest_echo-2_bold.nii.gz
    sub-02/ses-b/func/sub-02_ses-b_task-rest_echo-2_bold.json
    sub-02/ses-b/func/sub-02_ses-b_task-rest_echo-10_bold.nii.gz
    sub-02/ses-b/func/sub-02_ses-b_task-nback_echo-2_bold.nii.gz
    sub-02/ses-b/func/sub-02_ses-b_task-rest_part-phase_bold.nii.gz
    derivatives/x/sub-03/anat/sub-03_T1w.nii.gz sourcedata/sub-04/anat/sub-04_T1w.nii.gz
    sub-01/anat/notes.txt .git/sub-05/anat/sub-05_T1w.nii.gz
    """
    for name in files.split():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith(".json") else name)
    return root


def by_scan(entries):
    return {entry.scan.rsplit("/", 1)[-1]: entry for entry in entries}


def test_every_image_has_a_row_and_nothing_else(dataset):
    assert set(by_scan(build_index(dataset, tree_of(dataset)))) == {
        "sub-01_T1w.nii.gz", "sub-01_run-2_T1w.nii.gz", "sub-01_task-rest_bold.nii.gz",
        "sub-01_voi-ACC_svs.nii.gz", "sub-02_ses-a_dwi.nii.gz",
        "sub-02_ses-b_task-rest_echo-1_bold.nii.gz",
        "sub-02_ses-b_task-rest_echo-2_bold.nii.gz",
        "sub-02_ses-b_task-rest_echo-10_bold.nii.gz",
        "sub-02_ses-b_task-nback_echo-2_bold.nii.gz",
        "sub-02_ses-b_task-rest_part-phase_bold.nii.gz",
    }  # fmt: skip


def test_sidecars_are_inherited_general_first(dataset):
    entry = by_scan(build_index(dataset, tree_of(dataset)))["sub-01_task-rest_bold.nii.gz"]
    assert entry.sidecars == ("task-rest_bold.json", "sub-01/func/sub-01_task-rest_bold.json")


def test_associated_files_belong_to_the_same_voxel_and_series(dataset):
    entries = by_scan(build_index(dataset, tree_of(dataset)))
    svs, dwi = entries["sub-01_voi-ACC_svs.nii.gz"], entries["sub-02_ses-a_dwi.nii.gz"]
    assert svs.associated["mrsref"] == "sub-01/mrs/sub-01_voi-ACC_mrsref.nii.gz"
    assert {"bval", "bvec"} == set(dwi.associated)
    assert dwi.session == "ses-a"


def test_water_references_that_suit_alike_are_all_given(tmp_path):
    """The modality takes the one with most water."""
    folder = "sub-01/mrs/sub-01_acq-steam"
    for name in ("svs.nii.gz", "run-2_mrsref.nii.gz", "run-1_mrsref.nii.gz", "run-2_mrsref.json"):
        path = tmp_path / f"{folder}_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    other = tmp_path / "sub-01/mrs/sub-01_acq-press_mrsref.nii.gz"
    other.write_text("{}")
    (svs,) = build_index(tmp_path, tree_of(tmp_path))
    assert svs.associated == {
        "mrsref": f"{folder}_run-1_mrsref.nii.gz",
        "mrsref2": f"{folder}_run-2_mrsref.nii.gz",
        "mrsref2_json": f"{folder}_run-2_mrsref.json",
    }


OPPOSED = "sub-02/ses-a/fmap/sub-02_ses-a_dir-PA_epi"


@pytest.mark.parametrize(
    ("its", "own", "belongs"),
    [
        ({"IntendedFor": ["bids::sub-02/ses-a/dwi/sub-02_ses-a_dwi.nii.gz"]}, {}, True),
        ({"IntendedFor": "ses-a/dwi/sub-02_ses-a_dwi.nii.gz"}, {}, True),
        ({"B0FieldIdentifier": "pepolar"}, {"B0FieldSource": ["pepolar", "other"]}, True),
        ({"IntendedFor": ["bids::sub-02/ses-a/func/sub-02_ses-a_bold.nii.gz"]}, {}, False),
        ({"B0FieldIdentifier": "pepolar"}, {}, False),
        ({}, {}, False),
    ],
)
def test_an_opposed_image_belongs_to_the_series_that_it_names(dataset, its, own, belongs):
    image = dataset / f"{OPPOSED}.nii.gz"
    image.parent.mkdir()
    image.write_text("image")
    (dataset / f"{OPPOSED}.json").write_text(json.dumps(its))
    (dataset / "sub-02/ses-a/dwi/sub-02_ses-a_dwi.json").write_text(json.dumps(own))
    dwi = by_scan(build_index(dataset, tree_of(dataset)))["sub-02_ses-a_dwi.nii.gz"]
    found = {key: path for key, path in dwi.associated.items() if key.startswith("epi")}
    wanted = {"epi": f"{OPPOSED}.nii.gz", "epi_json": f"{OPPOSED}.json"}
    assert found == (wanted if belongs else {})


def test_of_several_the_image_with_the_opposite_phase_encoding_is_taken(dataset):
    series = {"PhaseEncodingDirection": "j-"}
    (dataset / "sub-02/ses-a/dwi/sub-02_ses-a_dwi.json").write_text(json.dumps(series))
    for direction, sense in (("AP", "j-"), ("PA", "j")):
        path = dataset / OPPOSED.replace("PA", direction)
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".nii.gz").write_text("image")
        meant = "bids::sub-02/ses-a/dwi/sub-02_ses-a_dwi.nii.gz"
        path.with_suffix(".json").write_text(
            json.dumps({"IntendedFor": meant, "PhaseEncodingDirection": sense})
        )
    dwi = by_scan(build_index(dataset, tree_of(dataset)))["sub-02_ses-a_dwi.nii.gz"]
    assert dwi.associated["epi"] == f"{OPPOSED}.nii.gz"


def test_images_that_are_not_used_say_why(dataset):
    notes = {name: e.note for name, e in by_scan(build_index(dataset, tree_of(dataset))).items()}
    equal = "one of 2 T1w images of this visit; the one with most contrast is used"
    assert notes["sub-01_T1w.nii.gz"] == notes["sub-01_run-2_T1w.nii.gz"] == equal
    assert (
        notes["sub-02_ses-b_task-rest_part-phase_bold.nii.gz"] == "part-phase images are not used"
    )


def test_the_echoes_of_a_run_belong_to_the_first(dataset):
    entries = by_scan(build_index(dataset, tree_of(dataset)))
    run = "sub-02/ses-b/func/sub-02_ses-b_task-rest"
    first = entries["sub-02_ses-b_task-rest_echo-1_bold.nii.gz"]
    assert first.used
    assert first.associated == {
        "echo2": f"{run}_echo-2_bold.nii.gz",
        "echo2_json0": "task-rest_bold.json",
        "echo2_json1": f"{run}_echo-2_bold.json",
        "echo3": f"{run}_echo-10_bold.nii.gz",
        "echo3_json0": "task-rest_bold.json",
    }
    for echo in (2, 10):
        other = entries[f"sub-02_ses-b_task-rest_echo-{echo}_bold.nii.gz"]
        assert not other.used
        assert other.note == "combined with sub-02_ses-b_task-rest_echo-1_bold.nii.gz"
        assert other.associated == {}
    # Of another task only the second echo is there: it is a series of its own.
    assert entries["sub-02_ses-b_task-nback_echo-2_bold.nii.gz"].used


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("sub-01_task-rest_sbref.nii.gz", True),
        ("sub-01_sbref.nii.gz", True),
        ("sub-01_task-nback_sbref.nii.gz", False),
        ("sub-01_task-rest_run-2_sbref.nii.gz", False),
        ("sub-01_task-rest_part-phase_sbref.nii.gz", False),
        ("sub-01_task-rest_sbref.json", False),
    ],
)
def test_a_single_band_reference_belongs_to_the_run_of_its_name(dataset, name, belongs):
    (dataset / "sub-01/func" / name).write_text("{}")
    run = by_scan(build_index(dataset, tree_of(dataset)))["sub-01_task-rest_bold.nii.gz"]
    assert run.associated == ({"sbref": f"sub-01/func/{name}"} if belongs else {})


def test_a_first_echo_that_cannot_be_read_leaves_no_echo_alone(dataset):
    path = dataset / "sub-02/ses-b/func/sub-02_ses-b_task-rest_echo-1_bold.nii.gz"
    path.unlink()
    path.symlink_to("nowhere")
    entries = by_scan(build_index(dataset, tree_of(dataset)))
    assert entries[path.name].refused
    assert not entries["sub-02_ses-b_task-rest_echo-2_bold.nii.gz"].used


@pytest.mark.parametrize(
    ("senses", "same"),
    [({"AP": "j-", "PA": "j"}, "AP"), ({"PA": "j"}, None)],
)
def test_a_run_has_both_senses_of_the_images_that_name_it(dataset, senses, same):
    run = dataset / "sub-01/func/sub-01_task-rest_bold.json"
    run.write_text(json.dumps({"PhaseEncodingDirection": "j-"}))
    (dataset / "sub-01/fmap").mkdir()
    for direction, sense in senses.items():
        path = dataset / f"sub-01/fmap/sub-01_dir-{direction}_epi"
        path.with_suffix(".nii.gz").write_text("image")
        meant = "bids::sub-01/func/sub-01_task-rest_bold.nii.gz"
        fields = {"IntendedFor": meant, "PhaseEncodingDirection": sense}
        path.with_suffix(".json").write_text(json.dumps(fields))
    bold = by_scan(build_index(dataset, tree_of(dataset)))["sub-01_task-rest_bold.nii.gz"]
    assert bold.associated["epi"] == "sub-01/fmap/sub-01_dir-PA_epi.nii.gz"
    wanted = same and f"sub-01/fmap/sub-01_dir-{same}_epi.nii.gz"
    assert bold.associated.get("epi_same") == wanted


def test_what_the_configuration_asks_of_t1w_images_makes_the_index_anew(dataset, tmp_path):
    work = tmp_path / "work"
    used = {
        wanted: [e.scan for e in refresh_index(dataset, work, batch_size=1, image={"run": (wanted,)})
                 if e.modality == "anat" and e.used]
        for wanted in ("2", "")
    }  # fmt: skip
    assert used == {
        "2": ["sub-01/anat/sub-01_run-2_T1w.nii.gz"],
        "": ["sub-01/anat/sub-01_T1w.nii.gz"],
    }


def test_a_lesion_mask_and_the_second_inversion_belong_to_their_image(dataset):
    for name in ("UNIT1", "inv-1_MP2RAGE", "inv-2_MP2RAGE", "run-2_label-lesion_roi", "label-lesion_roi",
                 "acq-x_label-lesion_roi", "label-tumour_roi"):  # fmt: skip
        (dataset / f"sub-01/anat/sub-01_{name}.nii.gz").write_text(name)
    entries = by_scan(build_index(dataset, tree_of(dataset)))
    folder = "sub-01/anat/sub-01"
    assert entries["sub-01_T1w.nii.gz"].associated == {"roi": f"{folder}_label-lesion_roi.nii.gz"}
    assert entries["sub-01_run-2_T1w.nii.gz"].associated == {
        "roi": f"{folder}_run-2_label-lesion_roi.nii.gz"
    }
    ratio = entries["sub-01_UNIT1.nii.gz"]
    assert ratio.associated["inv2"] == f"{folder}_inv-2_MP2RAGE.nii.gz"
    assert not ratio.used


def test_the_index_is_made_anew_only_when_the_dataset_changes(dataset, tmp_path):
    work = tmp_path / "work"
    refresh_index(dataset, work, batch_size=1)
    files = [work / "index.tsv", *(work / "batches").iterdir()]
    before = {path: path.stat().st_mtime_ns for path in files}
    time.sleep(0.01)
    refresh_index(dataset, work, batch_size=1)
    assert before == {path: path.stat().st_mtime_ns for path in files}
    (dataset / "sub-02/ses-a/dwi/sub-02_ses-a_dwi.bvec").write_text("changed")
    refresh_index(dataset, work, batch_size=1)
    changed = {path.name for path in files if path.stat().st_mtime_ns != before[path]}
    assert changed == {"index.tsv", "batch-0002.tsv"}


def test_a_new_person_does_not_move_the_others(dataset, tmp_path):
    work = tmp_path / "work"
    refresh_index(dataset, work, batch_size=1)
    new = dataset / "sub-00/anat/sub-00_T1w.nii.gz"
    new.parent.mkdir(parents=True)
    new.write_text("x")
    batches = {e.participant_id: e.batch for e in refresh_index(dataset, work, batch_size=1)}
    assert batches == {"sub-01": 1, "sub-02": 2, "sub-00": 3}


def test_rows_come_back_as_they_were_written(dataset, tmp_path):
    work = tmp_path / "work"
    assert refresh_index(dataset, work, batch_size=2) == read_entries(work / "index.tsv")


def test_a_missing_or_empty_dataset_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"no such folder.*make demo"):
        refresh_index(tmp_path / "nowhere", tmp_path / "work", batch_size=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "dataset_description.json").write_text(json.dumps({}))
    with pytest.raises(DatasetError, match="none of its 1 files is a T1w"):
        refresh_index(tmp_path / "empty", tmp_path / "work", batch_size=1)


@given(st.integers(1, 30), st.integers(1, 7))
def test_batches_are_full_but_for_the_last(people, size):
    entries = [Entry(f"sub-{n:02d}", "", "anat", f"sub-{n:02d}/x") for n in range(people)]
    counts: dict[int, int] = {}
    for entry in assign_batches(entries, size, {}):
        counts[entry.batch] = counts.get(entry.batch, 0) + 1
    assert [size] * (people // size) == [counts[k] for k in sorted(counts)][: people // size]
    assert sum(counts.values()) == people
