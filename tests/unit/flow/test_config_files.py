"""A configuration that says something else than its reader believes."""

from __future__ import annotations

import os

import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.flow.config_files import check_files, check_size
from commissure.flow.settings import read_settings

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"bids_dir: a\noutput_dir: b\nbids_dir: c\n", "'bids_dir' is there twice (lines 1 and 3)"),
        (b"func:\n  tasks: [a]\n  tasks: [b]\n", "'tasks' is there twice"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is there twice"),
        ("bids_dir: ü\n".encode("utf-16"), "it is UTF-16"),
        ("bids_dir: ü\n".encode("utf-16-le"), "it is UTF-16"),
        ("bids_dir: a\ntitle: Jürgen\n".encode("latin-1"), "line 2 is no UTF-8"),
        (b"bids_dir: [a\n", "it is no YAML"),
        (b"bids_dir:\n\t- a\n", "it is no YAML"),
        (b"a: &a [*a]\n", "a reference (line 1) contains itself"),
        (BOMB.encode(), "it means more than 100000 values"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_file_is_refused_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        check_files([path])
    assert words in str(caught.value)
    assert str(caught.value).startswith("study.yaml: ")


@pytest.mark.parametrize(
    "content",
    [b"", b"bids_dir: a\n", b"\xef\xbb\xbfbids_dir: a\n", b'{"a":\t1}', b"# only a comment\n",
     b"x: &x {a: 1}\ny:\n  <<: *x\n  b: 1\nz:\n  <<: *x\n"],
)  # fmt: skip
def test_other_files_are_left_to_snakemake(tmp_path, content):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    check_files([path, tmp_path / "nowhere.yaml"])


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(ConfigError, match="it cannot be read"):
        check_files([tmp_path])


def test_a_pipe_is_left_to_snakemake(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_files([tmp_path / "pipe"])


def test_the_own_configuration_passes(repository):
    check_files([repository / "config.yaml"])


def test_a_merged_configuration_has_a_size():
    value: list = ["x"] * 9
    for _ in range(9):
        value = [value] * 9
    with pytest.raises(ConfigError, match="more than 100000 values"):
        read_settings({"tables": value})
    check_size({"a": {"b": [1, 2, "text"]}})
    value[0] = value
    with pytest.raises(ConfigError, match="more than 100000 values"):
        check_size({"a": value})


def test_a_long_value_is_shown_shortened(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_settings({"bids_dir": ["x" * 1000] * 1000})
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"modalities": []}, "modalities: List should have at least 1 item"),
        ({"modalities": ["anat", "anat"]}, "modalities: each modality is named once"),
        ({"bids_dir": ""}, "bids_dir: it is empty"),
        ({"bids_dir": "~/bids"}, "bids_dir: ~/bids starts with ~"),
        ({"bids_dir": "{a}"}, "bids_dir: {a} holds braces"),
        ({"participants": {"file": "~/p.tsv"}}, "participants.file: ~/p.tsv starts with ~"),
        ({"mrs": {"basis": "nowhere.BASIS"}}, "mrs.basis: there is no file or folder nowhere"),
    ],
)
def test_settings_that_are_refused_at_the_start(config, words):
    with pytest.raises(ConfigError) as caught:
        read_settings(config)
    assert words in str(caught.value)


def test_a_basis_of_a_modality_that_is_not_asked_for_is_not_looked_for():
    read_settings({"mrs": {"basis": "nowhere"}, "modalities": ["anat"]})


@pytest.mark.parametrize("name", ["participants.tsv", "sourcedata/treatments.tsv"])
def test_a_table_of_the_dataset_that_is_no_file_is_told(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("gone")
    settings = read_settings({"bids_dir": str(tmp_path)})
    with pytest.raises(DatasetError, match="a link to what is not there"):
        settings.inputs()
