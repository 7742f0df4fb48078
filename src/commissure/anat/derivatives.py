"""The files of T1w images: what measuring writes, and reading what an engine wrote.

What an engine writes is :class:`commissure.images.anat_files.AnatFiles`, which every modality
reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import numpy as np

from commissure.anat.volumes import label_volumes
from commissure.derivatives import Derivatives
from commissure.errors import QualityError
from commissure.images.anat_files import LESION_LABEL, AnatFiles
from commissure.images.grid import bounding_box
from commissure.images.load import load_image, same_grid
from commissure.names import Scan, read_sidecars, sidecar_path


@dataclass(frozen=True)
class AnatMeasured(Derivatives):
    """What measuring writes for one T1w image.

    Attributes
    ----------
    markers, quality
        Marker rows and quality record.
    tissues_figure, registration_figure
        Outlines of tissues and structures on the T1w, and the brain in the template.
    thickness, thickness_sidecar, thickness_figure
        Thickness of the cortex at every voxel, in mm; only where it is measured.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"thickness", "thickness_sidecar", "thickness_figure"}
    )

    markers: Path
    quality: Path
    tissues_figure: Path
    registration_figure: Path
    thickness: Path
    thickness_sidecar: Path
    thickness_figure: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path) -> AnatMeasured:
        """Name the results for the image ``scan`` in ``folder``, a person's ``anat/``."""
        figures = folder / "figures"
        return cls(
            markers=folder / scan.derivative("markers", ".tsv"),
            quality=folder / scan.derivative("qc", ".json"),
            tissues_figure=figures / scan.derivative("T1w", ".svg", desc="tissues"),
            registration_figure=figures / scan.derivative("T1w", ".svg", desc="registration"),
            thickness=folder / scan.derivative("thickness", ".nii.gz"),
            thickness_sidecar=folder / scan.derivative("thickness", ".json"),
            thickness_figure=figures / scan.derivative("T1w", ".svg", desc="thickness"),
        )


@dataclass(frozen=True)
class PreprocessedT1w:
    """A preprocessed T1w image, cropped to the brain.

    Attributes
    ----------
    files
        Where it comes from, and its transforms.
    whole
        3-D, bias-corrected, before cropping.
    box
        Slices of ``whole`` that give what is cropped.
    t1w
        3-D, bias-corrected.
    mask
        (X, Y, Z) bool.
    posterior
        (3, X, Y, Z) in the order of :data:`commissure.images.anat_files.TISSUES`, 0 outside the
        mask.
    lesion
        (X, Y, Z) bool, a lesion that the engine left out of every tissue; none without one.
    aseg
        (X, Y, Z) int16 structures under FreeSurfer's numbers, 0 outside the brain; none where the
        engine wrote none.
    structure_volumes
        mm³ by the name of the structure's label (``Hippocampus_L``); none likewise.
    skull_stripped
        Whether the engine took the image for a brain without its skull; None where it does not say.
    notes
        What the engine noted for the reader, in the sidecar of the T1w image.
    same_head
        ``SameHead`` of that sidecar: the visit beside the other ones of the person, where the
        engine compared them.
    """

    files: AnatFiles
    whole: nib.Nifti1Image
    box: tuple[slice, slice, slice]
    t1w: nib.Nifti1Image
    mask: np.ndarray
    posterior: np.ndarray
    lesion: np.ndarray | None
    aseg: np.ndarray | None
    structure_volumes: Mapping[str, float]
    skull_stripped: bool | None
    notes: tuple[str, ...]
    same_head: Mapping[str, Any] | None = None

    @property
    def whole_mask(self) -> np.ndarray:
        """The mask on the grid of ``whole``."""
        mask = np.zeros(self.whole.shape, bool)
        mask[self.box] = self.mask
        return mask


def read_preprocessed(scan: Scan, folder: Path) -> PreprocessedT1w:
    """Read a preprocessed T1w image with its tissues, whichever engine wrote it.

    Parameters
    ----------
    scan
        The raw image; only its name is used.
    folder
        Where the derivatives lie.

    Raises
    ------
    DatasetError
        A file is not there or cannot be read.
    QualityError
        The brain mask is empty, or the derivatives do not share one grid.
    """
    files = AnatFiles.in_any_space(scan, folder)
    whole = load_image(files.mask, who=files.who, ndim=3)
    mask = np.asanyarray(whole.dataobj) > 0
    box = bounding_box(mask, pad=2)
    cropped, preproc = {}, whole
    labelled = [path for path in (files.dseg, files.aseg) if path.is_file()]
    for path in (files.preproc, *files.tissues, *labelled):
        image = load_image(path, who=files.who, ndim=3)
        if not same_grid(image, whole):
            raise QualityError(
                files.who,
                found=f"{path.name} has {image.shape} voxels at another place than the "
                f"{whole.shape} of {files.mask.name}",
                wanted="one grid for all anatomical derivatives",
                mend="Run the anatomical engine again",
            )
        preproc = image if path == files.preproc else preproc
        cropped[path] = image.slicer[box]
    t1w = cropped[files.preproc]
    tissues = [np.asanyarray(cropped[path].dataobj) for path in files.tissues]
    dseg, aseg = (
        np.asanyarray(cropped[path].dataobj).astype(np.int16) if path in cropped else None
        for path in (files.dseg, files.aseg)
    )
    lesion = None if dseg is None else dseg == LESION_LABEL
    volumes: dict[str, float] = {}
    if aseg is not None:
        stated = _sidecar(files.aseg, files.who).get("VolumesMm3")
        volumes = stated or label_volumes(aseg, t1w.affine)
    stripped = _sidecar(files.mask, files.who).get("SkullStripped")
    said = _sidecar(files.preproc, files.who)
    return PreprocessedT1w(
        files=files,
        whole=preproc,
        box=box,
        t1w=t1w,
        mask=mask[box],
        posterior=np.stack(tissues) * mask[box],
        lesion=lesion if lesion is not None and lesion.any() else None,
        aseg=aseg,
        structure_volumes=volumes,
        skull_stripped=stripped if isinstance(stripped, bool) else None,
        notes=tuple(said.get("Notes", ())),
        same_head=said.get("SameHead"),
    )


def _sidecar(image: Path, who: str) -> dict:
    path = sidecar_path(image)
    return read_sidecars([path], who=who) if path.exists() else {}
