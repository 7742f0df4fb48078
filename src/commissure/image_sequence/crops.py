"""Cubes around the lesions of a person at every visit, all in the space of the baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.image_sequence.settings import SequenceSettings
from commissure.images.grid import coarser, resample_to
from commissure.images.load import load_labels
from commissure.lesion.derivatives import LesionFiles
from commissure.lesion.marked_image import image_of, image_suffix, marked_image
from commissure.lesion.network.prepared_images import prepared_image
from commissure.lesion.network.settings import NetworkShape
from commissure.lesion.patient_files import ReadVisit, read_patient
from commissure.names import Scan

#: What a voxel holds: the image, and how far lesions fill it.
IMAGE, LESION = 0, 1


@dataclass(frozen=True)
class VisitSequence:
    """A person as the network sees them.

    Attributes
    ----------
    participant_id
        Who.
    sessions
        The visits, the earliest first; one at least.
    days
        (visits,) days since the baseline of the lesions; NaN where they are not known.
    cubes
        (visits, lesions, 2, edge, edge, edge) float32: the image, NaN beyond it, and the share of
        a voxel that lesions fill. The cubes of a lesion lie in one place at all visits.
    lesions
        Labels of these lesions at the first of the visits, the largest first.
    """

    participant_id: str
    sessions: tuple[str, ...]
    days: np.ndarray
    cubes: np.ndarray
    lesions: tuple[int, ...]


def read_sequence(
    masks: Sequence[Scan], sessions: Sequence[str], folder: Path, settings: SequenceSettings
) -> VisitSequence:
    """Cut the cubes of a person out of the images of their visits.

    The image of a visit is sampled once, through its map to the baseline.

    Parameters
    ----------
    masks
        Of all visits, as the workflow took them.
    sessions
        The visits that are looked at.
    folder
        The output folder of the run.
    settings
        How large the cubes are, and of how many lesions.

    Raises
    ------
    DatasetError
        An image is not there or cannot be read, what the workflow made of it is gone, or there is
        no lesion at the first of the visits.
    """
    person = folder / masks[0].participant_id
    scans = [scan for scan in masks if LesionFiles.of(scan, _place(person, scan)).complete()]
    wanted = [scan for scan in scans if scan.session in sessions]
    if not wanted:
        raise DatasetError(
            masks[0].participant_id, found="their lesions are not in the output folder",
            wanted="what the workflow wrote", mend="Run the workflow again",
        )  # fmt: skip
    read = read_patient(scans, wanted[0], _place(person, wanted[0]))
    visits = [visit for visit in read.visits if visit.scan.session in sessions]
    first = visits[0]
    largest = sorted(first.mask.lesions, key=lambda lesion: (-lesion.volume_ml, lesion.label))
    chosen = largest[: settings.lesions]
    if not chosen:
        raise DatasetError(
            first.scan.who, found="no lesion at the first of the visits",
            wanted="a lesion to look at",
        )  # fmt: skip
    to_baseline = np.linalg.inv(first.matrix)
    centres = [nib.affines.apply_affine(to_baseline, lesion.centroid_mm) for lesion in chosen]
    cubes = np.stack([_cubes(visit, _place(person, visit.scan), centres, settings)
                      for visit in visits])  # fmt: skip
    days = [np.nan if visit.record.day is None else visit.record.day for visit in visits]
    return VisitSequence(
        masks[0].participant_id, tuple(visit.scan.session for visit in visits),
        np.array(days, float), cubes, tuple(lesion.label for lesion in chosen),
    )  # fmt: skip


def sequence_digest(sequence: VisitSequence) -> str:
    """SHA-256 of what the network sees of a person."""
    digest = hashlib.sha256(sequence.participant_id.encode())
    digest.update("\t".join(sequence.sessions).encode())
    digest.update(sequence.days.tobytes())
    digest.update(sequence.cubes.tobytes())
    return digest.hexdigest()


def _place(person: Path, scan: Scan) -> Path:
    return person / scan.session / "lesion"


def _cubes(
    visit: ReadVisit, place: Path, centres: Sequence[np.ndarray], settings: SequenceSettings
) -> np.ndarray:
    """(lesions, 2, edge, edge, edge) of one visit."""
    scan, edge = visit.scan, settings.edge
    if not image_of(scan).is_file():
        raise DatasetError(
            scan.who, found=f"{image_of(scan).name} is not in the dataset",
            wanted="the image in which the lesions were marked", mend="Give its folder as --bids",
        )  # fmt: skip
    suffix = image_suffix(scan)
    shape = NetworkShape.model_validate({"image": suffix, "voxel_mm": settings.voxel_mm})
    image = prepared_image(marked_image(scan), shape, who=scan.who)
    labels = load_labels(LesionFiles.of(scan, place).labels, who=scan.who)
    filled = coarser(
        nib.Nifti1Image((np.asanyarray(labels.dataobj) > 0).astype(np.float32), labels.affine),
        settings.voxel_mm,
    )
    back = np.linalg.inv(visit.matrix)
    seen = nib.Nifti1Image(image.data, back @ image.affine)
    reached = nib.Nifti1Image(np.ones(image.data.shape, np.float32), back @ image.affine)
    marked = nib.Nifti1Image(np.asanyarray(filled.dataobj), back @ filled.affine)
    cubes = np.empty((len(centres), 2, edge, edge, edge), np.float32)
    for cube, centre in zip(cubes, centres, strict=True):
        affine = np.diag([settings.voxel_mm] * 3 + [1.0])
        affine[:3, 3] = centre - settings.voxel_mm * (edge - 1) / 2
        size = (edge, edge, edge)
        cube[IMAGE] = resample_to(seen, size, affine)
        cube[IMAGE][resample_to(reached, size, affine, order=0) < 1] = np.nan
        cube[LESION] = resample_to(marked, size, affine)
    return cubes
