"""Markers of resting-state BOLD."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

_FISHER = "Pearson correlation of denoised parcel series after Fisher's z transform"
_SCHAEFER = "Schaefer A et al., Cereb Cortex 2018;28:3095-3114; Yeo BTT et al., J Neurophysiol 2011"

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        marker="fc",
        modality="func",
        unit="1",
        description=f"Network connectivity, {_FISHER}: mean over all pairs of parcels within one "
        "network (region 'Default'), or between two networks (region 'Vis-SomMot').",
        source=_SCHAEFER,
    ),
    Definition(
        marker="fc_dlpfc_strength",
        modality="func",
        unit="1",
        description=f"Connectivity of the dorsolateral prefrontal cortex, {_FISHER}: mean over its "
        "parcels of the mean to all other cortical parcels; left, right and bilateral.",
        source=_SCHAEFER,
    ),
    Definition(
        marker="fc_dmn_core",
        modality="func",
        unit="1",
        description="Connectivity of posterior cingulate with medial prefrontal cortex, "
        f"{_FISHER}: mean over the pairs between Default_pCunPCC and the Default_PFC parcels "
        "within 15 mm of the midline.",
        source=_SCHAEFER,
    ),
    Definition(
        marker="fc_thal_cortex",
        modality="func",
        unit="1",
        description=f"Connectivity of both thalami with the cortex of one network, {_FISHER}.",
        source=f"{_SCHAEFER}; Fischl B et al., Neuron 2002;33:341-355 (the structures)",
    ),
    Definition(
        marker="fc_striatum_cortex",
        modality="func",
        unit="1",
        description="Connectivity of caudate, putamen and accumbens with prefrontal and anterior "
        f"cingulate cortex, {_FISHER}.",
        source=f"{_SCHAEFER}; Fischl B et al., Neuron 2002;33:341-355 (the structures)",
    ),
    Definition(
        marker="mean_fd",
        modality="func",
        unit="mm",
        description="Mean framewise displacement of the head, the first volume left out.",
        source="Power JD et al., NeuroImage 2012;59:2142-2154",
        role="confound",
    ),
    Definition(
        marker="tsnr",
        modality="func",
        unit="1",
        description="Temporal signal-to-noise ratio: median over the brain of mean over standard "
        "deviation after a linear trend is taken out.",
        source="Murphy K et al., NeuroImage 2007;34:565-574",
        role="confound",
    ),
)

#: What a BOLD run is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "connectivity")

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = (
    ExclusionRule("max_mean_fd_mm", marker="mean_fd", leaves_out="above"),
)

#: What the markers are expected to reach where the truth is known. The mean of connectivity is near
#: zero, so that a bias in percent says nothing.
RECOVERY_GOALS = RecoveryGoal(r_min=0.7, bias_percent_max=None)
