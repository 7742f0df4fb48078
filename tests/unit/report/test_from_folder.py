"""A run that failed half way still has a report."""

from __future__ import annotations

import shutil

import pytest
from tests.unit.report.conftest import STUDY
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import DatasetError
from commissure.files import write_json
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


def test_the_report_of_a_failed_run_says_so_first_and_is_not_the_report(small, tmp_path):
    folder = tmp_path / "half"
    for path in (small.folder / "work/status/measure", *small.folder.glob("sub-*")):
        shutil.copytree(path, folder / path.relative_to(small.folder))
    result = CliRunner().invoke(app, ["report", str(folder), "--unfinished"])
    assert result.exit_code == 0, result.output
    page = (folder / "report_unfinished.html").read_text(encoding="utf-8")
    assert page.index("This run did not finish") < page.index("What was asked")
    assert not (folder / "report.html").exists() and not (folder / "pages").exists()


def test_a_folder_of_no_run_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no step of a run has ended here"):
        read_run(tmp_path)


def test_of_many_people_those_who_are_asked_for_have_pages(small, tmp_path):
    folder = shutil.copytree(small.folder, tmp_path / "many")
    record = folder / "provenance/config.yaml"
    record.parent.mkdir(exist_ok=True)
    record.write_text("report: {pages_up_to: 3}\n")
    write_json({"study": STUDY}, folder / "work/study.json")
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    none = CliRunner().invoke(app, ["report", str(folder)])
    assert none.exit_code == 0 and not list(pages.glob("sub-*.html"))
    assert "pages_up_to" in none.output and "--person" in none.output
    two = ["report", str(folder), "--person", "sub-04", "--person", "07"]
    assert CliRunner().invoke(app, two).exit_code == 0
    assert sorted(page.name for page in pages.glob("sub-*.html")) == ["sub-04.html", "sub-07.html"]
    # They know who stands before and after them in the whole study.
    assert 'href="sub-03.html" rel="prev"' in (pages / "sub-04.html").read_text()
    nobody = CliRunner().invoke(app, ["report", str(folder), "--person", "sub-99"])
    assert nobody.exit_code != 0 and "'sub-99' is nobody of this run" in nobody.output
