"""Markers of the T1w image."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        marker="volume",
        modality="anat",
        unit="mm3",
        description="Volume of a tissue (GM, WM, CSF), of the space inside the skull (TIV), of a "
        "structure or of cortex. Deep grey matter and ventricles are segmented in the person's own "
        "image under FreeSurfer's names (LateralVentricle has the inferior horn and the choroid "
        "plexus in it); a cortical region or lobe (Desikan-Killiany) is the sum over its label, "
        "moved onto the T1w, of the probability of grey matter.",
        source="Ashburner J, Friston KJ, NeuroImage 2005;26:839-851 (tissue posteriors with "
        "template priors); Fischl B et al., Neuron 2002;33:341-355, Puonti O et al., NeuroImage "
        "2016;143:235-249 (structures); Desikan RS et al., NeuroImage 2006;31:968-980 (cortex)",
    ),
    Definition(
        marker="thickness",
        modality="anat",
        unit="mm",
        description="Thickness of the cortex: the mean over a Desikan-Killiany region, or over a "
        "side's whole cortex (cortex_L, cortex_R), of the grey matter along lines from the border "
        "of white matter to fluid, or to the ridge where the banks of a sulcus touch; a line "
        "weighs by the area of that border it stands for.",
        source="Aganj I et al., Hum Brain Mapp 2009;30:3188-3199 (line integrals); Dahnke R, "
        "Yotter RA, Gaser C, NeuroImage 2013;65:336-348 (ridge between banks); "
        "Desikan RS et al., NeuroImage 2006;31:968-980 (regions)",
    ),
    Definition(
        marker="tiv",
        modality="anat",
        unit="mm3",
        description="Head size (region 'head'): the total intracranial volume, GM + WM + CSF "
        "inside the brain mask, as the measure that volumes are adjusted for.",
        source="Malone IB et al., NeuroImage 2015;104:366-372",
        role="confound",
    ),
)

#: What a T1w image is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "tissues", "volumes")

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = ()

#: What the markers are expected to reach where the truth is known.
RECOVERY_GOALS = RecoveryGoal(r_min=0.9, bias_percent_max=5.0)
