"""From anatomical derivatives of any engine to volumes, quality record and figures."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.anat.figures import draw_registration, draw_segmentation
from commissure.anat.quality import checks, components, contrast_to_noise, flagged, template_fit
from commissure.anat.settings import AnatMeasureSettings
from commissure.anat.volumes import (
    looked_up,
    structure_volumes,
    template_coordinates,
    tissue_volumes,
)
from commissure.checks import write_quality
from commissure.errors import QualityError
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import jhu189
from commissure.images.figures import save_figure
from commissure.images.grid import bounding_box
from commissure.images.load import load_image, same_grid
from commissure.images.registration import apply_transform
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Structures that are outlined in the figure, both sides together.
SHOWN = ("Hippocampus", "SFG", "LateralVentricle")

#: Template spaces that engines use, the built-in's first.
SPACES = (TEMPLATE, "MNI152NLin2009cAsym", "MNI152NLin6Asym")


def measure(scan: Scan, folder: Path, *, settings: AnatMeasureSettings) -> None:
    """Write volumes, quality record and figures of one T1w image.

    Parameters
    ----------
    scan
        The T1w image.
    folder
        The person's ``anat/``, with the derivatives of whichever engine.
    settings
        What the study chose.

    Raises
    ------
    DatasetError
        A derivative is not there or cannot be read.
    QualityError
        The brain mask is empty, or the derivatives do not share one grid.
    """
    files = derivatives(scan, folder)
    t1w, mask, posterior = _brain(files)
    coordinates = template_coordinates(t1w, files.from_template)
    atlas = jhu189()
    affine = t1w.affine
    volumes = tissue_volumes(posterior, affine)
    volumes |= structure_volumes(posterior, coordinates, affine, atlas)
    data = np.asanyarray(t1w.dataobj)
    found = checks(
        volumes,
        template_fit(data, mask, coordinates, affine),
        cnr=contrast_to_noise(data, posterior),
        mask_components=components(mask, affine),
    )
    write_markers(rows(scan, volumes, found), folder / scan.derivative("markers", ".tsv"))
    write_quality(
        found,
        folder / scan.derivative("qc", ".json"),
        notes=_notes(files.template),
        space=files.template,
        atlas=atlas.name,
        voxel_mm=[round(float(v), 4) for v in np.sqrt((affine[:3, :3] ** 2).sum(axis=0))],
        volumes_ml={name: round(value / 1000, 4) for name, value in volumes.items()},
    )
    _write_figures(scan, folder, files, t1w, mask, posterior, coordinates)


def derivatives(scan: Scan, folder: Path) -> AnatFiles:
    """The derivatives of whichever engine: of its template spaces, the first that is complete."""
    candidates = [AnatFiles.of(scan, folder, template=space) for space in SPACES]
    return next((files for files in candidates if files.complete()), candidates[0])


def rows(scan: Scan, volumes: dict[str, float], found: list) -> list[Marker]:
    """Marker rows of the volumes, and head size as a confound."""
    who = f"sub-{scan.entities['sub']}"
    session = f"ses-{scan.entities['ses']}" if scan.entities.get("ses") else ""

    def row(region: str, marker: str, value: float) -> Marker:
        quality = "flag" if flagged(found, region) else "ok"
        return Marker(who, session, "anat", region, marker, value, "mm3", quality)  # type: ignore[arg-type]

    return [
        *(row(region, "volume", value) for region, value in volumes.items()),
        row("head", "tiv", volumes["TIV"]),
    ]


def _brain(files: AnatFiles) -> tuple[nib.Nifti1Image, np.ndarray, np.ndarray]:
    """T1w, mask and posteriors (3, X, Y, Z), cropped to the brain."""
    whole = load_image(files.mask, who=files.who, ndim=3)
    mask = np.asanyarray(whole.dataobj) > 0
    box = bounding_box(mask, pad=2)
    parts = []
    for path in (files.preproc, files.gm, files.wm, files.csf):
        image = load_image(path, who=files.who, ndim=3)
        if not same_grid(image, whole):
            raise QualityError(
                files.who,
                found=f"{path.name} has {image.shape} voxels at another place than the "
                f"{whole.shape} of {files.mask.name}",
                wanted="one grid for all anatomical derivatives",
                mend="Run the anatomical engine again",
            )
        parts.append(image.slicer[box])
    t1w, *tissues = parts
    posterior = np.stack([np.asanyarray(part.dataobj) for part in tissues])
    return t1w, mask[box], posterior * mask[box]


def _notes(space: str) -> list[str]:
    notes = [
        "The JHU-MNI atlas names no exact MNI template; its millimetres are taken as they are "
        "(approximate)."
    ]
    if space != TEMPLATE:
        notes.append(f"The engine registered to {space}; the atlas is read there by millimetres.")
    return notes


def _write_figures(
    scan: Scan,
    folder: Path,
    files: AnatFiles,
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    posterior: np.ndarray,
    coordinates: np.ndarray,
) -> None:
    label = looked_up(jhu189().image, coordinates)
    groups = jhu189().groups("structure")
    structures = {}
    for name in SHOWN:
        tissue = posterior[2] if name == "LateralVentricle" else 1 - posterior[2]
        inside = np.isin(label, groups[f"{name}_L"] + groups[f"{name}_R"])
        structures[name] = inside * tissue
    folder = folder / "figures"
    figure = draw_segmentation(
        t1w, mask, posterior[1], structures, title=f"{scan.label}: brain, tissues and structures"
    )
    save_figure(figure, folder / scan.derivative("T1w", ".svg", desc="tissues"))
    brain = nib.Nifti1Image(np.where(mask, np.asanyarray(t1w.dataobj), 0), t1w.affine)
    target = template("T1w", resolution_mm=1.5)
    moved = apply_transform(brain, target, [files.to_template])
    figure = draw_registration(moved, title=f"{scan.label}: in {files.template}")
    save_figure(figure, folder / scan.derivative("T1w", ".svg", desc="registration"))
