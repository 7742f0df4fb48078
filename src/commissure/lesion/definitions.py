"""What the markers of lesions mean, and the sizes that several rules share."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

#: Slices up to this distance measure lesions of the least size; beyond, of twice the distance
#: (RECIST 1.1, RANO 2010).
THIN_SLICES_MM = 5.0

#: Below this a lesion is too small to be measured: it counts as this, and a new one is equivocal.
TOO_SMALL_MM = 5.0

#: Radiomic features are a block of their own beside the sizes of lesions, and one marker whose
#: regions are the features.
RADIOMICS, RADIOMIC_FEATURE = "radiomics", "radiomic_feature"

#: What every mask is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "lesions")

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = ()

#: What the markers are expected to reach where the truth is known.
RECOVERY_GOALS = RecoveryGoal(r_min=0.95, bias_percent_max=5.0)

_RECIST = "Eisenhauer 2009 (RECIST 1.1), doi:10.1016/j.ejca.2008.10.026"
_RANO = "Wen 2010 (RANO), doi:10.1200/JCO.2009.26.3541"
_RANO_2 = "Wen 2023 (RANO 2.0), doi:10.1200/JCO.23.01059"
_IBSI = "Zwanenburg 2020 (IBSI), doi:10.1148/radiol.2020191145"
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
        "short axis; with the criteria that add up diameters (RECIST 1.1, RANO-BM).",
        _RECIST,
    ),
    Definition(
        "target_product_sum",
        "lesion",
        "mm2",
        "Sum of the products of the longest diameter and the longest one across it, of the target "
        "lesions: with the criteria of RANO for gliomas, in place of target_sum.",
        _RANO,
    ),
    Definition(
        "target_volume_sum",
        "lesion",
        "ml",
        "Sum of the volumes of the target lesions: with RANO 2.0 by volumes, in place of "
        "target_sum.",
        _RANO_2,
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
    Definition(
        RADIOMIC_FEATURE,
        RADIOMICS,
        "IBSI",
        "A radiomic feature, in the unit that the initiative gives it; the region is its tag. Mean "
        "over the lesions that were there at the baseline, weighted by their volume; with "
        "lesion.radiomics.",
        _IBSI,
        relative_change=True,
    ),
)
