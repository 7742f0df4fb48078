"""The built-in engine: lesions of a visit numbered, and brought into the space of the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np

from commissure.files import write_json
from commissure.images.header import header_notes
from commissure.images.load import load_labels, save_image
from commissure.lesion.alignment import covered, in_baseline_space, likeness, moved_labels
from commissure.lesion.derivatives import LesionFiles
from commissure.lesion.marked_image import image_suffix, marked_image, windowed
from commissure.lesion.masks import checked_labels
from commissure.lesion.network.card import network_sources
from commissure.lesion.network.segment import marked_by, marking_record, network_of
from commissure.lesion.settings import LesionPreprocessSettings
from commissure.lesion.visits import visits_in_order
from commissure.names import Scan

#: Correlation with the image of the baseline below which registration is doubted. Two visits of a
#: head, 203 days apart, have 0.99; turned by 45 degrees 0.57, mirrored 0.25; other bodies 0.0.
LIKENESS_MIN = 0.6


def preprocess(
    scan: Scan,
    folder: Path,
    *,
    settings: LesionPreprocessSettings,
    visits: Sequence[Scan] = (),
) -> None:
    """Write the lesions of one visit on its own grid and on that of the baseline.

    Parameters
    ----------
    scan
        The mask of the visit, or the image in which a network marks lesions.
    folder
        The visit's ``lesion/`` below the output directory.
    settings
        What the study chose.
    visits
        The same of all visits of the person, this one among them.

    Raises
    ------
    DatasetError
        There is no image that belongs to a mask, an image or mask cannot be read, the mask lies on
        another grid, CT is not in Hounsfield units, or as
        :func:`commissure.lesion.visits.visits_in_order`.
    """
    files = LesionFiles.of(scan, folder)
    baseline = visits_in_order(visits or (scan,)).baseline
    image = marked_image(scan)
    labels, flags, network = _labels(scan, image, files, settings)
    reference, matrix, kind = image, np.eye(4), "none"
    there, alike = labels, 1.0
    if baseline.path != scan.path:
        reference = marked_image(baseline)
        kind = _kind(settings.registration, image_suffix(scan))
        fixed = windowed(reference, image_suffix(baseline))
        moving = windowed(image, image_suffix(scan))
        if kind == "none":
            there = moved_labels(reference, image.affine, labels, matrix)
        else:
            there, matrix = in_baseline_space(fixed, moving, labels, kind=kind)
        alike = likeness(fixed, moving, matrix)
        if not alike >= LIKENESS_MIN:
            flags.append(
                f"the image and that of the baseline correlate by {alike:.2f} only: registration "
                "failed, or they are of two bodies"
            )
    save_image(labels, image.affine, files.labels)
    save_image(there, reference.affine, files.in_baseline)
    save_image(covered(reference, image, matrix), reference.affine, files.covered)
    write_json(
        {
            "Sources": list(dict.fromkeys((scan.path.name, scan.associated["image"].name))),
            "Description": "Lesions by their numbers",
            "Image": image_suffix(scan),
            "Baseline": baseline.session,
            "Registration": kind,
            "Correlation": round(alike, 4) if np.isfinite(alike) else None,
            "Matrix": matrix.tolist(),
            "Parameters": settings.model_dump(),
            "Flags": flags,
            **({"Network": network} if network else {}),
            "Notes": header_notes(image),
        },
        files.sidecar,
    )


def _labels(
    scan: Scan, image: nib.Nifti1Image, files: LesionFiles, settings: LesionPreprocessSettings
) -> tuple[np.ndarray, list[str], dict[str, Any]]:
    """Lesions by their numbers, doubts, and by which network they were marked, if any."""
    if settings.masks == "given":
        mask = load_labels(scan.path, who=scan.who)
        return *checked_labels(mask, who=scan.who, reference=image), {}
    network = network_of(settings.masks, network_sources(scan, settings))
    marked = marked_by(network, image, floor_mm3=settings.least_volume_mm3, who=scan.who)
    save_image(marked.probability, image.affine, files.probability)
    save_image(marked.entropy, image.affine, files.entropy)
    none = [] if marked.lesions else ["the network marks no lesion at this visit"]
    return marked.labels, none, marking_record(network, marked)


def _kind(
    registration: Literal["auto", "rigid", "affine", "none"], suffix: str
) -> Literal["rigid", "affine", "none"]:
    if registration == "auto":
        return "affine" if suffix == "ct" else "rigid"
    return registration
