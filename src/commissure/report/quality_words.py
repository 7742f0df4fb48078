"""Names and limits of quality checks as a reader expects them."""

from __future__ import annotations

import re

_NUMBER = r"([-+−]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_ONE_SIDE = re.compile(rf"^\s*(<=|>=|<|>|≤|≥)\s*{_NUMBER}")
_RANGE = re.compile(rf"^\s*(?:between\s+)?{_NUMBER}\s*(?:to|and|–|\.\.|-)\s*{_NUMBER}")

# Endings of check names that carry a unit, and how the unit is written.
_UNITS = (
    ("_mm2_per_s", "mm²/s"), ("_mm2_s", "mm²/s"), ("_mmol_per_kg", "mmol/kg"),
    ("_mm3", "mm³"), ("_cm2", "cm²"), ("_mm", "mm"), ("_ml", "mL"), ("_litres", "L"), ("_l", "L"),
    ("_ppm", "ppm"), ("_hz", "Hz"), ("_percent", "%"), ("_deg", "°"), ("_min", "min"),
    ("_ms", "ms"), ("_s", "s"), ("_kg", "kg"), ("_db", "dB"),
)  # fmt: skip

_ACRONYMS = {
    "tsnr": "tSNR", "tcr": "tCr", "tcho": "tCho", "tnaa": "tNAA", "glu": "Glu", "gln": "Gln",
    "glx": "Glx", "ins": "Ins", "snrd": "SNRd", "dice": "Dice", "bvec": "b-vector", "t1w": "T1w",
} | {
    word: word.upper()
    for word in ("fd", "snr", "cnr", "tiv", "fwhm", "csf", "gm", "wm", "fa", "md", "dvars", "mni",
                 "mrs", "voi", "epi", "bold", "crlb", "tr", "te", "rms", "rmse", "mriqc", "cjv",
                 "efc", "fber", "aor", "aqi", "gcor",
                 "gsh", "naa", "inu", "sd", "wm2max")
}  # fmt: skip

#: What words of the name alone do not say.
_NAMES = {
    "f_csf": "share of CSF in the voxel",
    "mask_dice_second": "Dice with a second brain mask",
    "weak_over_tcr": "largest metabolite not reported, over tCr",
    "bvec_order_gain": "fit of the tensor over random orders of the b-vectors",
    "turned_over_gain": "likeness gained by turning the head over",
    "line_scale": "distances of the lines over those expected",
}


def parsed_limit(limit: str) -> list[tuple[str, float]]:
    """Read a limit in words: ``<= 0.55`` gives ``[("<", 0.55)]``, ``0.4 to 0.9`` two sides.

    The sign names the side where values are good. Words without a number give an empty list.
    """
    if side := _ONE_SIDE.match(limit or ""):
        return [("<" if side[1] in ("<=", "<", "≤") else ">", float(side[2].replace("−", "-")))]
    if both := _RANGE.match(limit or ""):
        low, high = (float(end.replace("−", "-")) for end in both.groups())
        return [(">", low), ("<", high)]
    return []


def check_label(name: str) -> str:
    """Name of a check with its unit: ``mean_fd_mm`` gives ``mean FD (mm)``."""
    written, symbol = name_and_unit(name)
    return f"{written} ({symbol})" if symbol else written


def name_and_unit(name: str) -> tuple[str, str]:
    """Name of a check in words, and its unit apart."""
    for ending, symbol in _UNITS:
        stem = name.removesuffix(ending)
        # In fraction_fd_above_0.2_mm the unit belongs to the threshold.
        if stem != name and stem and not stem[-1].isdigit():
            return _written(stem), symbol
    return _written(name), ""


def _written(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    return " ".join(_ACRONYMS.get(word, word) for word in name.split("_"))
