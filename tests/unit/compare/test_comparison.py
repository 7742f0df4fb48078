"""Two runs: identical, equivalent or different, and why."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
from tests.unit.compare.conftest import ENVIRONMENT, PEOPLE, edit, edit_values
from typer.testing import CliRunner

from commissure.cli import app
from commissure.compare.comparison import compare
from commissure.compare.page import html, markdown
from commissure.errors import DatasetError
from commissure.files import write_table
from commissure.outputs import (
    COMPLETENESS,
    CONFIG,
    EXCLUSIONS,
    MARKERS,
    PREDICTIONS,
    RUN,
    TOLERANCES,
)


def tolerances(folder, limit=0.001):
    """Tolerances of all markers of the runs, in per mille of their size."""
    rows = [
        (
            "anat",
            "volume",
            "Hippocampus_L",
            "mm3",
            3,
            4,
            4000,
            limit * 4000 / 2.77,
            0,
            limit * 4000,
            0,
        ),
        ("func", "fc", "Default", "1", 3, 4, 0.4, limit * 0.4 / 2.77, 0, limit * 0.4, 0),
        ("mrs", "glu", "ACC", "mmol/kg", 3, 4, 9, limit * 9 / 2.77, 0, limit * 9, 0),
    ]
    write_table(TOLERANCES.frame(rows), folder / TOLERANCES.path)


def verdicts(comparison):
    return {row.marker: row.verdict for row in comparison.markers}


def test_equal_runs_are_identical_and_may_be_pooled(runs):
    comparison = compare(*runs)
    assert comparison.verdict == "identical" and comparison.pool
    assert comparison.words()[0].startswith("Pool")
    assert comparison.causes == [] and comparison.auc["verdict"] == "identical"


def test_a_difference_within_the_tolerance_is_equivalent_and_beyond_it_different(runs):
    a, b = runs
    random = np.random.default_rng(0)
    tolerances(a)
    edit_values(b, "glu", lambda v: v + random.normal(0, 0.009 / 2.77, v.size) * np.sqrt(2))
    comparison = compare(a, b)
    assert verdicts(comparison) == {"volume": "identical", "fc": "identical", "glu": "equivalent"}
    assert comparison.verdict == "equivalent" and comparison.pool
    edit_values(b, "glu", lambda v: v * 1.01)
    comparison = compare(a, b)
    assert verdicts(comparison)["glu"] == "different" and not comparison.pool
    assert comparison.words()[0].startswith("Do not pool")


def test_a_shift_of_everybody_is_different_although_nobody_exceeds_the_tolerance(runs):
    a, b = runs
    tolerances(a)
    edit_values(b, "volume", lambda v: v + 3.5)
    (row,) = [row for row in compare(a, b).markers if row.marker == "volume"]
    assert row.beyond == 0 and row.verdict == "different" and "to one side" in row.reason
    assert row.bias == pytest.approx(3.5) and row.icc > 0.99


def test_without_tolerances_every_difference_counts_and_it_is_said(runs):
    a, b = runs
    edit_values(b, "fc", lambda v: v + np.where(np.arange(v.size) == 3, 1e-6, 0))
    comparison = compare(a, b)
    assert comparison.verdict == "different"
    assert any("snakemake tolerances" in line for line in comparison.words())


def test_agreement_has_the_numbers_of_bland_and_altman(runs):
    a, b = runs
    edit_values(b, "volume", lambda v: v + np.where(np.arange(v.size) % 2, 10.0, -6.0))
    (row,) = [row for row in compare(a, b).markers if row.marker == "volume"]
    sd = np.std(np.tile([-6.0, 10.0], 10), ddof=1)
    assert (row.bias, row.largest) == (pytest.approx(2.0), pytest.approx(10.0))
    assert (row.low, row.high) == (
        pytest.approx(2 - 1.96 * sd, abs=1e-3),
        pytest.approx(2 + 1.96 * sd, abs=1e-3),
    )


def test_changed_exclusions_and_missing_products_are_named_and_never_pooled(runs):
    a, b = runs
    write_table(
        EXCLUSIONS.frame([(PEOPLE[4], "", "func", "max_mean_fd_mm", 0.55, 0.9)]),
        b / EXCLUSIONS.path,
    )
    table = COMPLETENESS.read(b)
    table.loc[1, ["state", "cause"]] = ["failed", "too few volumes"]
    write_table(table, b / COMPLETENESS.path)
    comparison = compare(a, b)
    assert [(row["run"], row["participant_id"]) for row in comparison.exclusions] == [
        ("A", PEOPLE[0]), ("B", PEOPLE[4]),
    ]  # fmt: skip
    (product,) = comparison.products
    assert (product["a"], product["b"]) == ("present", "failed: too few volumes")
    assert comparison.verdict == "different"


def test_the_auc_changes_with_a_paired_interval(runs):
    a, b = runs
    table = PREDICTIONS.read(b)
    bad = table["label"] == "resistant"
    table.loc[bad, "probability"] = 0.05
    write_table(table, b / PREDICTIONS.path)
    change = compare(a, b).auc
    assert change["b"] == 0.0 and change["difference"] == pytest.approx(-change["a"])
    assert change["ci_low"] <= change["difference"] <= change["ci_high"] < 0
    assert change["verdict"] == "different" and "interval" in change["reason"]
    # Markers are the same: what came after them is another.
    assert compare(a, b).verdict == "different"


def change_environment(key, value):
    return lambda record: record["environments"][0].update({key: value})


def kernel(name, threads=1):
    return [{"library": "openblas", "version": "0.3", "kernel": name, "threads": threads}]


PLANTED = {
    "input": lambda r: r["inputs"][4].update(sha256="f" * 64),
    "code": lambda r: r["code"].update({"func/measure.py": "b2"}),
    "library": change_environment("versions", {"numpy": "2.3.6", "antspyx": "0.6.3"}),
    "python": change_environment("python", "3.12.1"),
    "machine": change_environment("cpu", "Y 2"),
    "threads": change_environment("threads", {"OMP_NUM_THREADS": "4"}),
    "kernel": change_environment("blas", kernel("SkylakeX")),
    "image": lambda r: r.update(
        images={"fmriprep": {"image": "fmriprep:25", "digest": "sha256:1"}}
    ),
}


def test_threads_are_no_other_kernel(runs):
    edit(runs[1] / RUN.path, change_environment("blas", kernel("Haswell", threads=2)))
    (cause,) = compare(*runs).causes
    assert (cause.kind, "linear algebra 2" in cause.b) == ("threads", True)


def test_another_graphics_processor_is_another_machine(runs):
    edit(runs[0] / RUN.path, change_environment("gpu", "none"))
    assert compare(*runs).causes == []
    edit(runs[1] / RUN.path, change_environment("gpu", "H 100"))
    (cause,) = compare(*runs).causes
    assert (cause.kind, cause.what, cause.b) == ("machine", "gpu", "H 100")


@pytest.mark.parametrize("kind", PLANTED)
def test_each_cause_is_named_and_nothing_else(runs, kind):
    edit(runs[1] / RUN.path, PLANTED[kind])
    comparison = compare(*runs)
    assert [cause.kind for cause in comparison.causes] == [kind]
    assert comparison.verdict == "identical", "a cause without an effect changes no verdict"


def test_a_job_that_loads_fewer_libraries_is_no_other_kernel(runs):
    for folder, jobs in zip(runs, (1, 2), strict=True):
        both = [
            {"library": "openblas", "version": v, "kernel": "Haswell", "threads": 1} for v in "34"
        ]
        found = [{"results": 1, "blas": both}, {"results": 1, "blas": both[:1]}][:jobs]
        edit(
            folder / RUN.path,
            lambda r, e=found: r.update(environments=[{**ENVIRONMENT, **i} for i in e]),
        )
    assert compare(*runs).causes == []


def test_an_option_is_named_and_reaches_its_modality_alone(runs):
    a, b = runs
    options = yaml.safe_load((b / CONFIG.path).read_text())
    options["func"]["strategy"] = "36P"
    (b / CONFIG.path).write_text(yaml.safe_dump(options))
    edit_values(b, "fc", lambda v: v * 1.2)
    record = compare(a, b).record()
    (row,) = [row for row in record["markers"] if row["verdict"] == "different"]
    assert (row["marker"], row["causes"]) == ("fc", ["option func.strategy"])
    assert record["causes"][0]["a"] == "'acompcor'" and record["causes"][0]["b"] == "'36P'"


def test_an_input_of_the_anatomy_reaches_what_is_measured_in_its_space(runs):
    edit(runs[1] / RUN.path, lambda r: r["inputs"][0].update(sha256="f" * 64))
    (cause,) = compare(*runs).causes
    assert cause.person == PEOPLE[0] and {"anat", "func", "mrs"} <= set(cause.reaches)


def test_the_same_names_of_other_people_are_no_numbers_to_compare(runs):
    a, b = runs
    edit(b / RUN.path, lambda r: [item.update(sha256="f" * 64) for item in r["inputs"]])
    comparison = compare(a, b)
    assert comparison.other_people and comparison.markers == []
    assert "different datasets" in comparison.words()[0]
    assert comparison.pool, "made alike"
    edit(b / RUN.path, change_environment("python", "3.12.1"))
    assert not compare(a, b).pool


def test_a_run_that_stopped_half_way_says_what_cannot_be_compared(runs):
    a, b = runs
    shutil.rmtree(b / "provenance")
    shutil.rmtree(b / "fusion")
    comparison = compare(a, b)
    assert any("run B has no provenance/run.json" in line for line in comparison.cannot)
    assert {row["file"] for row in comparison.files if row["reason"]} == {
        "fusion/predictions.tsv", "fusion/metrics.json",
    }  # fmt: skip
    (b / MARKERS.path).write_text("participant_id\tsess")
    comparison = compare(a, b)
    assert comparison.verdict == "different" and not comparison.pool
    assert "markers.tsv of run B cannot be read" in comparison.cannot


def test_runs_of_other_versions_say_so(runs):
    edit(runs[1] / RUN.path, lambda r: r.update(version="0.2.0"))
    assert any("version 0.1.0 and run B by 0.2.0" in line for line in compare(*runs).cannot)


def test_a_folder_of_no_run_is_refused(runs, tmp_path):
    with pytest.raises(DatasetError, match="there is no such folder"):
        compare(runs[0], tmp_path / "nowhere")


def test_names_of_the_data_cannot_write_the_page(runs):
    a, b = runs
    evil = "<img src=x onerror=alert(1)>|a\u202eb"
    for folder in runs:
        table = MARKERS.read(folder)
        table.loc[table["marker"] == "glu", "region"] = evil
        write_table(table, folder / MARKERS.path)
    edit_values(b, "glu", lambda v: v * 2)
    comparison = compare(a, b)
    for text in (html(comparison), markdown(comparison)):
        assert "<img" not in text and "\u202e" not in text and "&lt;img" in text
    assert r"\|a" in markdown(comparison)


@pytest.mark.parametrize(("change", "status"), [(0.0, 0), (1e-4, 3), (0.1, 4)])
def test_the_command_ends_by_the_verdict(runs, change, status, tmp_path):
    a, b = runs
    tolerances(a)
    signs = np.where(np.arange(20) % 2, 1, -1)
    edit_values(b, "glu", lambda v: v * (1 + change * signs))
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["compare", str(a), str(b), "--json", "--out", str(page)])
    assert done.exit_code == status, done.output
    said = json.loads(done.output)
    assert said["verdict"] == {0: "identical", 3: "equivalent", 4: "different"}[status]
    assert page.read_text().startswith("<!doctype html>")
