"""Sentences on the preprocessing of T1w and BOLD images, and on other engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commissure.report.methods_text.record import RunRecord, counted, share
from commissure.report.sections.methods import bold_sentences

#: Literature of each denoising strategy.
_STRATEGY = {
    "24P+aCompCor": "[@friston1996; @behzadi2007]",
    "12P+aCompCor": "[@muschelli2014; @behzadi2007]",
    "aCompCor": "[@behzadi2007]",
    "36P": "[@satterthwaite2013; @ciric2017]",
    "24P+GSR": "[@friston1996; @yan2013]",
    "ridge24P+aCompCor": "[@friston1996; @hoerl1970; @behzadi2007]",
}
_REGIONAL = {
    "alff": "the amplitude of low-frequency fluctuations [@zang2007]",
    "falff": "its fractional form [@zou2008]",
    "reho": "regional homogeneity [@zang2004]",
}


def of(part: int, whole: int) -> str:
    """``all 44``, ``12 of 44`` or ``none of 44``."""
    if part == 0:
        return f"none of {whole}"
    return f"all {whole}" if part == whole else f"{part} of {whole}"


def engine_sentence(run: RunRecord, modality: str, noun: str) -> str:
    """Who preprocessed, where that was not the built-in engine; empty where it was."""
    engine, n = run.option(modality, "engine", "builtin"), run.images(modality)
    if engine == "fmriprep":
        image = run.option("fmriprep", "image", "fMRIPrep")
        return f"{n} {noun} were preprocessed by fMRIPrep (image {image}) [@esteban2019]."
    if engine == "derivatives":
        folder = str(run.option(modality, "from") or "").rstrip("/").rpartition("/")[2]
        return (
            f"{n} {noun} had been preprocessed outside of Commissure and were read from the "
            f"derivatives in “{folder}”. TO THE AUTHORS: describe the pipeline that made them."
        )
    return "" if engine == "builtin" else f"{n} {noun} were preprocessed by the engine {engine}."


def anat(run: RunRecord) -> list[str]:
    """How T1w images became tissues, structures and a way to the template."""
    records, n = run.preprocessed["anat"], run.images("anat")
    by_other = engine_sentence(run, "anat", "T1w images")
    sentences = [by_other] if by_other else _builtin_anat(run, records, n)
    sentences.append(
        "Volumes of grey matter, white matter and cerebrospinal fluid, of subcortical structures "
        "under FreeSurfer’s names [@fischl2002] and of the cortical regions of Desikan and "
        "Killiany [@desikan2006] were measured."
    )
    if run.option("anat", "thickness"):
        sentences.append("Cortical thickness was measured by line integrals [@aganj2009].")
    return sentences


def _builtin_anat(run: RunRecord, records: Sequence[Mapping], n: int) -> list[str]:
    extraction = counted([record.get("BrainExtraction") or {} for record in records], "Name")
    stripped = share(records, "SkullStripped")
    sentences = [
        f"Intensities of {n} T1w images were corrected by N4 [@tustison2010] in ANTs (antspyx "
        f"{run.version('antspyx')})."
    ]
    if stripped:
        sentences.append(f"{of(stripped, n).capitalize()} images came without skull.")
    for name, used in extraction:
        if stripped == n:
            break
        by = "the network deepbet [@fisch2024]" if name == "deepbet" else (
            "registration to an averaged head with its brain mask"
        )  # fmt: skip
        sentences.append(f"The brain was found by {by} in {of(used, n)} images.")
    sentences.append(
        "Tissues were segmented by mixtures of intensities with the template’s tissue maps as "
        f"priors [@ashburner2005] (weight {run.number('anat', 'prior_weight')}). The image was "
        "registered to the template ICBM 2009a symmetric [@fonov2009] by an affine map and "
        "symmetric diffeomorphic normalisation [@avants2008], ending at voxels of "
        f"{run.number('anat', 'registration_resolution_mm')} mm."
    )
    if run.option("anat", "longitudinal"):
        sentences.append("Visits of one person were registered through a template of their own.")
    return sentences


def func(run: RunRecord) -> list[str]:
    """How BOLD runs became connectivity."""
    records = run.preprocessed["func"]
    by_other = engine_sentence(run, "func", "BOLD runs")
    sentences = [by_other] if by_other else _builtin_func(run, records)
    quality = [record for record in run.results.quality if record.modality == "func"]
    for sentence in bold_sentences(quality):
        if sentence.startswith("Connectivity and regional activity"):
            continue  # with citations below
        sentences.append(
            sentence.replace("(boundary-based registration, Greve and Fischl 2009)",
                             "(boundary-based registration) [@greve2009]")
            .replace("(Posse et al. 1999)", "[@posse1999]")
            .replace("(DuPre et al. 2021)", "[@dupre2021]")
            .replace("images of the opposite phase encoding",
                     "images of the opposite phase encoding [@andersson2003]")
            .replace("the phases of two gradient echoes",
                     "the phases of two gradient echoes [@jezzard1995]")
        )  # fmt: skip
    return sentences + _connectivity(run)


def _builtin_func(run: RunRecord, records: Sequence[Mapping]) -> list[str]:
    n = len(records)
    timed = share(records, "SliceTimingCorrected")
    sentences = [
        f"{n} BOLD runs were realigned rigidly to the mean of their realigned volumes and brought "
        "to the template with one interpolation (cubic spline) of distortion, movement and "
        f"registration together, at {run.number('func', 'resolution_mm')} mm or the run’s own "
        "coarser voxels."
    ]
    sentences.append(f"Slice timing was corrected in {of(timed, n)} runs.")
    discarded = [(v, k) for v, k in counted(records, "NumberOfVolumesDiscardedByUser") if v]
    sentences += [
        f"The first {v:g} volumes of {of(k, n)} runs were left out." for v, k in discarded
    ]
    return sentences


def _connectivity(run: RunRecord) -> list[str]:
    measured = run.measured["func"]
    n = len(measured)
    sentences = []
    for strategy, used in counted(measured, "strategy"):
        sentences.append(
            f"The confounds of the strategy {strategy} were taken out of {of(used, n)} series "
            f"{_STRATEGY.get(strategy, '')}".rstrip()
            + "."
        )
    for band, used in counted(measured, "band_hz"):
        low, high = (f"{edge:g}" if edge is not None else "open" for edge in band)
        sentences.append(f"{of(used, n).capitalize()} series were filtered to {low}–{high} Hz.")
    for limit, _ in counted(measured, "fd_threshold_mm"):
        sentences.append(
            f"Volumes with a framewise displacement [@power2012] above {limit:g} mm were censored."
        )
    for atlas, used in counted(measured, "atlas"):
        named = "[@schaefer2018; @yeo2011]" if str(atlas).startswith("Schaefer") else ""
        sentences.append(
            f"Mean series of the parcels of {atlas} {named}".rstrip()
            + f" were correlated in {of(used, n)} runs, and correlations transformed by Fisher’s z."
        )
    regional = [_REGIONAL[m] for m in run.option("func", "regional_measures", []) if m in _REGIONAL]
    if regional and n:
        sentences.append(f"Regional activity was measured as {'; '.join(regional)}.")
    return sentences
