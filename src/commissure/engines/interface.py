"""What an engine owes: the files that it writes for each image of a modality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commissure.derivatives import Derivatives
from commissure.dwi.derivatives import DwiFiles
from commissure.func.derivatives import FuncFiles
from commissure.images.anat_files import AnatFiles
from commissure.lesion.derivatives import LesionFiles
from commissure.modalities import MODALITIES
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.settings import MrsPreprocessSettings
from commissure.names import Scan

#: The files by modality. Measuring reads these and nothing else of an engine.
CONTRACT: dict[str, type[Derivatives]] = {
    "anat": AnatFiles,
    "func": FuncFiles,
    "dwi": DwiFiles,
    "mrs": MrsFiles,
    "lesion": LesionFiles,
}

#: Entities of an image by modality, for examples of names.
_EXAMPLES: dict[str, dict[str, str]] = {
    "func": {"task": "rest"}, "mrs": {"voi": "ACC"}, "lesion": {"ses": "1", "label": "lesion"},
}  # fmt: skip


def example_files(modality: str) -> Iterator[tuple[str, list[str], bool]]:
    """Names of the files that an engine writes for an image of ``sub-01`` who has a T1w image.

    Yields
    ------
    str
        Field of the class in :data:`CONTRACT`.
    list of str
        Its paths below the person's folder of the modality.
    bool
        Whether they are required.
    """
    entities = {"sub": "01", **_EXAMPLES.get(modality, {})}
    suffix = MODALITIES[modality].suffix
    t1w = AnatFiles.of(Scan(Path("sub-01_T1w.nii.gz"), {"sub": "01"}, "T1w"), Path("anat"))
    files = CONTRACT[modality].of_step(
        Scan(Path("image.nii.gz"), entities, suffix),
        Path(modality),
        anat=t1w,
        settings=MrsPreprocessSettings(),
    )
    for field, paths in files.files().items():
        names = [str(path.relative_to(modality)) for path in paths]
        yield field, names, field not in files.optional
