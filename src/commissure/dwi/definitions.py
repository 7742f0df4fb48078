"""What the diffusion room measures."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal
from commissure.dwi.enigma_names import AVERAGES

#: What a diffusion scan is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "tensor", "tracts")

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "fa",
        "dwi",
        "1",
        "Mean fractional anisotropy over the white-matter voxels of an atlas label, weighted by "
        "label and white matter (a ROI average, not TBSS; FA itself decides nothing); region WM "
        "is all white matter. Regions of both "
        "sides (ACR) and compounds (CC, IC, CR) are means of labels weighted by their voxels, as "
        "ENIGMA-DTI has them. Of the white matter's share of the signal where that is asked for "
        "(dwi.subtract_partial_volume).",
        "Basser 1996 for FA; labels JHU ICBM-DTI-81 (Mori 2008) carried by nonlinear registration; "
        "Asllani 2008 for partial volumes",
        summaries=tuple(AVERAGES),
    ),
    Definition(
        "md",
        "dwi",
        "mm2/s",
        "Mean diffusivity over the same voxels as fa, of the same share of the signal.",
        "Basser 1996",
        summaries=tuple(AVERAGES),
    ),
    *(
        Definition(
            f"tbss_{map_}",
            "dwi",
            unit,
            f"Mean {words} over the skeleton of the study's template within a label, in "
            "ENIGMA-DTI's manner: FA is projected from across the skeleton, and MD is read where "
            "FA was. Region WM is the whole skeleton (AverageFA). Only where dwi.skeleton names "
            "its files.",
            "Smith 2006; Jahanshad 2013 (ENIGMA-DTI)",
            summaries=tuple(AVERAGES),
        )
        for map_, unit, words in (
            ("fa", "1", "fractional anisotropy"),
            ("md", "mm2/s", "mean diffusivity"),
        )
    ),
    Definition(
        "free_water",
        "dwi",
        "1",
        "Mean share of the signal that is free water over the white-matter voxels of an atlas "
        "label. Only where dwi.free_water asks for it and two shells carry it.",
        "Hoy 2014",
    ),
    Definition(
        "fa_tissue",
        "dwi",
        "1",
        "Mean fractional anisotropy of what is not free water, over the same voxels.",
        "Hoy 2014",
    ),
    Definition(
        "mean_kurtosis",
        "dwi",
        "1",
        "Mean kurtosis of diffusion over the white-matter voxels of an atlas label. Only where "
        "dwi.kurtosis asks for it and the shells carry it.",
        "Jensen 2005",
    ),
    Definition(
        "dwi_motion",
        "dwi",
        "mm",
        "Mean framewise displacement over the diffusion volumes (region brain), rotations on a "
        "sphere of 50 mm.",
        "Power 2012",
        role="confound",
    ),
    Definition(
        "b0_snr",
        "dwi",
        "1",
        "Mean unweighted signal in white matter over the standard deviation of the noise (region "
        "WM).",
        "Veraart 2016 for the noise",
        role="confound",
    ),
)

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = (
    ExclusionRule("max_dwi_motion_mm", marker="dwi_motion", leaves_out="above"),
)

#: What the markers are expected to reach where the truth is known.
RECOVERY_GOALS = RecoveryGoal(r_min=0.9, bias_percent_max=5.0)
