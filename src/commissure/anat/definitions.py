"""Markers of the T1w image."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        marker="volume",
        modality="anat",
        unit="mm3",
        description="Volume of a tissue (GM, WM, CSF), of the space inside the skull (TIV), or of "
        "a structure of the JHU-MNI atlas: the sum over its label, moved onto the T1w, of the "
        "probability of the tissue that the structure is made of.",
        source="Ashburner J, Friston KJ, NeuroImage 2005;26:839-851 (tissue posteriors with "
        "template priors); Oishi K et al., NeuroImage 2009;46:486-499 (JHU-MNI atlas)",
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
