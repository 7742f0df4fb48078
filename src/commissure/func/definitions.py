"""Markers of resting-state BOLD."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal

_FISHER = "Pearson correlation of denoised parcel series after Fisher's z transform"
_STRUCTURES = "Fischl B et al., Neuron 2002;33:341-355 (the structures)"
_REGIONS = "mean over the parcels of a network, or over both sides of a structure"
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
        source=f"{_SCHAEFER}; {_STRUCTURES}",
    ),
    Definition(
        marker="fc_striatum_cortex",
        modality="func",
        unit="1",
        description="Connectivity of caudate, putamen and accumbens with prefrontal and anterior "
        f"cingulate cortex, {_FISHER}.",
        source=f"{_SCHAEFER}; {_STRUCTURES}",
    ),
    Definition(
        marker="fc_striatal_seed",
        modality="func",
        unit="1",
        description="Connectivity of one of six striatal seeds a side (spheres of 3.5 mm: VSi, VSs "
        "ventral striatum; DC dorsal caudate; DCP, DRP, VRP putamen) with prefrontal and anterior "
        f"cingulate cortex, {_FISHER}.",
        source=f"Di Martino A et al., Cereb Cortex 2008;18:2735-2747; {_SCHAEFER}",
    ),
    Definition(
        marker="fc_sgacc_dlpfc",
        modality="func",
        unit="1",
        description="Connectivity of the subgenual cingulate (sphere of 6 mm around 6, 16, -10) "
        "with the left dorsolateral prefrontal cortex (6 mm around -38, 44, 26), grey matter with "
        f"enough signal only, {_FISHER}.",
        source="Fox MD et al., Biol Psychiatry 2012;72:595-603",
    ),
    Definition(
        marker="fc_dlpfc_thal",
        modality="func",
        unit="1",
        description=f"Connectivity of dorsolateral prefrontal cortex with both thalami, {_FISHER}.",
        source=f"{_SCHAEFER}; {_STRUCTURES}",
    ),
    Definition(
        marker="fc_dlpfc_striatum",
        modality="func",
        unit="1",
        description="Connectivity of dorsolateral prefrontal cortex with caudate, putamen and "
        f"accumbens, {_FISHER}.",
        source=f"{_SCHAEFER}; {_STRUCTURES}",
    ),
    Definition(
        marker="fc_dlpfc_dmn",
        modality="func",
        unit="1",
        description="Connectivity of dorsolateral prefrontal cortex with all other parcels of the "
        f"default network, {_FISHER}.",
        source=_SCHAEFER,
    ),
    Definition(
        marker="fc_subcort_global",
        modality="func",
        unit="1",
        description="Connectivity of thalamus, striatum, hippocampus and amygdala with the whole "
        f"cortex, {_FISHER}.",
        source=f"{_SCHAEFER}; {_STRUCTURES}",
    ),
    Definition(
        marker="alff",
        modality="func",
        unit="1",
        description="Amplitude of low-frequency fluctuations: twice the mean amplitude in the band "
        "of series freed of confounds but not filtered, over its mean in the brain (mALFF); "
        f"{_REGIONS}.",
        source="Zang YF et al., Brain Dev 2007;29:83-91; Scargle JD, Astrophys J 1982;263:835-853 "
        "(censored volumes)",
    ),
    Definition(
        marker="falff",
        modality="func",
        unit="1",
        description="Fractional ALFF: amplitude in the band over that at all frequencies of the "
        f"same series, not standardised; {_REGIONS}.",
        source="Zou QH et al., J Neurosci Methods 2008;172:137-141",
    ),
    Definition(
        marker="reho",
        modality="func",
        unit="1",
        description="Regional homogeneity: Kendall's W of a voxel's band-passed, unsmoothed series "
        f"and those of its 26 neighbours, not standardised; {_REGIONS}.",
        source="Zang Y et al., NeuroImage 2004;22:394-400",
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
PRODUCTS: tuple[str, ...] = ("preproc", "connectivity", "regional")

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = (
    ExclusionRule("max_mean_fd_mm", marker="mean_fd", leaves_out="above"),
)

#: What the markers are expected to reach where the truth is known. The mean of connectivity is near
#: zero, so that a bias in percent says nothing.
RECOVERY_GOALS = RecoveryGoal(r_min=0.7, bias_percent_max=None)
