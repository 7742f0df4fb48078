"""The page of a person."""

from __future__ import annotations

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from tests.unit.report.conftest import STUDY

from commissure.files import write_json, write_table
from commissure.markers.outcomes import outcomes, quality_table
from commissure.markers.status import Status, read_statuses, write_statuses
from commissure.outputs import NORMATIVE_CHARTS, NORMATIVE_DEVIATIONS, TOOL_QUALITY
from commissure.report.settings import ReportSettings
from commissure.report.standing import distributions
from commissure.report.subjects.page import VIEWER, write_pages
from commissure.report.subjects.page_tables import (
    page_tables_of,
    read_distributions,
    read_page_tables,
    write_distributions,
)


def pages(folder, people, settings=None):
    return write_pages(
        people, folder, statuses=[folder / "work/status/measure/batch-0001.tsv"],
        tables=read_page_tables(folder), settings=settings or ReportSettings(), study=STUDY,
    )  # fmt: skip


@pytest.fixture
def study(small, tmp_path):
    """A copy of a run whose fourth person has a T1w image, too."""
    folder = shutil.copytree(small.folder, tmp_path / "out")
    anat = folder / "sub-04/anat"
    image = np.zeros((20, 20, 20), np.float32)
    image[5:15, 5:15, 5:15] = 7
    for name, data in (("desc-preproc_T1w", image), ("desc-brain_mask", (image > 0) * 1.0)):
        nib.save(nib.Nifti1Image(data, np.diag([3, 3, 3, 1])), anat / f"sub-04_{name}.nii.gz")
    table = folder / "work/status/measure/batch-0001.tsv"
    scan = "sub-04/anat/sub-04_T1w.nii.gz"
    rows = [*read_statuses(table), Status("sub-04", "", "anat", scan, "preprocess", "present")]
    write_statuses(rows, table)
    return folder


def test_a_page_has_figures_quality_decisions_slices_and_neighbours(study):
    written = pages(study, ["sub-04", "nobody"])
    assert [path.name for path in written] == [VIEWER, "sub-04.html"]
    page = written[1].read_text(encoding="utf-8")
    assert page.count('<img src="data:image/svg+xml') == 4
    assert "max_mean_fd_mm" in page and "✗ beyond" in page
    assert 'href="sub-03.html" rel="prev"' in page and 'href="sub-05.html" rel="next"' in page
    assert page.count('class="strip"') >= 8
    images = json.loads(re.search(r'id="image-data">(.*?)</script>', page)[1])
    assert list(images) == ["anat-sub-04"]
    data = json.loads(re.search(r'id="rating-data">(.*?)</script>', page)[1])
    assert data["study"] == STUDY
    assert [item["modality"] for item in data["items"]] == ["anat", "func", "dwi", "mrs"]
    # Raters are blind to the group.
    assert not re.search(r"resistant|responsive|>control", page.partition("Rating")[2])


def test_what_failed_and_what_is_missing_is_said_with_its_cause(study):
    page = pages(study, ["sub-05"])[1].read_text(encoding="utf-8")
    assert "Resting-state BOLD preproc failed" in page
    assert "…/sub-05_bold.nii.gz" in page and "/data/study" not in page


def test_figures_that_do_not_fit_are_named_and_no_viewer_is_no_image(study):
    settings = ReportSettings(page_mb=0.0012, viewer=False)
    page = pages(study, ["sub-04"], settings)[1].read_text(encoding="utf-8")
    assert "Not in this page" in page and 'href="../sub-04/' in page
    assert 'id="image-data"' not in page and "NiiVue" not in page


def test_what_another_tool_measured_stands_among_the_quality(study):
    rows = [
        (f"sub-{n:02d}", None, "anat", "mriqc_cjv", 0.4 + n / 1000, "<= 0.6", True)
        for n in range(1, 13)
    ]
    rows[3] = ("sub-04", None, "anat", "mriqc_cjv", 0.9, "<= 0.6", False)
    write_table(TOOL_QUALITY.frame(rows), study / TOOL_QUALITY.path)
    page = pages(study, ["sub-04"])[1].read_text(encoding="utf-8")
    shown = page[page.index(">MRIQC") :]
    row = re.search(r"<tr.*?MRIQC CJV.*?</tr>", shown)[0]
    assert "the highest of 12" in row and "✗ beyond" in row
    other = pages(study, ["sub-05"])[1].read_text(encoding="utf-8")
    assert "higher than 27" in re.search(r"<tr.*?MRIQC CJV.*?</tr>", other)[0]


def charts(study, rows, **record):
    """Charts of one marker, with the deviations of some people."""
    write_table(NORMATIVE_DEVIATIONS.frame(rows), study / NORMATIVE_DEVIATIONS.path)
    chart = {"modality": "anat", "region": "Hippocampus_L", "marker": "volume", "unit": "mm3"}
    write_table(NORMATIVE_CHARTS.frame([chart]), study / NORMATIVE_CHARTS.path)
    held = {"charts": 1, "extreme_percent": 5.1, "expected_percent": 5.0}
    write_json({"extreme": 1.96, "held_out": held, **record}, study / "normative/normative.json")


def test_deviations_from_healthy_people_stand_on_the_page_with_their_centile(study):
    named = ("anat", "Hippocampus_L", "volume")
    rows = [
        ("sub-04", *named, 2600.0, -2.6, 0.47),
        ("sub-04", "anat", "<b>", "volume", 1.0, 0.2, 57.9),
    ]
    charts(study, rows)
    page = pages(study, ["sub-04"])[1].read_text(encoding="utf-8")
    shown = page[page.index('id="deviations"') :]
    assert "1 marker of 2 lies beyond ±1.96; in a healthy person 0.1 would do so" in shown
    assert "The charts hold" in shown and "2600 mm³" in shown
    first, _, rest = shown.partition("All 2 markers")
    assert "lower than 99.5 % of healthy people" in first and "higher than 58 %" not in first
    assert "higher than 58 % of healthy people" in rest and "<b>" not in shown
    assert "do not reach this person" in pages(study, ["sub-05"])[1].read_text(encoding="utf-8")


def test_without_charts_the_page_says_nothing_of_deviations(study):
    charts(study, [], reason="too few controls")
    assert "Deviations" not in pages(study, ["sub-04"])[1].read_text(encoding="utf-8")


def test_hostile_words_are_text(study):
    planted = '</script><img src=x onerror="alert(1)">'
    turned = "left\u202eout"
    table = study / "exclusions.tsv"
    table.write_text(
        "participant_id\tsession\tmodality\trule\tlimit\tvalue\n"
        f"sub-04\tn/a\tfunc\t{planted.replace(chr(34), '')}\t{turned}\t0.7\n"
    )
    page = pages(study, ["sub-04"], ReportSettings(title=planted))[1].read_text(encoding="utf-8")
    assert "<img src=x" not in page and "&lt;img src=x" in page
    assert "\u202e" not in page and "left[U+202E]out" in page


def test_a_page_from_the_rows_of_its_batch_is_that_from_the_whole_tables(study, tmp_path):
    table = study / "work/status/measure/batch-0001.tsv"
    whole = {page.name: page.read_bytes() for page in pages(study, ["sub-04", "sub-05"])}
    own = tmp_path / "batch.tsv"
    two = {"sub-04", "sub-05"}
    everybody = sorted({row.participant_id for row in read_statuses(table)})
    write_statuses([row for row in read_statuses(table) if row.participant_id in two], own)
    stored = tmp_path / "distributions.npz"
    write_distributions(distributions(quality_table(outcomes([table], study))), stored)
    of_batch = write_pages(
        two, study, statuses=[own], tables=page_tables_of(two, study, [own]),
        settings=ReportSettings(), study=STUDY, everybody=everybody,
        known=read_distributions(stored), folder=tmp_path / "pages",
    )  # fmt: skip
    assert {page.name: page.read_bytes() for page in of_batch} == whole
