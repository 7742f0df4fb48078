"""The built-in engine: from a T1w image to brain, tissues and the way to the template.

The brain is registered to the template twice, coarsely inside a mask that is too wide, then inside
the template's own; the registered template says which tissue to expect where.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.anat.builtin.deep import extraction_record
from commissure.anat.builtin.head import ReadiedHead, readied_head
from commissure.anat.builtin.repeats import VisitInTemplate, laid_together
from commissure.anat.builtin.segmentation import SegmentedHead, segmented
from commissure.anat.builtin.structures import SegmentedStructures, segment_structures
from commissure.anat.builtin.tissue_labels import CSF_LABEL
from commissure.anat.settings import AnatPreprocessSettings, chosen_extraction
from commissure.anat.skull import foreground_litres
from commissure.anat.unexpected import lesion_by_place
from commissure.anat.volumes import label_volumes
from commissure.files import atomic, write_json
from commissure.images.anat_files import LESION_LABEL, TISSUES, AnatFiles
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, resample_to
from commissure.images.header import header_notes
from commissure.images.load import same_grid, save_image, voxel_volume_mm3
from commissure.images.template import TEMPLATE
from commissure.names import Scan, sidecar_path


def preprocess(
    scan: Scan,
    folder: Path,
    *,
    settings: AnatPreprocessSettings,
    visits: Sequence[Scan] = (),
) -> None:
    """Write the anatomical derivatives of one T1w image, all on its own grid.

    Parameters
    ----------
    scan
        The T1w image.
    folder
        The person's ``anat/`` below the output directory.
    settings
        What the study chose.
    visits
        The T1w images of all visits of the person, this one among them, where
        ``settings.longitudinal`` asks for their template.

    Raises
    ------
    DatasetError
        The image is not there, cannot be read, is not three-dimensional, holds NaN, or cannot
        hold a brain.
    """
    head = readied_head(scan, settings=settings)
    files = AnatFiles.of(scan, folder)
    repeats, template = None, None
    if settings.longitudinal and len(visits) > 1:
        repeats = laid_together(visits, settings=settings)
        template = repeats.visit(scan)
    with atomic(files.to_template) as forward, atomic(files.from_template) as inverse:
        segment = partial(
            _segmented,
            settings=settings,
            to_template=forward,
            from_template=inverse,
            template=template,
        )
        found = segment(head)
        lesion = None if head.lesion is not None else undrawn_lesion(head, found)
        if lesion is not None:
            millilitres = float(lesion.sum()) * voxel_volume_mm3(head.image.affine) / 1000
            head = head.without(
                lesion,
                finest_mm=settings.segmentation_resolution_mm,
                note=f"{millilitres:.1f} mL of tissue contradict their place, and no "
                "label-lesion_roi marks them: filled before segmentation, in no tissue.",
            )
            found = segment(head)
    notes = [*header_notes(head.image), *head.notes]
    if repeats:
        notes += repeats.notes(scan, visits)
    method = {
        "Sources": [_source(scan)],
        "SkullStripped": head.stripped,
        "BrainExtraction": extraction_record(
            chosen_extraction(settings.brain_extraction), stripped=head.stripped
        ),
        "ForegroundLitres": round(foreground_litres(head.image), 3),
        "Parameters": settings.model_dump(),
        "Notes": notes,
    }
    if repeats:
        method |= repeats.record(scan, {visit.path.name: _source(visit) for visit in visits})
    for path in (files.to_template, files.from_template):
        _write_sidecar(
            path,
            {
                **method,
                **found.warp.sidecar(),
                "Description": "ITK composite of an affine map and a diffeomorphic warp by local "
                "correlation",
                "Template": TEMPLATE,
            },
        )
    write_images(found, head, files, method, template=template)


def _segmented(
    head: ReadiedHead,
    *,
    settings: AnatPreprocessSettings,
    to_template: Path,
    from_template: Path,
    template: VisitInTemplate | None,
) -> SegmentedHead:
    """A head segmented by itself, or in the template of the person's visits."""
    ways = {"to_template": to_template, "from_template": from_template}
    if template is not None:
        return template.head(head.work, settings=settings, **ways)
    return segmented(head.work, stripped=head.stripped, settings=settings, **ways)


def undrawn_lesion(head: ReadiedHead, found: SegmentedHead) -> np.ndarray | None:
    """Tissue that contradicts its place, (X, Y, Z) bool on the image's own grid; None without any.

    Left in, it would be grey matter or a structure, and the warp would draw its neighbours to it.
    """
    work, box = head.work, bounding_box(found.mask, pad=2)
    part = work.slicer[box]
    light = resample_to(found.brightness, part.shape, part.affine, outside="edge")
    flat = nib.Nifti1Image(np.asanyarray(part.dataobj) / light, part.affine)
    to_template = np.linalg.inv(found.warp.warp.to_moving) @ part.affine
    shares = found.tissues.posterior[(slice(None), *box)]
    place = lesion_by_place(flat, found.mask[box], shares, to_template)
    if place is None:
        return None
    return resample_to(place, head.image.shape, head.image.affine) > 0.5


def write_images(
    found: SegmentedHead,
    head: ReadiedHead,
    files: AnatFiles,
    method: dict,
    *,
    template: VisitInTemplate | None = None,
) -> None:
    """Write T1w, mask, tissues and probabilities on the image's own grid, with sidecars.

    A lesion is part of the brain and none of its tissues; the structures are those of the image
    in which it is filled, or those of the ``template`` of the person's visits.
    """
    image, work, lesion = head.image, head.work, head.lesion
    native, affine = image.shape, image.affine
    light = resample_to(found.brightness, native, affine, outside="edge")
    corrected = nib.Nifti1Image(np.asanyarray(image.dataobj) / light, affine)
    save_image(np.asanyarray(corrected.dataobj), affine, files.preproc)
    if head.filled is not image:
        corrected = nib.Nifti1Image(np.asanyarray(head.filled.dataobj) / light, affine)
    del light
    mask, posterior = found.mask, found.tissues.posterior
    as_acquired = same_grid(work, image)
    if not as_acquired:
        rough = nib.Nifti1Image(mask.astype(np.float32), work.affine)
        mask = resample_to(rough, native, affine) > 0.5
    box = bounding_box(mask, pad=2)
    part, inside = image.slicer[box], mask[box]
    if as_acquired:
        shares = posterior[(slice(None), *box)]
    else:
        shares = _normalised(posterior, work.affine, part, inside)
    if lesion is not None:
        mask, inside = mask | lesion, inside & ~lesion[box]
        shares = shares * inside
    save_image(mask, affine, files.mask)
    tissue = _placed(np.where(inside, 1 + shares.argmax(axis=0), 0), box, native)
    if lesion is not None:
        tissue[lesion] = LESION_LABEL
    save_image(tissue, affine, files.dseg)
    for share, path in zip(shares, files.tissues, strict=True):
        save_image(_placed(share, box, native), affine, path)
    tissues = found.tissues
    method = {**method, "SpatialReference": _source_name(method), "Resolution": "native"}
    _write_sidecar(
        files.preproc,
        {
            **method,
            "Description": "T1w over the smooth brightness found by N4 and with the tissues",
        },
    )
    _write_sidecar(files.mask, {**method, "Type": "Brain"})
    learnt = {
        "Tissues": list(TISSUES),
        "Mean": tissues.mean.tolist(),
        "SD": tissues.sd.tolist(),
        "Iterations": tissues.iterations,
    }
    labels = {str(n): name for n, name in enumerate(TISSUES, 1)} | {str(LESION_LABEL): "lesion"}
    _write_sidecar(files.dseg, {**method, **learnt, "Labels": labels})
    for path in files.tissues:
        _write_sidecar(path, {**method, **learnt})
    if template is None:
        whole = _placed_shares(shares, box, native)
        parts = segment_structures(corrected, mask, whole, files.from_template)
    else:
        parts = template.structures(mask, affine)
    write_structures(parts, affine, files, method, lesion=lesion)


def write_structures(
    found: SegmentedStructures,
    affine: np.ndarray,
    files: AnatFiles,
    method: dict,
    *,
    lesion: np.ndarray | None = None,
) -> None:
    """Write the structures of a head on its own grid, with their volumes in the sidecar.

    Parameters
    ----------
    found
        On the T1w's grid.
    affine
        4x4 of that grid.
    files
        Where it goes.
    method
        What every sidecar says.
    lesion
        (X, Y, Z) bool, taken out of the structures.
    """
    labels, volumes = found.labels, dict(found.volumes_mm3)
    if lesion is not None:
        lost = label_volumes(np.where(lesion, labels, 0), affine)
        volumes = {name: max(0.0, v - lost.get(name, 0.0)) for name, v in volumes.items()}
        labels = np.where(lesion, 0, labels).astype(labels.dtype)
    save_image(labels, affine, files.aseg)
    table = structures().labels
    description = (
        "Structures under FreeSurfer's numbers: the template's segmentation, softened and carried "
        "by the warp, decided by intensities and neighbours"
    )
    if "WithinPersonTemplate" in method:
        description += "; so in the template of the person's visits, and moved to this visit"
    _write_sidecar(
        files.aseg,
        {
            **method,
            "Description": description,
            "Atlas": structures().name,
            "Labels": {
                str(number): name
                for number, name in zip(table["index"], table["freesurfer"], strict=True)
            }
            | {str(CSF_LABEL): "CSF"},
            "VolumesMm3": {name: round(v, 3) for name, v in volumes.items()},
            "Mean": {name: round(v, 6) for name, v in found.appearance.mean.items()},
            "SD": {name: round(v, 6) for name, v in found.appearance.sd.items()},
        },
    )


def _normalised(
    posterior: np.ndarray, affine: np.ndarray, part: nib.Nifti1Image, inside: np.ndarray
) -> np.ndarray:
    """Tissue shares on another grid, summing to 1 inside the mask and 0 outside."""
    shares = np.stack(
        [resample_to(nib.Nifti1Image(p, affine), part.shape, part.affine) for p in posterior]
    )
    total = shares.sum(axis=0)
    shares[2][total <= 0] = 1
    shares /= np.where(total > 0, total, 1)
    return shares * inside


def _placed(values: np.ndarray, box: Sequence[slice], shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape, values.dtype)
    whole[tuple(box)] = values
    return whole


def _placed_shares(shares: np.ndarray, box: Sequence[slice], shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros((len(shares), *shape), np.float32)
    whole[(slice(None), *box)] = shares
    return whole


def _source(scan: Scan) -> str:
    """BIDS URI of the image in the raw dataset."""
    folders = [f"{k}-{scan.entities[k]}" for k in ("sub", "ses") if scan.entities.get(k)]
    return "bids:raw:" + "/".join([*folders, "anat", scan.path.name])


def _source_name(method: dict) -> str:
    return method["Sources"][0]


def _write_sidecar(path: Path, content: dict) -> None:
    write_json(content, sidecar_path(path))
