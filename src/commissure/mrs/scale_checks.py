"""Whether concentrations have a size that a brain has, and what is the cause where not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from commissure.checks import Check, between
from commissure.mrs.quantification.relaxation import (
    RELAXATION_SETS,
    WATER_MMOL_PER_KG,
    RelaxationSet,
    Timing,
    TissueFractions,
    concentration_factor,
)

#: Total creatine in mmol per kg of tissue water with the relaxation times of FSL-MRS at 3 T. Other
#: sets give 11 to 18 % more for the same spectrum, and their limits lie higher by as much.
CREATINE_RANGE = (6.0, 12.0)

#: The set that the limits hold for.
_LIMITS_OF = "fsl_mrs_3t"

#: Means of healthy adults in mmol/kg or mmol/l (Gudmundson AT et al., 2023, 62 to 215 groups of
#: published studies); groups scatter by 23 % (tCr) to 34 % (tNAA).
PUBLISHED_MEANS = {"tcr": 10.17, "tnaa": 11.27, "tcho": 2.58, "ins": 5.83}

#: Common factor of all four from which on the scale of the water is the cause: half or twice is
#: told, what regions and macromolecules do is not (1.0 to 1.4 in sound real spectra).
_ANOTHER_SCALE = 1.5

#: Water of LCModel's default units: mmol/l of white matter, and what is left of its signal.
_LCMODEL_WATER = 35880.0 * 0.7


@dataclass(frozen=True)
class WaterScaling:
    """What a concentration is made of, beside the amplitudes.

    Attributes
    ----------
    fractions, timing, water_timing
        Tissue of the voxel, and timing of both acquisitions.
    times
        Relaxation times.
    """

    fractions: TissueFractions
    timing: Timing
    water_timing: Timing
    times: RelaxationSet

    def factor(self, metabolite: str = "Cr", times: RelaxationSet | None = None) -> float:
        """From amplitude over water to mmol/kg."""
        return concentration_factor(
            self.fractions,
            metabolite,
            timing=self.timing,
            water_timing=self.water_timing,
            times=times or self.times,
        )

    def over_limits_set(self) -> float:
        """What these relaxation times give over those that the limits hold for."""
        usual = RELAXATION_SETS[_LIMITS_OF]
        if self.times.field_t != usual.field_t:
            return 1.0
        return self.factor() / self.factor(times=usual)


def scale_check(concentrations: Mapping[str, float], scaling: WaterScaling) -> Check:
    """Whether total creatine has a size that a brain has, with the cause where it has not.

    Parameters
    ----------
    concentrations
        mmol/kg by marker.
    scaling
        What they were made with.
    """
    more = scaling.over_limits_set()
    low, high = (round(more * limit, 2) for limit in CREATINE_RANGE)
    check = between("tcr_mmol_per_kg", concentrations["tcr"], low, high)
    return check if check.passed else replace(check, note=_cause(concentrations, more))


def _over_published(concentrations: Mapping[str, float], more: float) -> dict[str, float]:
    """Concentrations over the published means, as far as both are there."""
    return {
        marker: concentrations[marker] / (more * mean)
        for marker, mean in PUBLISHED_MEANS.items()
        if concentrations.get(marker, 0.0) > 0
    }


def _cause(concentrations: Mapping[str, float], more: float) -> str:
    """One factor for all metabolites is the scale of the water; anything else is not."""
    over = _over_published(concentrations, more)
    common = math.exp(sum(map(math.log, over.values())) / len(over))
    each = ", ".join(f"{name} {ratio:.2f}" for name, ratio in over.items())
    one_side = all((ratio > 1) == (common > 1) for ratio in over.values())
    far = common > _ANOTHER_SCALE or common < 1 / _ANOTHER_SCALE
    if one_side and far:
        return (
            f"all are off by one factor, {common:.2g} over published means ({each}): spectrum and "
            "water reference are not on one scale; compare averages and receiver gain of both; "
            "ratios are not touched"
        )
    return (
        f"no one factor explains it (over published means: {each}), so the scale of the water is "
        "not the cause: look at the fit of creatine, its macromolecules and baseline, at the "
        "tissue of the voxel, and at how the reference was measured"
    )


def scale_record(
    amplitude_over_water: float, concentrations: Mapping[str, float], scaling: WaterScaling
) -> dict[str, Any]:
    """How total creatine comes from its amplitude, factor by factor.

    Parameters
    ----------
    amplitude_over_water
        Of total creatine, per molecule.
    concentrations
        mmol/kg by marker.
    scaling
        What they were made with.

    Returns
    -------
    dict
        The product of amplitude and factors is the concentration. ``tcr_lcmodel_units`` is what the
        same amplitudes give with LCModel's default constants, for comparison with published
        values that have no correction of tissue and relaxation.
    """
    shares = scaling.fractions.molal()
    times = scaling.times
    water = sum(
        share * each.weight(te_s=scaling.water_timing.te_s, tr_s=scaling.water_timing.tr_s)
        for share, each in zip(shares, (times.gm, times.wm, times.csf), strict=True)
    )
    weight = times.of("Cr").weight(te_s=scaling.timing.te_s, tr_s=scaling.timing.tr_s)
    return {
        "tcr_over_water": amplitude_over_water,
        "factors": {
            "water_mmol_per_kg": WATER_MMOL_PER_KG,
            "water_signal_left": water,
            "one_over_creatine_signal_left": 1 / weight,
            "one_over_tissue_share_of_water": 1 / (1 - shares[2]),
        },
        "tcr_lcmodel_units": amplitude_over_water * _LCMODEL_WATER,
        "over_published_means": _over_published(concentrations, scaling.over_limits_set()),
    }
