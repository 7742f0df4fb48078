"""Files that are not as BIDS has them: told one by one, and none of them stops the others."""

from __future__ import annotations

import json
import os
import socket

import pytest

from commissure.dataset.index import build_index, read_entries, survey
from commissure.dataset.tree import tree_of
from commissure.errors import DatasetError
from commissure.flow.refresh import refresh_index

GOOD = "sub-01/anat/sub-01_T1w.nii.gz"


def lay(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith(".json") else "image")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "bids"
    lay(folder, GOOD, "sub-01/anat/sub-01_T1w.json", "participants.tsv")
    return folder


def looked_at(root):
    """Used images, refused ones by path, and what is said."""
    entries, said = survey(root, tree_of(root))
    refused = {e.scan: e for e in entries if e.refused}
    assert not any(e.used for e in refused.values())
    return [e.scan for e in entries if e.used], refused, said


def refused_alone(root, path):
    """The entry of the only image that is refused; the good one is used."""
    used, refused, said = looked_at(root)
    assert GOOD in used
    assert list(refused) == [path]
    assert len(said) == 1 and said[0].startswith("1 is passed over") and path in said[0]
    return refused[path]


@pytest.mark.parametrize(
    ("path", "kind", "person", "modality"),
    [
        ("sub-AB_01/anat/sub-AB_01_T1w.nii.gz", "name", "sub-AB_01", "anat"),
        ("sub-AB-01/func/sub-AB-01_task-rest_bold.nii.gz", "name", "sub-AB-01", "func"),
        ("sub-02/anat/sub-02_T1w.NII.GZ", "name", "sub-02", "anat"),
        ("sub-02/anat/sub-02_T1W.nii.gz", "name", "sub-02", "anat"),
        ("sub-02/anat/sub-02_t1.nii", "name", "sub-02", "anat"),
        ("sub-02/anat/sub-02_T1w.mgz", "name", "sub-02", "anat"),
        ("sub-02/anat/sub-02 T1w.nii.gz", "name", "sub-02", "anat"),
        ("sub-02/anat/sub-02_T1w (1).nii.gz", "name", "sub-02", "anat"),
        ("sub-02/anat/Müller_T1w.nii.gz", "name", "sub-02", "anat"),
        ("sub-02/func/sub-02_task-Über_bold.nii.gz", "name", "sub-02", "func"),
        ("sub-02/func/sub-02_task-rest_BOLD.nii.gz", "name", "sub-02", "func"),
        ("sub-02/dwi/sub-02_dir-AP_dir-PA_dwi.nii.gz", "name", "sub-02", "dwi"),
        ("sub-02/mrs/sub-02_voxel-ACC_svs.nii.gz", "name", "sub-02", "mrs"),
        ("sub-02/func/scan-1.nii.gz", "name", "sub-02", "func"),
        ("sub-02/func/sub-02_T1w.nii.gz", "place", "sub-02", "anat"),
        ("sub-02/sub-02_T1w.nii.gz", "place", "sub-02", "anat"),
        ("sub-02/anat/old/sub-02_T1w.nii.gz", "place", "sub-02", "anat"),
        ("sub-02/dwi/sub-03_dwi.nii.gz", "person", "sub-02", "dwi"),
        ("sub-02/ses-1/mrs/sub-02_ses-2_svs.nii.gz", "person", "sub-02", "mrs"),
        ("sub-02/ses-1/mrs/sub-03_ses-1_svs.nii.gz", "person", "sub-02", "mrs"),
        ("sub-02/ses-ä/mrs/sub-02_svs.nii.gz", "person", "sub-02", "mrs"),
    ],
)
def test_what_looks_like_an_image_of_ours_is_told(root, path, kind, person, modality):
    lay(root, path)
    entry = refused_alone(root, path)
    assert (entry.refused, entry.participant_id, entry.modality) == (kind, person, modality)
    assert path.rsplit("/", 1)[-1] in entry.note and "is expected" in entry.note


@pytest.mark.parametrize(
    "path",
    [
        "sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_mod-T1w_defacemask.nii.gz",
        "sub-01/anat/sub-01_acq-t1_FLAIR.nii.gz", "sub-01/func/sub-01_task-rest_sbref.nii.gz",
        "sub-01/fmap/sub-01_dir-AP_bold.nii.gz", "sub-01/fmap/sub-01_acq-bold_epi.nii.gz",
        "sub-01/perf/sub-01_asl.nii.gz", "sub-01/mrs/sub-01_mrsi.nii.gz",
        "sub-01/mrs/sub-01_mrsref.nii.gz", "sub-01/anat/sub-01_T1map.nii.gz",
        "sub-01/anat/._sub-01_T1w.nii.gz", "stimuli/face-1.nii.gz", "stimuli/tpl-MNI_T1w.nii.gz",
        "sub-01/func/sub-01_task-x_acq-a-b_sbref.nii.gz", "sub-01/anat/sub-01_T1w.json.bak",
        "sub-01/anat/notes.txt", "derivatives/x/Sub 3/anat/T1w.nii.gz", "README",
    ],
)  # fmt: skip
def test_what_is_not_ours_is_passed_over_without_a_word(root, path):
    lay(root, path)
    used, refused, said = looked_at(root)
    assert used == [GOOD] and not refused and not said


@pytest.mark.parametrize(
    "path", ["results/sub-03/anat/sub-03_T1w.nii.gz", "S03/anat/S03_T1w.nii.gz",
             "Sub-03/anat/Sub-03_T1w.nii.gz", "sub-03_T1w.nii.gz", "anat/sub-01_T1w.nii.gz"],
)  # fmt: skip
def test_images_outside_the_folders_of_people_are_told_and_nobodys(root, path):
    lay(root, path)
    used, refused, said = looked_at(root)
    assert used == [GOOD] and not refused
    assert path in said[0]


def test_a_file_in_the_folder_of_another_person_does_not_touch_either(root):
    """A spectrum of sub-02 under sub-09 once became sub-02's."""
    true, strange = "sub-02/mrs/sub-02_voi-ACC_svs.nii.gz", "sub-09/mrs/sub-02_voi-ACC_svs.nii.gz"
    lay(root, true, strange, "sub-09/anat/sub-09_T1w.nii.gz")
    used, refused, _ = looked_at(root)
    assert used == [GOOD, true, "sub-09/anat/sub-09_T1w.nii.gz"]
    note = refused[strange].note
    assert "the name says sub-02, the folder sub-09" in note


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sub-02/anat/sub-02_T1w.nii.gz", "sub-02/anat/sub-02_T1w.nii"),
        ("sub-02/func/sub-02_task-rest_bold.nii.gz", "sub-02/func/sub-02_task-Rest_bold.nii.gz"),
        ("sub-02/func/sub-02_task-a_run-1_bold.nii", "sub-02/func/sub-02_run-1_task-a_bold.nii"),
        ("sub-02/ses-1/dwi/sub-02_dwi.nii.gz", "sub-02/ses-2/dwi/sub-02_dwi.nii.gz"),
        ("sub-ab/dwi/sub-ab_dwi.nii.gz", "sub-AB/dwi/sub-AB_dwi.nii.gz"),
    ],
)
def test_of_two_images_with_one_name_neither_is_taken(root, one, other):
    lay(root, one, other)
    used, refused, said = looked_at(root)
    assert used == [GOOD]
    assert set(refused) == {one, other}
    assert other in refused[one].note and one in refused[other].note
    assert said[0].startswith("2 are passed over, because another file stands for the same image")


def test_two_water_references_with_one_name_refuse_their_spectrum(root):
    lay(root, *(f"sub-01/mrs/sub-01_{name}" for name in
                ("svs.nii.gz", "mrsref.nii.gz", "mrsref.nii")))  # fmt: skip
    entry = refused_alone(root, "sub-01/mrs/sub-01_svs.nii.gz")
    assert "sub-01_mrsref.nii belongs to it" in entry.note


def test_a_folder_of_a_visit_may_hold_names_without_it(root):
    lay(root, "sub-02/ses-1/anat/sub-02_T1w.nii.gz")
    used, refused, said = looked_at(root)
    assert len(used) == 2 and not refused and not said


@pytest.mark.parametrize("target", ["../../.git/annex/objects/a/b.nii.gz", "gone.nii.gz", "sub-02_T1w.nii.gz"])  # fmt: skip
def test_a_broken_link_concerns_its_image_alone(root, target):
    path = root / "sub-02/anat/sub-02_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    entry = refused_alone(root, "sub-02/anat/sub-02_T1w.nii.gz")
    assert ("datalad get sub-02/anat/sub-02_T1w.nii.gz" in entry.note) == ("annex" in target)
    assert "link" in entry.note or "git annex get" in entry.note


@pytest.mark.parametrize("text", ["/annex/objects/MD5E-s1--0.nii.gz\n", "version https://git-lfs.github.com/spec/v1\n"])  # fmt: skip
def test_a_pointer_in_place_of_the_content_is_told(root, text):
    path = root / "sub-02/anat/sub-02_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert "was not fetched" in refused_alone(root, "sub-02/anat/sub-02_T1w.nii.gz").note


def test_a_broken_sidecar_refuses_the_images_to_which_it_applies(root):
    lay(root, "sub-02/func/sub-02_task-rest_bold.nii.gz")
    (root / "task-rest_bold.json").symlink_to("gone")
    entry = refused_alone(root, "sub-02/func/sub-02_task-rest_bold.nii.gz")
    assert "task-rest_bold.json belongs to it: it is a link to what is not there" in entry.note


def planted(kind, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        held = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(path.parent)
        held.bind(path.name)
        os.chdir(here)
        held.close()
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
def test_what_is_no_file_is_never_opened(root, kind):
    planted(kind, root / "sub-02/anat/sub-02_T1w.nii.gz")
    assert kind in refused_alone(root, "sub-02/anat/sub-02_T1w.nii.gz").note


@pytest.mark.parametrize("belonging", ["dwi/sub-02_dwi.json", "fmap/sub-02_dir-PA_epi.json"])
def test_a_pipe_in_place_of_a_sidecar_is_never_read(root, belonging):
    lay(root, "sub-02/dwi/sub-02_dwi.nii.gz", "sub-02/fmap/sub-02_dir-PA_epi.nii.gz")
    planted("pipe", root / "sub-02" / belonging)
    used, refused, _ = looked_at(root)
    assert GOOD in used
    assert bool(refused) == ("dwi.json" in belonging)


def test_loops_of_links_end_and_are_told(root):
    (root / "sub-01/loop").symlink_to("..")
    (root / "sub-02").mkdir()
    (root / "sub-03").mkdir()
    (root / "sub-02/to").symlink_to("../sub-03")
    (root / "sub-03/to").symlink_to("../sub-02")
    used, refused, said = looked_at(root)
    assert used == [GOOD] and not refused
    assert "3 are passed over, because the folder cannot be looked into" in said[0]
    assert "sub-01/loop/" in said[0]


def test_a_lost_folder_is_told_for_everything_that_it_may_hold(root):
    lay(root, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    (root / "sub-02").symlink_to("gone")
    (root / "sub-03").mkdir()
    (root / "sub-03/anat").symlink_to("gone")
    _, refused, _ = looked_at(root)
    assert {scan: (e.participant_id, e.refused) for scan, e in refused.items()} == {
        "sub-02/": ("sub-02", "folder"), "sub-03/anat/": ("sub-03", "folder"),
    }  # fmt: skip
    lost = [(e.participant_id, e.modality) for e in build_index(root, tree_of(root)) if e.refused]
    assert lost == [("sub-02", "anat"), ("sub-02", "func"), ("sub-03", "anat")]


def test_a_folder_without_permission_is_told(root, monkeypatch):
    lay(root, "sub-02/anat/sub-02_T1w.nii.gz")
    real = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("sub-02/anat"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    entry = refused_alone(root, "sub-02/anat/")
    assert "the folder cannot be opened (Permission denied)" in entry.note


def test_a_file_without_permission_is_told(root, monkeypatch):
    lay(root, "sub-02/anat/sub-02_T1w.nii.gz")
    (root / "sub-02/anat/sub-02_T1w.nii.gz").chmod(0)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    entry = refused_alone(root, "sub-02/anat/sub-02_T1w.nii.gz")
    assert "it cannot be read (permission denied)" in entry.note


def test_names_that_are_no_text_are_told_and_can_be_written(root, tmp_path):
    for folder, name in (
        (b"sub-02", b"sub-02_T1w_\xff.nii.gz"),
        (b"sub-\xfe", b"sub-03_T1w.nii.gz"),
    ):
        path = os.fsencode(root) + b"/" + folder + b"/anat"
        os.makedirs(path)
        with open(path + b"/" + name, "w") as file:
            file.write("image")
    lay(root, "sub-04/anat/sub-04_T1w\n.nii.gz")
    said: list[str] = []
    entries = refresh_index(root, tmp_path / "work", batch_size=1, say=said.append)
    assert read_entries(tmp_path / "work/index.tsv") == entries
    refused = {e.scan for e in entries if e.refused}
    assert refused == {
        r"sub-02/anat/sub-02_T1w_\xff.nii.gz", r"sub-\xfe/anat/sub-03_T1w.nii.gz",
        r"sub-04/anat/sub-04_T1w\n.nii.gz",
    }  # fmt: skip
    assert len(said) == 2


def test_what_is_passed_over_is_said_each_time(root, tmp_path):
    lay(root, "sub-AB_01/anat/sub-AB_01_T1w.nii.gz")
    first: list[str] = []
    again: list[str] = []
    refresh_index(root, tmp_path / "work", batch_size=1, say=first.append)
    refresh_index(root, tmp_path / "work", batch_size=1, say=again.append)
    assert first == again != []


def test_a_dataset_of_which_nothing_can_be_used_says_why(tmp_path):
    lay(tmp_path, "sub-AB_01/anat/sub-AB_01_T1w.nii.gz")
    with pytest.raises(DatasetError, match="the name does not follow BIDS: sub-AB_01/anat"):
        survey(tmp_path, tree_of(tmp_path))


@pytest.mark.parametrize("name", ["index.json", "index.tsv"])
@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_an_index_that_is_not_whole_is_made_again(root, tmp_path, name, content):
    work = tmp_path / "work"
    entries = refresh_index(root, work, batch_size=None)
    (work / name).write_text(content)
    said: list[str] = []
    assert refresh_index(root, work, batch_size=None, say=said.append) == entries
    assert read_entries(work / "index.tsv") == entries
    assert "made again" in said[0]
    json.loads((work / "index.json").read_text())


def test_a_lost_manifest_is_made_again(root, tmp_path):
    work = tmp_path / "work"
    refresh_index(root, work, batch_size=1)
    path = work / "batches/batch-0001.tsv"
    before = path.read_text()
    for spoil in (path.unlink, lambda: path.write_text(before[:40])):
        spoil()
        said: list[str] = []
        refresh_index(root, work, batch_size=1, say=said.append)
        assert path.read_text() == before
        assert said == ["work/batches/batch-0001.tsv is gone or has another size; it is made again"]


def test_a_sidecar_that_is_nested_without_end_does_not_stop_planning(root):
    lay(root, "sub-02/dwi/sub-02_dwi.nii.gz", "sub-02/fmap/sub-02_dir-PA_epi.nii.gz")
    (root / "sub-02/fmap/sub-02_dir-PA_epi.json").write_text("[" * 100_000)
    used, _, _ = looked_at(root)
    assert "sub-02/dwi/sub-02_dwi.nii.gz" in used
