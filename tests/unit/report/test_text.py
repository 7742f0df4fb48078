"""Numbers, lists and paths as a reader sees them."""

from __future__ import annotations

import pytest

from commissure.report import text as words
from commissure.report.sections.quality import check_label, parsed_limit


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.123456, "0.123"),
        (-0.5, "−0.500"),
        (12.345, "12.3"),
        (3456.7, "3457"),
        (21034.2, "21\u202f034"),
        (0.00076, "7.6 × 10⁻⁴"),
        (5.0, "5"),
        (0.0, "0"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (None, "–"),
        (True, "–"),
    ],
)
def test_number(value, written):
    assert written == words.number(value)


def test_fixed_has_no_minus_zero():
    assert words.fixed(-0.001) == "0.00"
    assert words.fixed(-0.451) == "−0.45"


@pytest.mark.parametrize(
    ("value", "written"), [(0.0004, "< 0.001"), (0.031, "= 0.031"), (0.42, "= 0.42"), (None, "–")]
)
def test_p_value(value, written):
    assert written == words.p_value(value)


def test_percent_never_rounds_a_loss_away():
    assert words.percent(371, 372) == "99.7\u2009%"
    assert words.percent(0, 0) == "–"


def test_lists():
    assert words.listed("abc") == "a, b and c"
    assert words.some("abcde", 2) == "a, b and 3 more"
    assert words.some("abc", 2) == "a, b and c"


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("cannot read /data/study/raw/sub-01.nii.gz here", "cannot read …/sub-01.nii.gz here"),
        ("bids_dir: /home/someone/bids", "bids_dir: …/bids"),
        ("--config bids_dir=/scratch/x/y", "--config bids_dir=…/y"),
        ("file:///srv/a/b", "…/b"),
        ("C:\\Users\\someone\\x.tsv", "…/x.tsv"),
        ("work/status/func_4.tsv", "work/status/func_4.tsv"),
        ("mmol/kg and mm2/s or 3/4/5", "mmol/kg and mm2/s or 3/4/5"),
        ("https://doi.org/10.1/x", "https://doi.org/10.1/x"),
    ],
)
def test_absolute_paths_are_shortened(text, shortened):
    assert shortened == words.without_paths(text)


def test_powers_of_ten_bring_values_near_one():
    factor, power = words.power_of_ten([7.6e-4, 7.2e-4])
    assert (factor, power) == (pytest.approx(1000), "10⁻³ ")
    assert words.power_of_ten([0.4, 12.0]) == (1.0, "")
    factor, power = words.power_of_ten([1.47e6])
    assert (factor, power) == (pytest.approx(1e-6), "10⁶ ")


@pytest.mark.parametrize(
    ("text", "limits"),
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
def test_limits_in_words(text, limits):
    assert limits == parsed_limit(text)


def test_names_of_checks():
    assert check_label("mean_fd_mm") == "mean FD (mm)"
    assert check_label("degrees_of_freedom") == "degrees of freedom"
    assert check_label("tsnr") == "tSNR"
    assert check_label("white_matter_md_mm2_s") == "white matter MD (mm²/s)"
    assert check_label("fraction_fd_above_0.2_mm") == "fraction FD above 0.2 mm"
