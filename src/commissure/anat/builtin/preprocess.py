"""The built-in engine: from a T1w image to brain, tissues and the way to the template.

The brain is registered to the template twice, coarsely inside a mask that is too wide, then inside
the template's own; the registered template says which tissue to expect where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from commissure.anat.builtin.brain import (
    check_head,
    coil_brightness,
    extract_brain,
    foreground_litres,
    is_stripped,
    stripped_notes,
)
from commissure.anat.builtin.deep import extraction_record
from commissure.anat.builtin.mp2rage import without_noise
from commissure.anat.builtin.structures import segment_structures
from commissure.anat.builtin.tissue_labels import CSF_LABEL
from commissure.anat.builtin.tissues import Segmentation, tissue_posteriors
from commissure.anat.builtin.warp import affine_to_template, warp_to_template
from commissure.anat.lesion import filled, lesion_mask
from commissure.anat.settings import AnatPreprocessSettings, chosen_extraction
from commissure.files import atomic, write_json
from commissure.images.anat_files import TISSUES, AnatFiles
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box, coarser, resample_to
from commissure.images.header import header_notes
from commissure.images.load import load_image, same_grid, save_image, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import TEMPLATE, TemplateMap, template
from commissure.names import Scan, sidecar_path

#: Trust in the template's tissues once brightness is learnt. They are the mean of many people, with
#: more grey matter than anybody: in full they add a tenth to the grey matter of real heads.
TISSUE_TRUST = 0.6


@dataclass(frozen=True)
class SegmentedHead:
    """What the engine finds in a T1w, on the grid it segmented on.

    Attributes
    ----------
    mask
        (X, Y, Z) bool.
    tissues
        Segmentation on the same grid.
    brightness
        3-D image of the smooth brightness that the T1w is to be divided by.
    warp
        What speaks for the quality of the way to the template, under its names in a sidecar.
    """

    mask: np.ndarray
    tissues: Segmentation
    brightness: nib.Nifti1Image
    warp: dict[str, object]


def preprocess(scan: Scan, folder: Path, *, settings: AnatPreprocessSettings) -> None:
    """Write the anatomical derivatives of one T1w image, all on its own grid.

    Parameters
    ----------
    scan
        The T1w image.
    folder
        The person's ``anat/`` below the output directory.
    settings
        What the study chose.

    Raises
    ------
    DatasetError
        The image is not there, cannot be read, is not three-dimensional, holds NaN, or cannot
        hold a brain.
    """
    image, notes = _readied(load_image(scan.path, who=scan.who, ndim=3, nan_around=True), scan)
    check_head(image, who=scan.who, name=scan.path.name)
    declared = scan.metadata().get("SkullStripped") if scan.sidecars else None
    stripped = is_stripped(image, wanted=settings.skull_stripped)
    notes += stripped_notes(image, stripped=stripped, declared=declared)
    finest = settings.segmentation_resolution_mm
    lesion = lesion_mask(scan, image)
    seen = image if lesion is None else filled(image, lesion)
    work = coarser(seen, finest) if min(zooms_mm(image.affine)) < 0.95 * finest else seen
    files = AnatFiles.of(scan, folder)
    with atomic(files.to_template) as forward, atomic(files.from_template) as inverse:
        head = segmented(
            work, stripped=stripped, settings=settings, to_template=forward, from_template=inverse
        )
    method = {
        "Sources": [_source(scan)],
        "SkullStripped": stripped,
        "BrainExtraction": extraction_record(
            chosen_extraction(settings.brain_extraction), stripped=stripped
        ),
        "ForegroundLitres": round(foreground_litres(image), 3),
        "Parameters": settings.model_dump(),
        "Notes": [*header_notes(image), *notes],
    }
    for path in (files.to_template, files.from_template):
        _write_sidecar(
            path,
            {
                **method,
                **head.warp,
                "Description": "ITK composite of an affine map and a diffeomorphic warp by local "
                "correlation",
                "Template": TEMPLATE,
            },
        )
    write_images(head, image, work, files, method, lesion=lesion, seen=seen)


def _readied(image: nib.Nifti1Image, scan: Scan) -> tuple[nib.Nifti1Image, list[str]]:
    """An image as the engine needs it, and what was done to it."""
    if scan.suffix != "UNIT1":
        return image, []
    image, note = without_noise(scan, image)
    return image, [note]


def segmented(
    image: nib.Nifti1Image,
    *,
    stripped: bool,
    settings: AnatPreprocessSettings,
    to_template: Path,
    from_template: Path,
) -> SegmentedHead:
    """Find brain, tissues and the way to the template.

    Parameters
    ----------
    image
        3-D T1w on the grid to segment on.
    stripped
        Whether it comes without skull.
    settings
        Resolutions and weights.
    to_template, from_template
        Composite transforms to write (``.h5``).
    """
    mm = max(settings.registration_resolution_mm, min(zooms_mm(image.affine)))
    low = coarser(image, mm) if min(zooms_mm(image.affine)) < 0.9 * mm else image
    by = chosen_extraction(settings.brain_extraction)
    brain = extract_brain(image, stripped=stripped, by=by)
    mask = brain.mask(low)
    light = coil_brightness(low, mask)
    flat = np.asanyarray(low.dataobj) / light
    alone = nib.Nifti1Image(np.where(mask, flat, 0).astype(np.float32), low.affine)
    warp = warp_to_template(
        alone,
        initial=affine_to_template(alone, initial=brain.to_person),
        voxel_mm=mm,
        to_template=to_template,
        from_template=from_template,
    )
    priors = np.stack(_on_person(TISSUES, low, from_template))
    tissues = _tissues(flat, mask, priors, settings)
    brightness = nib.Nifti1Image(_continued(tissues.bias, mask, low.affine) * light, low.affine)
    if low is image:
        return SegmentedHead(mask, tissues, brightness, warp.sidecar())
    return _finer(image, brightness, brain.mask(image), from_template, settings, warp.sidecar())


def _on_person(
    names: Sequence[TemplateMap], reference: nib.Nifti1Image, from_template: Path
) -> list[np.ndarray]:
    """Maps of the template moved onto a person's grid."""
    # Large voxels would hit or miss what maps of 1 mm show, and pay for reading them.
    mm = 2.0 if min(zooms_mm(reference.affine)) >= 2.0 else 1.0
    maps = [template(name, resolution_mm=mm) for name in names]
    return [np.asarray(apply_transform(part, reference, [from_template]).dataobj) for part in maps]


def _tissues(
    flat: np.ndarray,
    mask: np.ndarray,
    priors: np.ndarray,
    settings: AnatPreprocessSettings,
) -> Segmentation:
    return tissue_posteriors(
        flat,
        mask,
        priors,
        prior_weight=settings.prior_weight,
        trust=TISSUE_TRUST,
        neighbour_weight=settings.neighbour_weight,
    )


def _finer(
    image: nib.Nifti1Image,
    brightness: nib.Nifti1Image,
    mask: np.ndarray,
    from_template: Path,
    settings: AnatPreprocessSettings,
    warp: dict[str, object],
) -> SegmentedHead:
    """The last segmentation, on the image's own grid, in a box around the brain."""
    box = bounding_box(mask, pad=2)
    part = image.slicer[box]
    priors = np.stack(_on_person(TISSUES, part, from_template))
    light = resample_to(brightness, part.shape, part.affine, outside="edge")
    small = _tissues(np.asanyarray(part.dataobj) / light, mask[box], priors, settings)
    posterior = np.zeros((3, *image.shape), np.float32)
    posterior[(slice(None), *box)] = small.posterior
    tissues = Segmentation(posterior, small.bias, small.mean, small.sd, small.iterations)
    return SegmentedHead(mask, tissues, brightness, warp)


def _continued(bias: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Brightness known inside the brain, smoothly continued to 1 far outside of it."""
    sigma = 8.0 / np.array(zooms_mm(affine))
    cover = gaussian_filter(mask.astype(np.float32), sigma)
    spread = gaussian_filter(np.log(bias) * mask, sigma) / (cover + 1e-2)
    return np.where(mask, bias, np.exp(spread)).astype(np.float32)


def write_images(
    head: SegmentedHead,
    image: nib.Nifti1Image,
    work: nib.Nifti1Image,
    files: AnatFiles,
    method: dict,
    *,
    lesion: np.ndarray | None = None,
    seen: nib.Nifti1Image | None = None,
) -> None:
    """Write T1w, mask, tissues and probabilities on the image's own grid, with sidecars.

    A lesion is part of the brain and none of its tissues; the structures are those of the image
    in which it is filled (``seen``).
    """
    native, affine = image.shape, image.affine
    light = resample_to(head.brightness, native, affine, outside="edge")
    corrected = nib.Nifti1Image(np.asanyarray(image.dataobj) / light, affine)
    save_image(np.asanyarray(corrected.dataobj), affine, files.preproc)
    if seen is not None and seen is not image:
        corrected = nib.Nifti1Image(np.asanyarray(seen.dataobj) / light, affine)
    del light
    mask, posterior = head.mask, head.tissues.posterior
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
    save_image(
        _placed(np.where(inside, 1 + shares.argmax(axis=0), 0), box, native), affine, files.dseg
    )
    for share, path in zip(shares, files.tissues, strict=True):
        save_image(_placed(share, box, native), affine, path)
    tissues = head.tissues
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
    _write_sidecar(files.dseg, {**method, **learnt, "Labels": {"1": "GM", "2": "WM", "3": "CSF"}})
    for path in files.tissues:
        _write_sidecar(path, {**method, **learnt})
    write_structures(corrected, mask, _placed_shares(shares, box, native), files, method)


def write_structures(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    posterior: np.ndarray,
    files: AnatFiles,
    method: dict,
) -> None:
    """Write the structures of a head on its own grid, with their volumes in the sidecar.

    Parameters
    ----------
    t1w
        3-D, bias-corrected.
    mask, posterior
        (X, Y, Z) bool and (3, X, Y, Z), on the same grid.
    files
        Where it goes; the way from the template is read there.
    method
        What every sidecar says.
    """
    found = segment_structures(t1w, mask, posterior, files.from_template)
    save_image(found.labels, t1w.affine, files.aseg)
    table = structures().labels
    _write_sidecar(
        files.aseg,
        {
            **method,
            "Description": "Structures under FreeSurfer's numbers: the template's segmentation, "
            "softened and carried by the warp, decided by intensities and neighbours",
            "Atlas": structures().name,
            "Labels": {
                str(number): name
                for number, name in zip(table["index"], table["freesurfer"], strict=True)
            }
            | {str(CSF_LABEL): "CSF"},
            "VolumesMm3": {name: round(v, 3) for name, v in found.volumes_mm3.items()},
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
