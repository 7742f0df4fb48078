"""The workflow laid into a folder, and what is said where versions differ."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from commissure import __version__
from commissure.errors import ConfigError
from commissure.flow import code, workflow_files
from commissure.flow.settings import read_settings
from commissure.flow.versions import version_notes
from commissure.flow.workflow_files import check_laid_version, lay_workflow


def test_everything_that_a_run_reads_is_laid(tmp_path: Path, repository: Path) -> None:
    lay_workflow(tmp_path)
    for folder in ("workflow/rules", "workflow/scripts", "workflow/profiles"):
        for path in (repository / folder).rglob("*"):
            if path.is_file() and path.suffix in (".smk", ".py", ".yaml"):
                laid = tmp_path / path.relative_to(repository)
                assert laid.read_bytes() == path.read_bytes()
    assert (tmp_path / "slurm/config.yaml").is_file()
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["version"] == __version__
    check_laid_version(tmp_path)


def test_a_second_time_nothing_is_written_and_the_study_keeps_its_configuration(tmp_path) -> None:
    lay_workflow(tmp_path)
    (tmp_path / "config.yaml").write_text("bids_dir: mine\n")
    (tmp_path / "site.yaml").write_text("partition: ours\n")
    assert lay_workflow(tmp_path) == []
    assert lay_workflow(tmp_path, update=True) == []
    assert (tmp_path / "config.yaml").read_text() == "bids_dir: mine\n"
    assert (tmp_path / "site.yaml").read_text() == "partition: ours\n"


def test_files_of_somebody_else_are_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text("rule all: shell: 'true'\n")
    with pytest.raises(ConfigError, match="Snakefile are there and differ"):
        lay_workflow(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Snakefile"]


def test_an_update_replaces_rules_and_takes_out_those_that_are_gone(tmp_path: Path) -> None:
    lay_workflow(tmp_path)
    (tmp_path / "workflow/VERSION").write_text("0.0.1\n")
    gone = tmp_path / "workflow/rules/gone.smk"
    gone.write_text("")
    with pytest.raises(ConfigError, match=r"of version '0\.0\.1'.*--update"):
        check_laid_version(tmp_path)
    assert lay_workflow(tmp_path, update=True) == ["workflow/VERSION"]
    assert not gone.exists()
    check_laid_version(tmp_path)


def test_a_checkout_has_no_version_file(repository: Path) -> None:
    check_laid_version(repository)


def test_an_installation_without_workflow_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(workflow_files, "WORKFLOW_FILES", tmp_path / "absent")
    with pytest.raises(ConfigError, match="this installation has no workflow"):
        lay_workflow(tmp_path / "study")


@pytest.mark.parametrize(("version", "said"), [(None, 0), (__version__, 0), ("0.0.7", 1)])
def test_a_configuration_of_another_version_is_told(tmp_path: Path, version, said) -> None:
    notes = version_notes(version, tmp_path)
    assert len(notes) == said
    assert not notes or "CHANGELOG.md" in notes[0]
    read_settings({"bids_dir": None, "tables": [], "version": version} | _table(tmp_path))


def _table(folder: Path) -> dict:
    (folder / "t.tsv").write_text("participant_id\tx\n")
    named = {"file": str(folder / "t.tsv"), "participant": "participant_id"}
    return {"tables": [named | {"modality": "anat", "marker": "x", "unit": "1"}]}


def test_results_of_another_version_are_told(tmp_path: Path) -> None:
    (tmp_path / "provenance").mkdir()
    record = tmp_path / "provenance/run.json"
    record.write_text(json.dumps({"version": "0.0.3"}))
    (note,) = version_notes(__version__, tmp_path)
    assert "0.0.3" in note and "another output_dir" in note
    record.write_text("[half")
    assert version_notes(__version__, tmp_path) == []


def test_a_digest_is_the_same_in_an_installation(repository: Path, tmp_path, monkeypatch) -> None:
    script = repository / "workflow/scripts/func/measure.py"
    digest = code.code_of(script)
    # In an installation the resources lie inside the package.
    installed = tmp_path / "installed/commissure"
    shutil.copytree(repository / "src/commissure", installed)
    shutil.copytree(repository / "resources", installed / "resources")
    monkeypatch.setattr(code, "SOURCE", installed)
    monkeypatch.setattr(code, "RESOURCES", installed / "resources")
    assert code.code_of(script) == digest
