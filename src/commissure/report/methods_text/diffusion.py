"""Sentences on the preprocessing of diffusion series, by whatever engine, and on their tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commissure.report.methods_text.images import engine_sentence, of
from commissure.report.methods_text.record import RunRecord, counted, share

_DENOISING = {
    "mppca": "Marchenko-Pastur principal components [@veraart2016]",
    "dwidenoise": "dwidenoise of MRtrix3 [@veraart2016]",
}


def dwi(run: RunRecord) -> list[str]:
    """How diffusion series became a tensor and means over tracts."""
    records = run.preprocessed["dwi"]
    engine = run.option("dwi", "engine", "builtin")
    if engine == "qsiprep":
        sentences = _by_qsiprep(run, records)
    elif engine in ("builtin", "mrtrix3"):
        sentences = _by_steps(records, mrtrix3=engine == "mrtrix3")
    else:
        sentences = [engine_sentence(run, "dwi", "diffusion series")]
    how = "robustly, " if run.option("dwi", "robust_tensor") else ""
    sentences.append(
        f"The diffusion tensor [@basser1994] was fitted {how}by weighted least squares (DIPY "
        f"{run.version('dipy')}) [@garyfallidis2014] to volumes up to b = "
        f"{run.number('dwi', 'tensor_max_b_s_mm2')} s/mm². Fractional anisotropy and mean "
        "diffusivity were averaged over the white matter of the labels of ICBM-DTI-81 [@mori2008], "
        "carried to the person by nonlinear registration."
    )
    if (run.option("dwi", "skeleton") or {}).get("skeleton"):
        sentences.append(
            "They were also read on a skeleton [@smith2006] in ENIGMA-DTI’s manner "
            "[@jahanshad2013]."
        )
    if run.option("dwi", "free_water"):
        sentences.append("The share of free water was fitted where two shells carry it [@hoy2014].")
    if run.option("dwi", "kurtosis"):
        sentences.append("Mean kurtosis was fitted where the shells carry it [@jensen2005].")
    return sentences


def _made_by(records: Sequence[Mapping], name: str) -> str:
    """A program with the versions that the sidecars name, as ``MRtrix3 3.0.3``."""
    versions = {
        str(maker.get("Version") or "")
        for record in records
        for maker in record.get("GeneratedBy") or []
        if isinstance(maker, Mapping) and maker.get("Name") == name
    }
    return f"{name} {' and '.join(sorted(filter(None, versions)))}".strip()


def _by_qsiprep(run: RunRecord, records: Sequence[Mapping]) -> list[str]:
    """What is known of QSIPrep: its image, its options, and what follows from them."""
    n, options = run.images("dwi"), [str(word) for word in run.option("qsiprep", "options", [])]
    sentences = [
        f"{n} diffusion series were preprocessed by {_made_by(records, 'QSIPrep')} (image "
        f"{run.option('qsiprep', 'image', 'not recorded')}) [@cieslak2021], written with voxels of "
        f"{run.number('qsiprep', 'output_resolution_mm')} mm."
    ]
    if not any(word.startswith("--hmc-model") for word in options):
        by = " on a graphics processor" if run.option("qsiprep", "gpus") else ""
        sentences.append(
            "Head motion and eddy currents were corrected by FSL’s eddy [@andersson2016]"
            f"{by}{', with options of the study' if run.option('qsiprep', 'eddy_config') else ''}."
        )
    if run.option("qsiprep", "field_maps") is False:
        sentences.append("Field maps of the dataset were not used.")
    if options:
        sentences.append(f"It was given the further options “{' '.join(options)}”.")
    sentences.append(
        "TO THE AUTHORS: add denoising, Gibbs ringing and distortion from the text of methods that "
        "QSIPrep wrote beside its results (CITATION.md)."
    )
    return sentences


def _by_steps(records: Sequence[Mapping], *, mrtrix3: bool) -> list[str]:
    """The steps that the sidecars name; what MRtrix3 did has its commands."""
    n = len(records)
    ringing = "by mrdegibbs" if mrtrix3 else "by subvoxel shifts"
    steps = (
        (f"Gibbs ringing was removed {ringing} [@kellner2016]", "GibbsRingingRemoved"),
        ("the bias of the Rician noise was removed", "RicianBiasRemoved"),
        ("volumes were realigned", "Realigned"),
        ("gradients were turned with the volumes [@leemans2009]", "GradientsTurned"),
        ("eddy currents were corrected", "EddyCurrentsCorrected"),
        ("susceptibility distortion was corrected", "SusceptibilityCorrected"),
        ("intensities were corrected by N4 [@tustison2010]", "BiasFieldCorrected"),
    )
    sentences = [f"{n} diffusion series were preprocessed."]
    if mrtrix3:
        sentences = [
            f"{n} diffusion series were preprocessed with {_made_by(records, 'MRtrix3')} "
            f"[@tournier2019], called through {_made_by(records, 'Nipype')} [@gorgolewski2011]: "
            "its dwi2mask outlined the brain of the series as acquired, and its dwi2tensor fitted "
            "the tensor that the series was registered by. Movement and distortions were corrected "
            "by Commissure itself."
        ]
    for name, used in counted(records, "Denoising"):
        if name and name != "none":
            by = _DENOISING.get(name, name)
            sentences.append(f"Noise was reduced by {by} in {of(used, n)} series.")
    for words, key in steps:
        done = share(records, key)
        if done:
            sentences.append(f"{words[0].upper()}{words[1:]} in {of(done, n)} series.")
    if not share(records, "SusceptibilityCorrected"):
        sentences.append(f"Susceptibility distortion was corrected in {of(0, n)} series.")
    return sentences
