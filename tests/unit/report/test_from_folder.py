"""A run that failed half way still has a report."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import DatasetError
from commissure.report.from_folder import read_run


def test_what_is_there_is_reported_and_what_is_not_is_said(small, tmp_path):
    folder = tmp_path / "half"
    for path in (small.folder / "work/status/measure", *small.folder.glob("sub-*")):
        shutil.copytree(path, folder / path.relative_to(small.folder))
    (folder / "work/status/measure/batch-0002.tsv").write_text("cut sho")
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "markers.tsv" in page and "People who stand out" in page
    assert (folder / "pages/sub-04.html").is_file()
    assert "break a limit" in page


def test_a_folder_of_no_run_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no step of a run has ended here"):
        read_run(tmp_path)
