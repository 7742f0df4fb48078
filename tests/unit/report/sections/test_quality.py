"""Limits and names of quality checks as a reader finds them."""

from __future__ import annotations

import pytest

from commissure.report.sections.quality import check_label, parsed_limit


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
    assert check_label("white_matter_md_mm2_s") == "white matter MD (mm²/s)"
    assert check_label("fraction_fd_above_0.2_mm") == "fraction FD above 0.2 mm"
