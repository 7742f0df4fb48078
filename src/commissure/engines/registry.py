"""The engines by name: the one place that says what ``<modality>.engine`` may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commissure.modalities import MODALITIES


@dataclass(frozen=True)
class Engine:
    """Somebody who preprocesses.

    Attributes
    ----------
    name
        The value of ``<modality>.engine`` in the configuration.
    rules
        Files in ``workflow/rules/engines`` by the modality that it preprocesses. One that several
        modalities name, for a program that serves them in one run, is included once.
    description
        One sentence for the page of engines.
    """

    name: str
    rules: Mapping[str, tuple[str, ...]]
    description: str


#: The engine that takes over a tree of derivatives; it needs the option ``from``.
TREES = "derivatives"

#: The engine that runs fMRIPrep in a container, set up by the section ``fmriprep``.
FMRIPREP = "fmriprep"

#: The engine that runs QSIPrep in a container, set up by the section ``qsiprep``.
QSIPREP = "qsiprep"

#: The engine that calls MRtrix3's programs.
MRTRIX3 = "mrtrix3"

#: Rule files of the steps that apply a network on a graphics processor, by modality.
GPU_RULES = {"anat": "anat_gpu.smk", "lesion": "lesion_gpu.smk"}

#: Every engine by name.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "builtin",
            {modality: (f"{modality}_builtin.smk",) for modality in MODALITIES},
            "This package's own, on ANTs, DIPY, nilearn and NiBabel: runs anywhere.",
        ),
        Engine(
            TREES,
            {modality: (f"{modality}_derivatives.smk",) for modality in ("anat", "func", "dwi")},
            "Takes over what fMRIPrep, sMRIPrep or QSIPrep has preprocessed ([derivatives]"
            "(derivatives.md)): runs anywhere.",
        ),
        Engine(
            FMRIPREP,
            dict.fromkeys(("anat", "func"), ("fmriprep.smk",)),
            "fMRIPrep in a container, one run for both ([fMRIPrep](fmriprep.md)): Docker on a "
            "workstation, Apptainer on a cluster.",
        ),
        Engine(
            MRTRIX3,
            {"dwi": ("dwi_mrtrix3.smk",)},
            "MRtrix3's programs through Nipype, with the built-in realignment ([MRtrix3]"
            "(mrtrix3.md)): where `dwidenoise` is on the path.",
        ),
        Engine(
            QSIPREP,
            {"dwi": ("qsiprep.smk",)},
            "QSIPrep in a container, eddy on a graphics processor where there is one ([QSIPrep]"
            "(qsiprep.md)): Docker on a workstation, Apptainer on a cluster.",
        ),
    )
}


def engines_of(modality: str) -> tuple[str, ...]:
    """Names of the engines that preprocess a modality."""
    return tuple(name for name, engine in ENGINES.items() if modality in engine.rules)


def rule_files(chosen: Mapping[str, str]) -> list[str]:
    """Rule files of a study's engines, each once.

    Parameters
    ----------
    chosen
        Name of the engine by modality.
    """
    named = [
        file for modality, engine in chosen.items() for file in ENGINES[engine].rules[modality]
    ]
    return list(dict.fromkeys(named))
