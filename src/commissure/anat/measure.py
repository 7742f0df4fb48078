"""From anatomical derivatives of any engine to volumes, quality record and figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import nibabel as nib
import numpy as np

from commissure.anat.derivatives import AnatMeasured, PreprocessedT1w, read_preprocessed
from commissure.anat.figures import draw_registration, draw_segmentation, draw_thickness
from commissure.anat.lesion import lesion_mask
from commissure.anat.quality import (
    agent_check,
    flagged,
    image_checks,
    same_head_check,
    skull_check,
    volume_checks,
)
from commissure.anat.settings import AnatMeasureSettings
from commissure.anat.thickness import (
    LARGEST_VOXEL_MM,
    CorticalThickness,
    cortical_thickness,
    implausible,
    thickness_checks,
)
from commissure.anat.volumes import (
    cortex_around,
    cortical_volumes,
    reported_structures,
    structure_volumes,
    template_coordinates,
    tissue_volumes,
    values_at,
)
from commissure.checks import Check, write_quality
from commissure.errors import ConfigError
from commissure.files import write_json
from commissure.images.anat_files import TISSUES
from commissure.images.atlas import desikan_killiany
from commissure.images.atlas import structures as atlas_structures
from commissure.images.atlas_files import chosen_atlas
from commissure.images.figures import save_figure
from commissure.images.load import load_image, save_image, voxel_volume_mm3, zooms_mm
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
        What the study chose.

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
    voxel_ml = voxel_volume_mm3(affine) / 1000
    coordinates = template_coordinates(head.t1w, head.files.from_template)
    volumes = tissue_volumes(head.posterior, affine)
    volumes |= reported_structures(head.structure_volumes)
    volumes |= cortical_volumes(head.posterior, coordinates, affine, head.aseg)
    volumes |= _study_regions(head, coordinates, volumes, settings)
    drawn = lesion_mask(scan, head.whole)
    lesion = head.lesion if drawn is None else drawn[head.box]
    if lesion is not None:
        left_out = np.clip(1 - head.posterior.sum(axis=0)[lesion], 0, 1)
        volumes["TIV"] += 1000 * voxel_ml * float(left_out.sum())
    raw = None
    if scan.path.exists():
        raw = load_image(scan.path, who=scan.who, ndim=3, nan_around=True)
    checks = [
        *volume_checks(volumes),
        *image_checks(head, coordinates, raw, None if drawn is None else lesion),
        agent_check(scan),
        skull_check(raw, head.skull_stripped),
        *same_head_check(head.same_head),
        _lesion_check(lesion, voxel_ml, drawn=drawn is not None),
    ]
    thickness = _thickness(head, coordinates) if settings.thickness else None
    if thickness is not None:
        checks += thickness_checks(thickness)
        _write_thickness(scan, head, thickness, files)
    touched = frozenset() if lesion is None else structures_at(coordinates[lesion])
    by_region = {} if thickness is None else thickness.regions
    rows = marker_rows(scan, volumes, checks, thickness=by_region, touched=touched)
    write_markers(rows, files.markers)
    write_quality(
        checks,
        files.quality,
        notes=[*_notes(head, settings), *head.notes],
        space=head.files.template,
        atlas=desikan_killiany().name,
        voxel_mm=[round(size, 4) for size in zooms_mm(affine)],
        volumes_ml={name: round(value / 1000, 4) for name, value in volumes.items()},
    )
    title = f"{scan.label}: brain, tissues and structures"
    shown = _shown_structures(head, coordinates) | ({} if lesion is None else {"lesion": lesion})
    whole = {name: _on_whole(values, head) for name, values in shown.items()}
    white = _on_whole(head.posterior[1], head)
    figure = draw_segmentation(head.whole, head.whole_mask, white, whole, title=title)
    save_figure(figure, files.tissues_figure)
    figure = draw_registration(
        _in_template(head.mask, head),
        _in_template(head.posterior[1], head),
        title=f"{scan.label}: in {head.files.template}",
    )
    save_figure(figure, files.registration_figure)


def _study_regions(
    head: PreprocessedT1w,
    coordinates: np.ndarray,
    volumes: Mapping[str, float],
    settings: AnatMeasureSettings,
) -> dict[str, float]:
    """Volumes in mm³ of the regions of a study's own atlas; none where it has none."""
    if not settings.atlas.image:
        return {}
    atlas = chosen_atlas(settings.atlas, desikan_killiany(), key="anat.atlas")
    measured = structure_volumes(head.posterior, coordinates, head.t1w.affine, atlas)
    if taken := sorted(set(measured) & set(volumes)):
        raise ConfigError(
            "anat.atlas",
            found=f"{settings.atlas.labels} names {', '.join(taken[:5])}, as the program does",
            wanted="names that no structure or region of the program has",
            mend="Rename them in the table, as with a prefix of the atlas",
        )
    return measured


def marker_rows(
    scan: Scan,
    volumes: Mapping[str, float],
    checks: Sequence[Check],
    *,
    thickness: Mapping[str, float] = MappingProxyType({}),
    touched: Collection[str] = (),
) -> list[Marker]:
    """Marker rows of the volumes, and head size as a confound; what a lesion touches is flagged."""

    def row(region: str, marker: str, value: float, unit: str = "mm3") -> Marker:
        doubt = marker == "thickness" and implausible(checks)
        return Marker.of(
            scan,
            "anat",
            region=region,
            marker=marker,
            value=value,
            unit=unit,
            flagged=doubt or region in touched or flagged(checks, region),
        )

    return [
        *(row(region, "volume", value) for region, value in volumes.items()),
        *(row(region, "thickness", value, "mm") for region, value in thickness.items()),
        row("head", "tiv", volumes["TIV"]),
    ]


def _thickness(head: PreprocessedT1w, coordinates: np.ndarray) -> CorticalThickness | None:
    affine = head.t1w.affine
    if max(zooms_mm(affine)) > LARGEST_VOXEL_MM:
        return None
    t1w = np.asanyarray(head.t1w.dataobj, dtype=np.float32)
    return cortical_thickness(t1w, head.posterior, head.aseg, affine, coordinates)


def _write_thickness(
    scan: Scan, head: PreprocessedT1w, thickness: CorticalThickness, files: AnatMeasured
) -> None:
    save_image(_on_whole(thickness.image, head), head.whole.affine, files.thickness)
    write_json(
        {
            "Description": "Thickness of the cortex at each of its voxels, 0 elsewhere",
            "Units": "mm",
            "Sources": [path.name for path in (head.files.preproc, *head.files.tissues)],
            "SpatialReference": head.files.preproc.name,
        },
        files.thickness_sidecar,
    )
    t1w = np.asanyarray(head.t1w.dataobj, dtype=np.float32) * head.mask
    image = nib.Nifti1Image(t1w, head.t1w.affine)
    figure = draw_thickness(image, thickness.image, title=f"{scan.label}: thickness of the cortex")
    save_figure(figure, files.thickness_figure)


def _notes(head: PreprocessedT1w, settings: AnatMeasureSettings) -> list[str]:
    notes = []
    if settings.thickness and max(zooms_mm(head.t1w.affine)) > LARGEST_VOXEL_MM:
        notes.append(
            f"The thickness of the cortex was not measured: voxels are larger than "
            f"{LARGEST_VOXEL_MM:g} mm."
        )
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
    if settings.atlas.image:
        atlas = chosen_atlas(settings.atlas, desikan_killiany(), key="anat.atlas")
        if atlas.space != space:
            notes.append(
                f"The atlas {atlas.name} ({atlas.space}) is read in {space} by millimetres "
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


def structures_at(places: np.ndarray) -> frozenset[str]:
    """Tissues and structures that a lesion takes part of.

    Parameters
    ----------
    places
        (N, 3) template mm of its voxels.
    """
    touched: set[str] = set(TISSUES)
    for atlas in (cortex_around(), atlas_structures()):
        inside = set(np.unique(values_at(atlas.image, places)))
        regions = atlas.groups("structure") | atlas.groups("name")
        touched |= {name for name, labels in regions.items() if inside & {*labels}}
    return frozenset(touched)


def _lesion_check(lesion: np.ndarray | None, voxel_ml: float, *, drawn: bool) -> Check:
    if lesion is None:
        return Check("lesion_ml", None)
    by = "as drawn" if drawn else "found by the engine, drawn by nobody"
    return Check("lesion_ml", float(lesion.sum()) * voxel_ml, note=f"{by}; in no tissue")


def _on_whole(values: np.ndarray, head: PreprocessedT1w) -> np.ndarray:
    whole = np.zeros(head.whole.shape, np.float32)
    whole[head.box] = values
    return whole


def _in_template(values: np.ndarray, head: PreprocessedT1w) -> nib.Nifti1Image:
    target = template("T1w", resolution_mm=1.5)
    image = nib.Nifti1Image(np.asarray(values, np.float32), head.t1w.affine)
    return apply_transform(image, target, [head.files.to_template])
