"""Nothing of the user's is ever touched: where results may go."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from commissure.errors import ConfigError
from commissure.flow.places import Location, below, check_output, mounted
from commissure.flow.plan import Plan


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A dataset in the working folder."""
    monkeypatch.chdir(tmp_path)
    scan = tmp_path / "bids/sub-01/anat/sub-01_T1w.nii.gz"
    scan.parent.mkdir(parents=True)
    scan.write_text("image")
    (tmp_path / "bids/participants.tsv").write_text("participant_id\nsub-01\n")
    (tmp_path / "bids/dataset_description.json").write_text('{"Name": "raw"}')
    return tmp_path


def planned(**config):
    return Plan({"bids_dir": "bids", "output_dir": "out", **config}, main=True)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("output_dir", "words"),
    [
        ("bids", "bids is the dataset itself"),
        ("./bids/../bids/", "is the dataset itself"),
        (".", "the dataset bids lies in ."),
        ("..", "the dataset bids lies in .."),
        ("bids/results", "lies in the dataset bids"),
        ("bids/sub-01", "lies in the dataset bids"),
        ("bids/sourcedata/x", "lies in the dataset bids"),
        ("bids/derivatives", "lies in the dataset bids"),
        ("bids/derivatives/../sub-01/x", "lies in the dataset bids"),
        ("bids/participants.tsv", "lies in the dataset bids"),
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("~/out", "starts with ~"),
        ("out/{x}", "holds braces"),
        ("out/}", "holds braces"),
        ("a\nb", "cannot be printed"),
        ("a\0b", "cannot be printed"),
        ("file", "cannot be written"),
        ("file/out", "cannot be written"),
        ("/proc/out", "cannot be written"),
    ],
)
def test_output_folders_that_are_refused(study, output_dir, words):
    (study / "file").write_text("a file of mine")
    before = everything(study)
    with pytest.raises(ConfigError) as caught:
        planned(output_dir=output_dir)
    assert caught.value.who == "output_dir"
    assert words in str(caught.value)
    assert everything(study) == before


@pytest.mark.parametrize(
    "output_dir", ["out", "bids/derivatives/commissure", "bids2", "Übung 'a' b"]
)
def test_output_folders_that_are_taken_at_first_and_again(study, output_dir):
    for _ in range(2):
        planned(output_dir=output_dir)
    assert (study / output_dir / "work/index.tsv").exists()


@pytest.mark.parametrize("target", ["bids", "bids/sub-01", "."])
def test_links_are_seen_through(study, target):
    (study / "link").symlink_to(target)
    with pytest.raises(ConfigError, match="output_dir: "):
        planned(output_dir="link/results" if target != "." else "link")


def test_a_linked_dataset_is_the_dataset(study):
    (study / "link").symlink_to("bids")
    with pytest.raises(ConfigError, match="lies in the dataset link"):
        planned(bids_dir="link", output_dir="bids/results")
    (study / "bids/derivatives").symlink_to(".")
    with pytest.raises(ConfigError, match="lies in the dataset"):
        planned(output_dir="bids/derivatives/sub-01")


def test_derivatives_that_are_linked_elsewhere_are_fine(study):
    (study / "elsewhere").mkdir()
    (study / "bids/derivatives").symlink_to("../elsewhere")
    planned(output_dir="bids/derivatives/commissure")


@pytest.fixture
def bound(study):
    """The dataset once more, by a bind mount."""
    (study / "bound").mkdir()
    if subprocess.run(["mount", "--bind", "bids", "bound"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield study
    subprocess.run(["umount", "bound"], check=True)


@pytest.mark.parametrize(
    ("bids_dir", "output_dir"),
    [("bids", "bound"), ("bids", "bound/results"), ("bound", "bids/results"), ("bound", "bids"),
     ("bound", "bids/sub-01"), ("bids/sub-01/..", "bound/sub-01")],
)  # fmt: skip
def test_bind_mounts_are_seen_through(bound, bids_dir, output_dir):
    with pytest.raises(ConfigError, match="dataset"):
        planned(bids_dir=bids_dir, output_dir=output_dir)


def test_a_mount_of_a_dataset_lies_in_the_folders_above_its_source(tmp_path):
    """The source of a mount may lie in the output folder, though no folder on the way does."""
    text = (
        f"1 0 8:1 / / rw - ext4 /dev/a rw\n"
        f"2 1 8:1 {tmp_path}/data/bids {tmp_path}/my\\040bids rw - ext4 /dev/a rw\n"
    )
    mounts = mounted(text)
    assert Location.of(tmp_path / "my bids/sub-01", mounts) == Location.of(
        tmp_path / "data/bids/sub-01", mounts
    )
    assert Location.of(tmp_path / "data/bids2", mounts).parts[-1] == "bids2"


def test_without_a_list_of_mounts_identity_decides(study, monkeypatch):
    monkeypatch.setattr("commissure.flow.places._MOUNTS", study / "nothing")
    assert below(study / "bids/a/b", study / "bids") == ("a", "b")
    assert below(study / "bids2", study / "bids") is None


def people(folder):
    folder.mkdir(exist_ok=True)
    path = folder / "people.tsv"
    path.write_text("participant_id\tx\nsub-01\t3\n")
    return str(path)


@pytest.mark.parametrize("key", ["participants", "treatments", "tables"])
def test_a_table_in_the_output_folder_is_refused(study, key):
    file = people(study / "out")
    config = {key: [{"file": file}] if key == "tables" else {"file": file}}
    with pytest.raises(ConfigError, match="which the run reads"):
        planned(**config)
    (study / "link.tsv").symlink_to(file)
    config = {key: [{"file": "link.tsv"}] if key == "tables" else {"file": "link.tsv"}}
    with pytest.raises(ConfigError, match="which the run reads"):
        planned(**config)


def test_a_table_of_the_dataset_that_is_a_link_into_the_results_is_refused(study):
    file = people(study / "out")
    (study / "bids/participants.tsv").unlink()
    (study / "bids/participants.tsv").symlink_to(file)
    with pytest.raises(ConfigError, match="which the run reads"):
        planned()


@pytest.mark.parametrize("makers", [None, [{"Name": "fMRIPrep"}], "x", [3]])
def test_the_folder_of_another_dataset_is_refused(study, makers):
    (study / "out").mkdir()
    content = {"Name": "x"} if makers is None else {"GeneratedBy": makers}
    (study / "out/dataset_description.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="out holds"):
        planned()


def test_results_of_an_earlier_run_are_taken_again(study):
    (study / "out").mkdir()
    content = {"GeneratedBy": [{"Name": "Commissure"}]}
    (study / "out/dataset_description.json").write_text(json.dumps(content))
    planned()


def test_no_run_goes_into_the_results_of_another(study):
    planned().command(["snakemake"])
    with pytest.raises(ConfigError, match="lies in the results of another run"):
        planned(output_dir="out/again")
    planned(output_dir="out/work/tolerances/repeat-1/run/out")


def test_a_full_or_closed_disk_is_one_sentence(study, monkeypatch):
    def touch(self):
        raise OSError(28, "No space left on device", os.fspath(self))

    monkeypatch.setattr(Path, "touch", touch)
    with pytest.raises(ConfigError, match="No space left on device"):
        check_output(Path("out"), None, {})
