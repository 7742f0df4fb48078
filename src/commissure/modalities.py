"""What a modality is, said once: the BIDS datatypes that the workflow measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Modality:
    """One kind of measurement.

    Attributes
    ----------
    name
        The BIDS datatype, which is also the name of its package, its rules and its settings.
    suffix
        BIDS suffix of the images that carry it.
    title
        What a reader calls it, as ``diffusion MRI``.
    needs_anatomy
        Whether its steps take the anatomical derivatives of the same person.
    other_suffixes
        Suffixes of images that may stand in for it.
    """

    name: str
    suffix: str
    title: str
    needs_anatomy: bool = True
    other_suffixes: tuple[str, ...] = ()


#: Every modality by name, in the order in which tables and pages show them.
MODALITIES = {
    modality.name: modality
    for modality in (
        Modality("anat", "T1w", "T1-weighted MRI", needs_anatomy=False, other_suffixes=("UNIT1",)),
        Modality("func", "bold", "resting-state BOLD"),
        Modality("dwi", "dwi", "diffusion MRI"),
        Modality("mrs", "svs", "MR spectroscopy"),
    )
}

#: Steps of every modality in their order: each goes on from what the one before it left.
STEPS = ("preprocess", "measure")
