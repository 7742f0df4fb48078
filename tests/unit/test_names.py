"""BIDS names are put together and taken apart in one place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commissure.errors import DatasetError
from commissure.names import (
    ENTITY_ORDER,
    Scan,
    bids_name,
    parse_name,
    participant_label,
    read_sidecars,
)

values = st.text("abcXYZ019", min_size=1, max_size=5)
entity_maps = st.dictionaries(st.sampled_from(ENTITY_ORDER), values, min_size=1)


def test_entities_come_in_the_order_of_bids():
    name = bids_name(
        {"desc": "preproc", "task": "rest", "sub": "01", "run": "2"}, "bold", ".nii.gz"
    )
    assert name == "sub-01_task-rest_run-2_desc-preproc_bold.nii.gz"


@given(entity_maps)
def test_parsing_inverts_naming(entities):
    assert (entities, "bold", ".nii.gz") == parse_name(bids_name(entities, "bold", ".nii.gz"))


@pytest.mark.parametrize("bad", [{"subject": "01"}, {"sub": "0_1"}, {"sub": "0-1"}])
def test_what_bids_does_not_know_is_refused(bad):
    with pytest.raises(ValueError, match="BIDS entit"):
        bids_name(bad, "T1w", ".nii.gz")


@pytest.mark.parametrize("bad", ["T1w.nii.gz", "sub01_T1w.nii.gz", "sub-01_sub-02_T1w.nii.gz"])
def test_other_grammars_are_refused(bad):
    with pytest.raises(ValueError, match="not a BIDS name"):
        parse_name(bad)


def test_a_derivative_keeps_the_entities_of_its_scan():
    scan = Scan(Path("sub-01_task-rest_run-1_bold.nii.gz"), {"sub": "01", "task": "rest"}, "bold")
    name = scan.derivative("xfm", ".h5", from_="T1w", to="MNI152NLin2009aSym", mode="image")
    assert name == "sub-01_task-rest_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.h5"
    assert scan.derivative("bold", ".json", task="") == "sub-01_bold.json"


def test_the_nearest_sidecar_wins(tmp_path):
    general, own = tmp_path / "task-rest_bold.json", tmp_path / "sub-01_task-rest_bold.json"
    general.write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": "rest"}))
    own.write_text(json.dumps({"RepetitionTime": 1.5}))
    scan = Scan(tmp_path / "x.nii.gz", {"sub": "01"}, "bold", [general, own])
    assert scan.metadata() == {"RepetitionTime": 1.5, "TaskName": "rest"}


def test_a_missing_or_broken_sidecar_is_one_sentence(tmp_path):
    image = tmp_path / "sub-01_T1w.nii.gz"
    with pytest.raises(
        DatasetError, match=r"sub-01: sub-01_T1w.nii.gz has no JSON sidecar.*Add sub-01_T1w.json"
    ):
        Scan(image, {"sub": "01"}, "T1w").metadata()
    broken = tmp_path / "sub-01_T1w.json"
    broken.write_text("{'EchoTime': 3}")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        Scan(image, {"sub": "01"}, "T1w", [broken]).metadata()
    broken.write_text("[1]")
    with pytest.raises(DatasetError, match="holds a JSON list"):
        Scan(image, {"sub": "01"}, "T1w", [broken]).metadata()


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[" * 100_000 + "]" * 100_000, "its values are nested too deep"),
        ('{"EchoTime": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "its values are nested"),
        ('{"EchoTime": ' + "3" * 100_000 + "}", "4300 digits"),
    ],
)
def test_a_sidecar_that_overwhelms_the_reader_is_refused(tmp_path, text, cause):
    path = tmp_path / "sub-01_T1w.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=f"cannot be read as JSON .*{cause}.* Mend or replace"):
        read_sidecars([path], who="sub-01")


def test_a_sidecar_of_an_absurd_size_is_not_read(tmp_path):
    path = tmp_path / "sub-01_T1w.json"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)  # a sparse file
    with pytest.raises(
        DatasetError, match="has 65 MiB; a description of one image, 64 MiB at most"
    ):
        read_sidecars([path], who="sub-01")


@pytest.mark.parametrize("given", ["01", "sub-01", " 01 "])
def test_participants_have_one_label(given):
    assert participant_label(given) == "sub-01"


def test_long_identifiers_stay_text():
    assert participant_label("10074191492374027123") == "sub-10074191492374027123"
