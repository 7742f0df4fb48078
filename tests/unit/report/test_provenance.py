"""What made the results is written down without naming a user."""

from __future__ import annotations

import json

import pytest
import yaml

from commissure import __version__
from commissure.outputs import MARKERS
from commissure.report.provenance import write_provenance


@pytest.fixture
def written(tmp_path):
    """The records of a run whose command and settings name the user's folders."""
    (tmp_path / MARKERS.path).write_text("")
    write_provenance(
        run=tmp_path / "provenance/run.json",
        config=tmp_path / "provenance/config.yaml",
        description=tmp_path / "dataset_description.json",
        crate=tmp_path / "ro-crate-metadata.json",
        settings={
            "bids_dir": "/home/jane.doe/study/bids",
            "output_dir": "derivatives/commissure",
            "tables": [{"file": "/home/jane.doe/lab.tsv"}],
            "batch_size": 4,
        },
        command="snakemake --cores all --configfile /home/jane.doe/study/study.yaml",
        root=tmp_path,
    )
    return tmp_path


def test_no_record_names_a_home_folder(written):
    for path in written.rglob("*"):
        if path.is_file():
            assert "jane.doe" not in path.read_text(encoding="utf-8"), path.name


def test_settings_keep_what_is_no_absolute_path(written):
    settings = yaml.safe_load((written / "provenance/config.yaml").read_text(encoding="utf-8"))
    assert settings == {
        "bids_dir": "…/bids",
        "output_dir": "derivatives/commissure",
        "tables": [{"file": "…/lab.tsv"}],
        "batch_size": 4,
    }


def test_the_crate_names_the_files_that_are_there(written):
    crate = json.loads((written / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    files = {item["@id"]: item for item in crate["@graph"] if item["@type"] == "File"}
    assert files[MARKERS.path]["description"] == MARKERS.description
    assert "report.html" not in files
    record = json.loads((written / "provenance/run.json").read_text(encoding="utf-8"))
    assert record["version"] == __version__
    assert record["command"].endswith("--configfile …/study.yaml")
