"""Sentences on the analysis of spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from commissure.report import text
from commissure.report.methods_text.images import engine_sentence, of
from commissure.report.methods_text.record import RunRecord, counted

# Steps of a sidecar as a sentence says them, in the order of the processing.
_STEPS = {
    "coil combination": "coils were combined",
    "alignment": "shots were aligned in frequency and phase [@near2015]",
    "shot rejection": "deviating shots were left out",
    "eddy currents": "eddy currents were corrected by the water reference [@klose1990]",
    "residual water": "residual water was removed",
}


def mrs(run: RunRecord) -> list[str]:
    """How spectra became concentrations."""
    by_other = engine_sentence(run, "mrs", "spectra")
    sentences = [by_other] if by_other else _builtin(run, run.preprocessed["mrs"])
    sentences += _fit(run)
    return [*sentences, *_quantities(run)]


def _builtin(run: RunRecord, records: Sequence[Mapping]) -> list[str]:
    n = len(records)
    applied: Counter[str] = Counter(
        step.get("step")
        for record in records
        for step in record.get("Steps") or ()
        if step.get("applied")
    )
    sentences = [
        f"{n} single-voxel spectra (NIfTI-MRS [@clarke2022]) were processed after the consensus of "
        "experts [@near2021]."
    ]
    for step, words in _STEPS.items():
        if applied[step]:
            sentences.append(f"{words[0].upper()}{words[1:]} in {of(applied[step], n)} spectra.")
    return sentences


def _fit(run: RunRecord) -> list[str]:
    """The model and basis as the table of MRSinMRS names them, record by record."""
    rows = [
        {row["item"]: row["value"] for row in record.get("mrsinmrs") or ()}
        for record in run.measured["mrs"]
    ]
    sentences = []
    for model, used in counted(rows, "Model of the fit"):
        sentences.append(f"{of(used, len(rows)).capitalize()} spectra were fitted by {model}.")
    bases = counted(rows, "Basis")
    if bases:
        first, used = bases[0]
        cite = " [@govindaraju2000]" if "Govindaraju" in str(first) else ""
        sentences.append(
            f"The basis of {of(used, len(rows))} spectra was: {first}{cite}."
            + (
                f" The others had {text.count(len(bases) - 1, 'other basis', 'other bases')}."
                if bases[1:]
                else ""
            )
        )
    return sentences


def _quantities(run: RunRecord) -> list[str]:
    records = run.measured["mrs"]
    rows = [
        {row["item"]: row["value"] for row in record.get("mrsinmrs") or ()} for record in records
    ]
    sentences = []
    for reference, used in counted(rows, "Reference and assumptions"):
        if str(reference).startswith("unsuppressed water"):
            sentences.append(
                f"Amplitudes of {of(used, len(rows))} spectra were scaled to unsuppressed water "
                "and corrected for the tissue of the voxel and its relaxation [@gasparovic2006], "
                f"with the values of the set {run.option('mrs', 'relaxation')} [@clarke2021]."
                if run.option("mrs", "relaxation") == "fsl_mrs_3t"
                else f"Amplitudes of {of(used, len(rows))} spectra were scaled to unsuppressed "
                "water and corrected for the tissue of the voxel and its relaxation "
                f"[@gasparovic2006] ({str(reference).partition('; ')[2]})."
            )
        else:
            sentences.append(
                f"{of(used, len(rows)).capitalize()} spectra had no water reference and are given "
                "as ratios to total creatine."
            )
    return sentences
