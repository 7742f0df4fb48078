import pytest

from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    Timing,
    TissueFractions,
    concentration_factor,
)

VOXEL = TissueFractions(0.60, 0.25, 0.15)
TIMING = Timing(te_s=0.03, tr_s=2.0)


def factor(name: str, metabolite: str = "other") -> float:
    return concentration_factor(
        VOXEL, metabolite, timing=TIMING, water_timing=TIMING, times=RELAXATION_SETS[name]
    )


@pytest.mark.parametrize(
    ("expected", "name", "metabolite"),
    [
        (50979.6, "fsl_mrs_3t", "Glu"),
        (60146.2, "osprey_3t", "Glu"),
        (62220.4, "osprey_3t", "GSH"),
        (56570.0, "spant_3t", "Glu"),
    ],
)
def test_golden_factors(expected: float, name: str, metabolite: str) -> None:
    assert factor(name, metabolite) == pytest.approx(expected, rel=1e-3)


def test_fsl_mrs_differs_by_its_volume_fraction_in_the_denominator() -> None:
    molal = VOXEL.molal()[2]
    assert molal == pytest.approx(0.1875, abs=1e-4)
    as_fsl = factor("fsl_mrs_3t") * (1 - molal) / (1 - VOXEL.csf)
    assert as_fsl == pytest.approx(48730.5, rel=1e-3)


def test_a_voxel_of_csf_alone_would_be_divided_by_nothing() -> None:
    half = concentration_factor(
        TissueFractions(0.5, 0.0, 0.5), "Glu", timing=TIMING, water_timing=TIMING,
        times=RELAXATION_SETS["fsl_mrs_3t"],
    )  # fmt: skip
    none = concentration_factor(
        TissueFractions(1.0, 0.0, 0.0), "Glu", timing=TIMING, water_timing=TIMING,
        times=RELAXATION_SETS["fsl_mrs_3t"],
    )  # fmt: skip
    assert half > none
