"""What the markers of lesions mean, and the sizes that several rules share."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

#: Slices up to this distance measure lesions of the least size; beyond, of twice the distance
#: (RECIST 1.1, RANO 2010).
THIN_SLICES_MM = 5.0

#: Below this a lesion is too small to be measured: it counts as this, and a new one is equivocal.
TOO_SMALL_MM = 5.0

#: What every mask is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "lesions")

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = ()

#: What the markers are expected to reach where the truth is known.
RECOVERY_GOALS = RecoveryGoal(r_min=0.95, bias_percent_max=5.0)

_RECIST = "Eisenhauer 2009 (RECIST 1.1), doi:10.1016/j.ejca.2008.10.026"
_GROWTH = "Mehrara 2007, doi:10.1158/0008-5472.CAN-07-0753"

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "lesion_count", "lesion", "1", "Number of lesions that are seen at the visit.", _RECIST
    ),
    Definition(
        "lesion_volume",
        "lesion",
        "ml",
        "Volume of all lesions together: voxels of the masks.",
        _RECIST,
    ),
    Definition(
        "target_sum",
        "lesion",
        "mm",
        "Sum of diameters of the target lesions: the longest axial diameter, of a lymph node the "
        "short axis.",
        _RECIST,
    ),
    Definition(
        "largest_lesion_diameter",
        "lesion",
        "mm",
        "Longest axial diameter of the largest lesion.",
        _RECIST,
    ),
    Definition(
        "lesion_growth_rate",
        "lesion",
        "%/day",
        "Specific growth rate of the volume of all lesions since the baseline, 100 ln(V2/V1)/t.",
        _GROWTH,
    ),
)
