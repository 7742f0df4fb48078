"""What a modality is, said once: the BIDS datatypes that the workflow measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Modality:
    """One kind of measurement.

    Attributes
    ----------
    name
        The BIDS datatype, which is also the name of its package, its rules and its settings. Only
        lesions, which images of several datatypes show, have a name that is none.
    suffix
        BIDS suffix of the images that carry it.
    title
        What a reader calls it, as ``diffusion MRI``.
    needs_anatomy
        Whether its steps take the anatomical derivatives of the same person.
    other_suffixes
        Suffixes of images that may stand in for it.
    datatypes
        Folders of a visit in which its images lie, where they are others than its name.
    label
        Value of ``label-`` that its images have; the same suffix without it is none of them.
    over_visits
        Whether its steps take the images of all visits of a person together.
    by_default
        Whether a study has it that does not name its modalities.
    """

    name: str
    suffix: str
    title: str
    needs_anatomy: bool = True
    other_suffixes: tuple[str, ...] = ()
    datatypes: tuple[str, ...] = ()
    label: str = ""
    over_visits: bool = False
    by_default: bool = True

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of a visit in which its images lie."""
        return self.datatypes or (self.name,)


#: Every modality by name, in the order in which tables and pages show them.
MODALITIES = {
    modality.name: modality
    for modality in (
        Modality("anat", "T1w", "T1-weighted MRI", needs_anatomy=False, other_suffixes=("UNIT1",)),
        Modality("func", "bold", "resting-state BOLD"),
        Modality("dwi", "dwi", "diffusion MRI"),
        Modality("mrs", "svs", "MR spectroscopy"),
        Modality(
            "lesion", "dseg", "lesions over time", needs_anatomy=False, other_suffixes=("mask",),
            datatypes=("anat", "ct"), label="lesion", over_visits=True, by_default=False,
        ),
    )
}  # fmt: skip

#: Blocks of markers that are measured with a modality and stand beside it in the models.
MEASURED_WITH = {"lesion": "radiomics"}

#: Names of those that a study has unless it names others, and that simulated people have.
BY_DEFAULT = tuple(modality.name for modality in MODALITIES.values() if modality.by_default)


def read_from(folder: str) -> tuple[str, ...]:
    """Modalities whose images lie in a folder of a visit, by the folder's name."""
    return tuple(name for name, modality in MODALITIES.items() if folder in modality.folders)


#: Steps of every modality in their order: each goes on from what the one before it left.
STEPS = ("preprocess", "measure")


def modality_title(name: str) -> str:
    """Write a modality out; an unknown one keeps its name."""
    if name in MODALITIES:
        return MODALITIES[name].title
    return "the lab's own tables" if name == "table" else name
