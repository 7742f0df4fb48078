"""From anatomical derivatives of any engine to volumes, quality record and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.anat.derivatives import AnatMeasured, PreprocessedT1w, read_preprocessed
from commissure.anat.figures import draw_registration, draw_segmentation
from commissure.anat.quality import agent_check, flagged, image_checks, volume_checks
from commissure.anat.settings import AnatMeasureSettings
from commissure.anat.volumes import (
    cortex_around,
    cortical_volumes,
    reported_structures,
    template_coordinates,
    tissue_volumes,
    values_at,
)
from commissure.checks import Check, write_quality
from commissure.images.atlas import desikan_killiany
from commissure.images.atlas import structures as atlas_structures
from commissure.images.figures import save_figure
from commissure.images.load import load_image, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Structures that are outlined in the figure, both sides together.
SHOWN = ("Hippocampus", "SFG", "LateralVentricle")


def measure(scan: Scan, folder: Path, *, settings: AnatMeasureSettings) -> None:
    """Write volumes, quality record and figures of one T1w image.

    Parameters
    ----------
    scan
        The T1w image.
    folder
        The person's ``anat/``, with the derivatives of whichever engine.
    settings
        What the study chose; measuring has no options.

    Raises
    ------
    DatasetError
        A derivative is not there or cannot be read.
    QualityError
        The brain mask is empty, or the derivatives do not share one grid.
    """
    head = read_preprocessed(scan, folder)
    files = AnatMeasured.of(scan, folder)
    affine = head.t1w.affine
    coordinates = template_coordinates(head.t1w, head.files.from_template)
    volumes = tissue_volumes(head.posterior, affine)
    volumes |= reported_structures(head.structure_volumes)
    volumes |= cortical_volumes(head.posterior, coordinates, affine, head.aseg)
    raw = load_image(scan.path, who=scan.who, ndim=3) if scan.path.exists() else None
    checks = [
        *volume_checks(volumes),
        *image_checks(head, coordinates, raw),
        agent_check(scan),
    ]
    write_markers(marker_rows(scan, volumes, checks), files.markers)
    write_quality(
        checks,
        files.quality,
        notes=[*_notes(head), *head.notes],
        space=head.files.template,
        atlas=desikan_killiany().name,
        voxel_mm=[round(size, 4) for size in zooms_mm(affine)],
        volumes_ml={name: round(value / 1000, 4) for name, value in volumes.items()},
    )
    title = f"{scan.label}: brain, tissues and structures"
    structures = _shown_structures(head, coordinates)
    figure = draw_segmentation(head.t1w, head.mask, head.posterior[1], structures, title=title)
    save_figure(figure, files.tissues_figure)
    figure = draw_registration(
        _brain_in_template(head), title=f"{scan.label}: in {head.files.template}"
    )
    save_figure(figure, files.registration_figure)


def marker_rows(scan: Scan, volumes: Mapping[str, float], checks: Sequence[Check]) -> list[Marker]:
    """Marker rows of the volumes, and head size as a confound."""

    def row(region: str, marker: str, value: float) -> Marker:
        return Marker.of(
            scan,
            "anat",
            region=region,
            marker=marker,
            value=value,
            unit="mm3",
            flagged=flagged(checks, region),
        )

    return [
        *(row(region, "volume", value) for region, value in volumes.items()),
        row("head", "tiv", volumes["TIV"]),
    ]


def _notes(head: PreprocessedT1w) -> list[str]:
    notes = []
    space = head.files.template
    if head.aseg is None:
        notes.append(
            f"The engine wrote no {head.files.aseg.name}: deep grey matter and ventricles have no "
            "volumes."
        )
    if space != TEMPLATE:
        notes.append(
            f"The engine registered to {space}; the cortical atlas is read there by millimetres "
            "(approximate)."
        )
    return notes


def _shown_structures(head: PreprocessedT1w, coordinates: np.ndarray) -> dict[str, np.ndarray]:
    """Where the structures of the figure are, by their name."""
    cortex = cortex_around()
    region = values_at(cortex.image, coordinates)
    regions, parts = cortex.groups("structure"), atlas_structures().groups("structure")
    shown = {}
    for name in SHOWN:
        sides = [f"{name}_L", f"{name}_R"]
        if sides[0] in regions:
            numbers = [number for side in sides for number in regions[side]]
            shown[name] = np.isin(region, numbers) * head.posterior[0]
        elif head.aseg is not None:
            shown[name] = np.isin(head.aseg, [n for side in sides for n in parts[side]])
    return shown


def _brain_in_template(head: PreprocessedT1w) -> nib.Nifti1Image:
    brain = np.where(head.mask, np.asanyarray(head.t1w.dataobj), 0)
    target = template("T1w", resolution_mm=1.5)
    image = nib.Nifti1Image(brain, head.t1w.affine)
    return apply_transform(image, target, [head.files.to_template])
