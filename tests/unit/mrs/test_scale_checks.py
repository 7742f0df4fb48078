"""Total creatine outside what a brain has, and its cause in words."""

import math

import pytest

from commissure.mrs.quantification.relaxation import RELAXATION_SETS, Timing, TissueFractions
from commissure.mrs.scale_checks import (
    CREATINE_RANGE,
    PUBLISHED_MEANS,
    WaterScaling,
    scale_check,
    scale_record,
)

TISSUE = TissueFractions(0.6, 0.25, 0.15)
TIMING = Timing(0.03, 2.0)


def scaling(name: str = "fsl_mrs_3t") -> WaterScaling:
    return WaterScaling(TISSUE, TIMING, TIMING, RELAXATION_SETS[name])


@pytest.mark.parametrize("creatine", [6.1, 9.0, 11.9])
def test_a_brain_passes(creatine: float) -> None:
    assert scale_check({**PUBLISHED_MEANS, "tcr": creatine}, scaling()).passed


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0, 128.0])
def test_one_factor_for_all_is_the_scale_of_the_water(factor: float) -> None:
    values = {marker: factor * mean for marker, mean in PUBLISHED_MEANS.items()}
    check = scale_check(values, scaling())
    assert check.passed is False
    assert f"one factor, {factor:.2g} over published means" in check.note


def test_creatine_alone_is_not_the_scale_of_the_water() -> None:
    check = scale_check({**PUBLISHED_MEANS, "tcr": 14.0}, scaling())
    assert check.passed is False
    assert "the scale of the water is not the cause" in check.note


def test_limits_go_with_the_relaxation_times() -> None:
    """Osprey's times give 18 % more for the same amplitudes."""
    more = scaling("osprey_3t").over_limits_set()
    assert more == pytest.approx(1.18, abs=0.01)
    high = CREATINE_RANGE[1]
    assert scale_check({"tcr": 1.1 * high}, scaling("osprey_3t")).passed
    assert scale_check({"tcr": 1.1 * high}, scaling()).passed is False
    assert scaling("fsl_mrs_7t").over_limits_set() == 1.0


def test_the_factors_make_up_the_concentration() -> None:
    over_water = 2.9e-4
    record = scale_record(over_water, {"tcr": 14.8}, scaling())
    product = over_water * math.prod(record["factors"].values())
    assert product == pytest.approx(over_water * scaling().factor())
    assert record["tcr_lcmodel_units"] == pytest.approx(7.28, abs=0.01)
    assert record["over_published_means"] == {"tcr": pytest.approx(14.8 / 10.17)}
