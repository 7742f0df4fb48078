"""What the markers of spectroscopy mean."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal
from commissure.mrs.metabolites import MARKERS, REFERENCE

#: What every spectrum is expected to yield.
PRODUCTS: tuple[str, ...] = ("preproc", "ratios", "concentrations")

_SCALING = "Gasparovic 2006, doi:10.1002/mrm.20901; Near 2021, doi:10.1002/nbm.4257"
_FITTING = "Wilson 2019, doi:10.1002/mrm.27742; Near 2021, doi:10.1002/nbm.4257"
_REPORTING = "Lin 2021 (MRSinMRS), doi:10.1002/nbm.4484; Oz 2021, doi:10.1002/nbm.4236"

DEFINITIONS: tuple[Definition, ...] = (
    *(
        Definition(
            reported.marker,
            "mrs",
            "mmol/kg",
            f"Concentration of {reported.title} in the tissue water of the voxel, from the "
            "unsuppressed water signal, corrected for tissue and relaxation; the region names the "
            "voxel.",
            _SCALING,
        )
        for reported in MARKERS.values()
    ),
    *(
        Definition(
            f"{reported.marker}_{REFERENCE}",
            "mrs",
            "1",
            f"Signal of {reported.title} per proton over that of total creatine, not corrected for "
            "relaxation; total creatine may itself change with disease.",
            _FITTING,
        )
        for reported in MARKERS.values()
        if reported.marker != REFERENCE
    ),
    Definition(
        "fwhm",
        "mrs",
        "ppm",
        "Linewidth of creatine at 3.03 ppm in the fit.",
        _REPORTING,
        "confound",
    ),
    Definition(
        "snr",
        "mrs",
        "1",
        "Highest point of the spectrum above its baseline over twice the standard deviation of "
        "the fit residual.",
        _REPORTING,
        "confound",
    ),
    Definition(
        "f_csf",
        "mrs",
        "1",
        "Share of cerebrospinal fluid in the voxel's volume.",
        _SCALING,
        "confound",
    ),
)

#: Rules by which measurements are left out of the models.
EXCLUSION_RULES: tuple[ExclusionRule, ...] = (
    ExclusionRule("max_fwhm_ppm", marker="fwhm", leaves_out="above"),
    ExclusionRule("min_mrs_snr", marker="snr", leaves_out="below"),
    ExclusionRule("max_f_csf", marker="f_csf", leaves_out="above"),
)

#: What the markers are expected to reach where the truth is known.
RECOVERY_GOALS = RecoveryGoal(r_min=0.7, bias_percent_max=10.0)
