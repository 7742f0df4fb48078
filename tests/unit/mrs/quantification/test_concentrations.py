import pytest

from commissure.mrs.quantification.concentrations import Estimate, at_zero, ratios


def test_a_metabolite_at_zero_is_absent_not_zero() -> None:
    fit = {
        "Glu": Estimate(10, 1),
        "Gln": Estimate(0, 1),
        "Cr": Estimate(5, 1),
        "PCr": Estimate(3, 1),
    }
    found = ratios(fit)
    assert found["glu_tcr"] == pytest.approx(10 / 8)
    assert "gln_tcr" not in found
    assert found["glx_tcr"] == pytest.approx(10 / 8)
    assert "gln" in at_zero(fit)
    assert "glx" not in at_zero(fit)


def test_totals_of_other_engines_stand_for_their_parts() -> None:
    fit = {"tNAA": Estimate(12, 1), "NAA": Estimate(11, 1), "tCr": Estimate(8, 1)}
    assert ratios(fit)["tnaa_tcr"] == pytest.approx(1.5)
