"""A T1w image, made ready for the engine: read, checked, freed of noise and lesions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from commissure.anat.builtin.brain import check_head, is_stripped, stripped_notes
from commissure.anat.builtin.mp2rage import without_noise
from commissure.anat.lesion import filled, lesion_mask
from commissure.anat.settings import AnatPreprocessSettings
from commissure.images.grid import coarser
from commissure.images.load import load_image, zooms_mm
from commissure.names import Scan


@dataclass(frozen=True)
class ReadiedHead:
    """A T1w image as the engine needs it.

    Attributes
    ----------
    image
        3-D, as acquired; of an MP2RAGE, without the noise of its air.
    filled
        The same where no lesion was drawn; else with the lesion filled.
    work
        ``filled`` on the grid to segment on.
    lesion
        (X, Y, Z) bool, or none: drawn, or found by the engine.
    stripped
        Whether it is taken for a brain without its skull.
    notes
        What the reader must know.
    """

    image: nib.Nifti1Image
    filled: nib.Nifti1Image
    work: nib.Nifti1Image
    lesion: np.ndarray | None
    stripped: bool
    notes: tuple[str, ...]

    def without(self, lesion: np.ndarray, *, finest_mm: float, note: str) -> ReadiedHead:
        """The head with a lesion (X, Y, Z) filled that the engine found, and a note of it."""
        seen = filled(self.image, lesion)
        return replace(
            self,
            filled=seen,
            work=_to_segment(seen, finest_mm),
            lesion=lesion,
            notes=(*self.notes, note),
        )


def readied_head(scan: Scan, *, settings: AnatPreprocessSettings) -> ReadiedHead:
    """Read a T1w image and make it ready.

    Parameters
    ----------
    scan
        The T1w image.
    settings
        What the study chose.

    Raises
    ------
    DatasetError
        The image is not there, cannot be read, is not three-dimensional, holds NaN, or cannot
        hold a brain.
    """
    image, notes = load_image(scan.path, who=scan.who, ndim=3, nan_around=True), []
    if scan.suffix == "UNIT1":
        image, note = without_noise(scan, image)
        notes.append(note)
    check_head(image, who=scan.who, name=scan.path.name)
    declared = scan.metadata().get("SkullStripped") if scan.sidecars else None
    stripped = is_stripped(image, wanted=settings.skull_stripped)
    notes += stripped_notes(image, stripped=stripped, declared=declared)
    lesion = lesion_mask(scan, image)
    seen = image if lesion is None else filled(image, lesion)
    work = _to_segment(seen, settings.segmentation_resolution_mm)
    return ReadiedHead(image, seen, work, lesion, stripped, tuple(notes))


def _to_segment(image: nib.Nifti1Image, finest_mm: float) -> nib.Nifti1Image:
    """An image on the grid to segment on: no finer than so many mm."""
    return coarser(image, finest_mm) if min(zooms_mm(image.affine)) < 0.95 * finest_mm else image
