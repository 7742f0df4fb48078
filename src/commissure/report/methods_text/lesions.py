"""Sentences on lesions over time."""

from __future__ import annotations

from commissure.report import text
from commissure.report.methods_text.images import engine_sentence
from commissure.report.methods_text.record import RunRecord

#: Criteria by the option, with their source.
_CRITERIA = {
    "recist-1.1": "RECIST 1.1 [@eisenhauer2009]",
    "rano-2010": "the RANO criteria of 2010 [@wen2010]",
    "rano-2.0": "RANO 2.0 [@wen2023]",
    "rano-2.0-volumes": "RANO 2.0 [@wen2023], by volumes",
    "rano-2.0-non-enhancing": "RANO 2.0 [@wen2023], for tumours that do not enhance",
    "rano-bm": "RANO-BM [@lin2015]",
}

_REGISTRATION = {
    "auto": "registered to the baseline, rigidly for MRI and by an affine map for CT",
    "rigid": "registered rigidly to the baseline",
    "affine": "registered to the baseline by an affine map",
    "none": "taken to lie on the baseline already",
}


def _masks(run: RunRecord, n: int) -> str:
    """Who marked the lesions."""
    if run.option("lesion", "masks", "given") == "given":
        return (
            f"{text.count(n, 'mask', 'masks')} of lesions were read as they were given. TO THE "
            "AUTHORS: say who drew them, and with which program."
        )
    least = run.option("lesion", "least_volume_mm3")
    return (
        f"Lesions were marked in {text.count(n, 'image', 'images')} by a 3-D U-Net "
        f"[@ronneberger2015] of MONAI [@cardoso2022]: the mean of eight mirrored images, without "
        f"parts below {least:g} mm³. TO THE AUTHORS: say on whose masks it was trained, and how "
        "it does on people of this study whose lesions were drawn by hand."
    )


def lesion(run: RunRecord) -> list[str]:
    """How masks became lesions over time and a response."""
    n = run.images("lesion")
    by_other = engine_sentence(run, "lesion", "masks of lesions")
    registered = _REGISTRATION[run.option("lesion", "registration", "auto")]
    sentences = [
        by_other or _masks(run, n),
    ]
    if not by_other:
        sentences.append(f"The images of follow-ups were {registered}.")
    sentences += [
        "Lesions of different visits were matched by their overlap and the distance of their "
        "centres, and measured where they were drawn: the longest axial diameter, the longest "
        "one across it, and the volume.",
        f"Target lesions and responses follow {_CRITERIA[run.option('lesion', 'criteria')]}.",
    ]
    preset = run.option("lesion", "radiomics", "none")
    if preset != "none":
        sentences.append(
            f"Radiomic features were computed by Z-Rad, prepared as for {preset.upper()}, under "
            "the definitions of the Image Biomarker Standardisation Initiative [@zwanenburg2020]."
        )
    return sentences
