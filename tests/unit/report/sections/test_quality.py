"""Limits and names of quality checks as a reader finds them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commissure.report.quality_words import check_label, parsed_limit
from commissure.report.results import QualityRecord
from commissure.report.sections.quality import content


@pytest.mark.parametrize(
    ("limit", "sides"),
    [
        ("<= 0.55", [("<", 0.55)]),
        (">= 20", [(">", 20.0)]),
        ("≤ 0.1 ppm", [("<", 0.1)]),
        ("900 to 2100", [(">", 900.0), ("<", 2100.0)]),
        ("0.4-0.9", [(">", 0.4), ("<", 0.9)]),
        ("0.5e-3 to 1.2e-3", [(">", 0.0005), ("<", 0.0012)]),
        ("", []),
        ("as planned", []),
    ],
)
def test_limits_in_words(limit, sides):
    assert sides == parsed_limit(limit)


def test_names_of_checks():
    assert check_label("mean_fd_mm") == "mean FD (mm)"
    assert check_label("degrees_of_freedom") == "degrees of freedom"
    assert check_label("tsnr") == "tSNR"
    assert check_label("tiv_l") == "TIV (L)"
    assert check_label("brain_at_edge_cm2") == "brain at edge (cm²)"
    assert check_label("spread_tcho") == "spread tCho"
    assert check_label("f_csf") == "share of CSF in the voxel"
    assert check_label("white_matter_md_mm2_s") == "white matter MD (mm²/s)"
    assert check_label("fraction_fd_above_0.2_mm") == "fraction FD above 0.2 mm"


def of_mriqc(who, value, limit):
    check = {"name": "mriqc_cjv", "value": value, "limit": limit, "passed": value < 0.5}
    return QualityRecord(
        who, "", "anat", "MRIQC", [check], [] if value < 0.5 else ["mriqc_cjv"], [], {}
    )


def test_what_mriqc_says_joins_the_checks_of_the_image(small):
    """A limit that differs between sites is no line in the figure; a scan is counted once."""
    own = QualityRecord(
        "sub-02", "", "anat", "sub-02_T1w",
        [{"name": "tiv_ml", "value": 100.0, "limit": ">= 900", "passed": False}],
        ["tiv_ml"], [], {},
    )  # fmt: skip
    tools = [of_mriqc("sub-02", 0.9, "<= 0.5"), of_mriqc("sub-03", 0.8, "<= 0.6")]
    tools.append(of_mriqc("sub-04", 0.4, "<= 0.6"))
    run = small.input()
    results = replace(run.results, quality=[own], tool_quality=tools)
    told = content(replace(run, results=results), {})
    rows = {row["who"]: row["flags"] for row in told["flagged"]}
    assert list(rows) == ["sub-02", "sub-03"]
    assert rows["sub-02"][1].startswith("MRIQC CJV 0.9")
    (anat,) = told["modalities"]
    assert (anat["scans"], anat["flagged"]) == (1, 2)
    check = next(check for check in anat["checks"] if check["name"] == "mriqc_cjv")
    assert (check["limit"], check["n"], check["failed"]) == ("by site", 3, 2)
