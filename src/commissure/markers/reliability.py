"""What is expected of a marker's values, and how repeatable they were measured to be.

For the page of markers. A range is that of a check of quality or follows from the definition; none
is taken from memory. A reliability is one that the project measured and documents.
"""

from __future__ import annotations

from dataclasses import dataclass

NOT_MEASURED = "not measured"
_NO_RANGE = "none is set: compare within the study"
_Z = "Fisher’s z: 0 without correlation, 0.5 at r = 0.46, 1 at r = 0.76"
_POSITIVE = "above 0; none beyond is set"


@dataclass(frozen=True)
class Expectation:
    """What the page of markers says beside a definition.

    Attributes
    ----------
    expected
        Range of values, and what it is from.
    reliability
        What was measured of repeated measurements, with the page that says how.
    """

    expected: str
    reliability: str = NOT_MEASURED


_HALVES = "two halves of one real run of 156 volumes, over parcels: r = {} ([func](func.md))"
_NETWORKS = (
    "four runs of four minutes together against one of sixteen, simulated: network means r = 0.98 "
    "to 0.99; one run of four minutes 0.77 to 0.93 ([func](func.md))"
)
_FIT = (
    "one real spectrum, fitted 20 times with more noise, width and phase: {} % "
    "([mrs](mrs.md)); no second measurement of a person"
)
_SPREAD = {
    "glu": "1.9", "gln": "13", "glx": "2.8", "gsh": "2.0", "tnaa": "0.8", "tcho": "0.6",
    "ins": "1.0",
}  # fmt: skip

_SEGMENTED = (
    "no second scan of a person; masks of simulated livers with known diameters "
    "([lesions](lesion.md#checked))"
)

EXPECTATIONS: dict[str, Expectation] = {
    **{
        name: Expectation("0 or more", _SEGMENTED)
        for name in (
            "lesion_count", "lesion_volume", "target_sum", "target_product_sum",
            "target_volume_sum", "largest_lesion_diameter",
        )
    },
    "radiomic_feature": Expectation(
        _NO_RANGE,
        "three tumours, borders drawn again 10 times: 3 % (GLCM) to 13 % (NGTDM), medians "
        "([lesions](lesion.md#radiomics))",
    ),
    "lesion_growth_rate": Expectation("negative where lesions shrink", _SEGMENTED),
    "volume": Expectation(
        "TIV 1.1 to 2.0 L; hippocampus 0.65 to 1.45 of the template’s share (limits of checks)",
        "one head turned, moved and with noise of 3 %, 0.88 mm: hippocampus +0.5 to +0.6 %, "
        "putamen +0.3 to +0.7 %, grey matter -0.1 %, TIV -0.2 %; no second scan of a person "
        "([anat](anat.md#repeated-visits))",
    ),
    "thickness": Expectation(_POSITIVE),
    "tiv": Expectation(
        "1.1 to 2.0 million mm³ (limit of the check)",
        "as `volume`: -0.2 % at 0.88 mm, -0.6 % at 2 mm ([anat](anat.md#repeated-visits))",
    ),
    **{
        name: Expectation(_Z, _NETWORKS if name == "fc" else NOT_MEASURED)
        for name in (
            "fc", "fc_dlpfc_strength", "fc_dmn_core", "fc_thal_cortex", "fc_striatum_cortex",
            "fc_striatal_seed", "fc_sgacc_dlpfc", "fc_dlpfc_thal", "fc_dlpfc_striatum",
            "fc_dlpfc_dmn", "fc_subcort_global",
        )
    },
    "alff": Expectation("about 1 by definition (over the brain’s mean)", _HALVES.format("0.95")),
    "falff": Expectation("0 to 1; depends on the repetition time", _HALVES.format("0.88")),
    "reho": Expectation("0 to 1", _HALVES.format("0.86")),
    "mean_fd": Expectation("0 to 0.55 mm (default limit of exclusion)"),
    "tsnr": Expectation(_POSITIVE),
    "fa": Expectation("0 to 1"),
    "md": Expectation("0.0005 to 0.0012 in white matter (limit of the check)"),
    "tbss_fa": Expectation("0 to 1"),
    "tbss_md": Expectation("0.0005 to 0.0012 in white matter (limit of the check)"),
    "free_water": Expectation("0 to 1"),
    "fa_tissue": Expectation("0 to 1"),
    "mean_kurtosis": Expectation(_POSITIVE),
    "dwi_motion": Expectation("0 to 1 mm (limit of the check)"),
    "b0_snr": Expectation("15 or more (limit of the check)"),
    **{
        name: Expectation(_NO_RANGE)
        for name in ("glu", "gln", "glx", "gsh", "tnaa", "tcr", "tcho", "ins", "gaba")
    },
    **{f"{name}_tcr": Expectation(_NO_RANGE, _FIT.format(spread))
       for name, spread in _SPREAD.items()},
    "gaba_tcr": Expectation(_NO_RANGE),
    "fwhm": Expectation("up to 0.1 ppm (limit of the check)"),
    "snr": Expectation("10 or more (limit of the check)"),
    "f_csf": Expectation("0 to 0.3 (limit of the check)"),
}  # fmt: skip
