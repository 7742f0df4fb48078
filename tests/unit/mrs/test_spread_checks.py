"""Estimates that hang on choices of the fit are flagged, each for itself."""

from commissure.checks import Check
from commissure.mrs.quality import is_flagged
from commissure.mrs.quantification.concentrations import Estimate
from commissure.mrs.spread_checks import edited_checks, spread_checks, weak_check


def test_each_metabolite_is_held_against_its_own_limit():
    record = {
        "Range": {"Glu": 0.2, "GSH": 0.19, "tCr": 0.1},
        "OverFit": {"one line shape": {"Glu": 1.2, "GSH": 0.8, "tCr": 0.9}},
    }
    checks = spread_checks(record)
    assert {check.name: check.passed for check in checks} == {
        "spread_glu": False, "spread_gsh": True, "spread_tcr": True,
    }  # fmt: skip
    assert "1.20 with one line shape" in checks[0].note


def test_a_spread_flags_its_own_markers_only():
    checks = [Check("spread_glu", 0.2, "<= 0.1", False), Check("fwhm_ppm", 0.05, "", True)]
    flagged = [name for name in ("glu", "glu_tcr", "glx", "gsh", "tcr", "fwhm")
               if is_flagged(name, checks)]  # fmt: skip
    assert flagged == ["glu", "glu_tcr"]
    assert is_flagged("gsh", [*checks, Check("snr_fit", 3.0, ">= 10", False)])


def test_where_creatine_hangs_on_choices_every_concentration_does():
    flagged = ["glu", "tcr", "ins"]
    for name in ("spread_tcr", "residual_structure"):
        checks = [Check(name, 2.0, "<= 0.1", False)]
        assert [marker for marker in ("glu", "glu_tcr", "tcr", "ins", "ins_tcr", "fwhm")
                if is_flagged(marker, checks)] == flagged  # fmt: skip


def test_a_weak_metabolite_as_large_as_creatine_is_flagged():
    fit = {"Cr": Estimate(5.0, 0.1), "PCr": Estimate(3.0, 0.1), "tCr": Estimate(8.0, 0.1),
           "PE": Estimate(1.0, 0.3), "MM09": Estimate(20.0, 1.0), "-CrCH2": Estimate(9.0, 1.0),
           "Glu": Estimate(10.0, 0.3)}  # fmt: skip
    assert weak_check(fit).passed and weak_check(fit).value == 0.125
    check = weak_check(fit | {"PE": Estimate(6.0, 0.5)})
    assert check.passed is False and check.note.startswith("PE")


def test_what_is_edited_is_held_against_other_fits_and_published_areas():
    spread = {"Range": {"GABA+": 0.3}, "OverFit": {"creatine left": {"GABA+": 1.3}}}
    record = {"Metabolite": "GABA", "HalfAreaOverCreatine": 0.12, "Spread": spread}
    checks = edited_checks(record)
    assert {check.name: check.passed for check in checks} == {
        "spread_gaba": False, "half_area_gaba": True,
    }  # fmt: skip
    (area,) = edited_checks({"Metabolite": "GABA", "HalfAreaOverCreatine": 0.37})
    assert area.passed is False
    flagged = [m for m in ("gaba", "gaba_tcr", "glu", "gsh_tcr", "fwhm") if is_flagged(m, [area])]
    assert flagged == ["gaba", "gaba_tcr"]
    assert edited_checks({"Metabolite": "GSH", "HalfAreaOverCreatine": 0.0}) == []
