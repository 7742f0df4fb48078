"""Numbers, lists and paths as a reader sees them."""

from __future__ import annotations

import pytest

from commissure.report import text


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
    assert written == text.number(value)


def test_fixed_has_no_minus_zero():
    assert text.fixed(-0.001) == "0.00"
    assert text.fixed(-0.451) == "−0.45"


@pytest.mark.parametrize(
    ("value", "written"), [(0.0004, "< 0.001"), (0.031, "= 0.031"), (0.42, "= 0.42"), (None, "–")]
)
def test_p_value(value, written):
    assert written == text.p_value(value)


def test_percent_never_rounds_a_loss_away():
    assert text.percent(371, 372) == "99.7\u2009%"
    assert text.percent(0, 0) == "–"


def test_lists():
    assert text.listed("abc") == "a, b and c"
    assert text.some("abcde", 2) == "a, b and 3 more"
    assert text.some("abc", 2) == "a, b and c"


@pytest.mark.parametrize(
    ("written", "shortened"),
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
def test_absolute_paths_are_shortened(written, shortened):
    assert shortened == text.without_paths(written)


def test_powers_of_ten_bring_values_near_one():
    factor, power = text.power_of_ten([7.6e-4, 7.2e-4])
    assert (factor, power) == (pytest.approx(1000), "10⁻³ ")
    assert text.power_of_ten([0.4, 12.0]) == (1.0, "")
    factor, power = text.power_of_ten([1.47e6])
    assert (factor, power) == (pytest.approx(1e-6), "10⁶ ")


def test_a_value_of_any_kind_is_written_out():
    assert (
        text.value({"folds": 5, "models": ["late", "site"]}) == "folds: 5 and models: late and site"
    )
    assert (text.value(None), text.value(True), text.value([])) == ("not set", "yes", "none")
