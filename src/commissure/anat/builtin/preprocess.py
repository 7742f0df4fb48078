"""The built-in engine: from a T1w image to brain, tissues and the way to the template.

Tissues and registration need each other: the tissue maps steer the registration (ANTs SyN), the
registered template says which tissue to expect where. The engine goes round twice, coarsely and at
the registration's resolution, then segments once more at the segmentation's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from commissure.anat.builtin.brain import (
    check_head,
    coil_brightness,
    first_registration,
    foreground_litres,
    is_stripped,
    largest_component,
)
from commissure.anat.builtin.tissues import Segmentation, tissue_posteriors
from commissure.anat.settings import AnatPreprocessSettings
from commissure.files import atomic, write_json
from commissure.images.anat_files import TISSUES, AnatFiles
from commissure.images.grid import bounding_box, coarser, resample_to
from commissure.images.header import header_notes
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.images.registration import apply_transform, linear_map, register
from commissure.images.template import TEMPLATE, TemplateMap, template
from commissure.names import Scan, sidecar_path

#: Grey value of GM, WM and CSF in the images that are registered: those of a T1w without shading
#: and noise, made of tissue maps, the person's as the template's.
CONTRAST = (0.6, 1.0, 0.2)

#: The two turns: voxel size over the registration's, and trust in the template, which is still on
#: its way.
TURNS = ((5 / 3, 0.25), (1.0, 0.5))

#: SyN iterations per level, coarse to fine.
ITERATIONS = (40, 20, 10)

#: The first mask is widened by this: what the template head missed can still be found.
WIDENING_MM = 3.0


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
    """

    mask: np.ndarray
    tissues: Segmentation
    brightness: nib.Nifti1Image


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
    image = load_image(scan.path, who=scan.who, ndim=3)
    check_head(image, who=scan.who, name=scan.path.name)
    declared = scan.metadata().get("SkullStripped") if scan.sidecars else None
    stripped = is_stripped(image, wanted=settings.skull_stripped, declared=declared)
    finest = settings.segmentation_resolution_mm
    work = coarser(image, finest) if min(zooms_mm(image.affine)) < 0.95 * finest else image
    files = AnatFiles.of(scan, folder)
    with atomic(files.to_template) as forward, atomic(files.from_template) as inverse:
        head = segmented(
            work, stripped=stripped, settings=settings, to_template=forward, from_template=inverse
        )
    method = {
        "Sources": [_source(scan)],
        "SkullStripped": stripped,
        "ForegroundLitres": round(foreground_litres(image), 3),
        "Parameters": settings.model_dump(),
        "Notes": header_notes(image),
    }
    for path in (files.to_template, files.from_template):
        _write_sidecar(
            path,
            {
                **method,
                "Description": "ITK composite of an affine map and a SyN warp, found on contrast "
                "images made of tissue maps",
                "Template": TEMPLATE,
            },
        )
    write_images(head, image, work, files, method)


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
    start = first_registration(low, stripped=stripped)
    light = coil_brightness(low, start.mask)
    flat = np.asanyarray(low.dataobj) / light
    stripped_mask = start.mask if stripped else None
    mask = start.mask
    if not stripped:
        mask = binary_dilation(
            mask, iterations=max(1, round(WIDENING_MM / zooms_mm(low.affine)[0]))
        )
    to_person, priors = start.to_person, start.priors
    for turn, (wider, trust) in enumerate(TURNS):
        tissues = _tissues(flat, mask, priors, settings, trust=trust)
        person = nib.Nifti1Image(_contrast(tissues.posterior), low.affine)
        fixed = _template_contrast(wider * mm)
        if turn == 0:
            # The head's map follows skull, neck and face as well; this one sees the brain alone.
            to_person = linear_map(fixed, person, kind="affine", initial=to_person)
        register(
            fixed,
            person,
            kind="warp",
            initial=to_person,
            forward=to_template,
            inverse=from_template,
            iterations=ITERATIONS,
        )
        *parts, brain = _on_person((*TISSUES, "mask"), low, from_template)
        priors = np.stack(parts)
        mask = largest_component(brain > 0.5) if stripped_mask is None else stripped_mask
    tissues = _tissues(flat, mask, priors, settings)
    brightness = nib.Nifti1Image(_continued(tissues.bias, mask, low.affine) * light, low.affine)
    if low is image:
        return SegmentedHead(mask, tissues, brightness)
    return _finer(image, brightness, stripped_mask, from_template, settings)


def _contrast(shares: np.ndarray) -> np.ndarray:
    """(X, Y, Z) T1w-like contrast of tissue shares (3, X, Y, Z)."""
    return np.tensordot(np.array(CONTRAST, np.float32), shares, axes=1)


@lru_cache(maxsize=4)
def _template_contrast(resolution_mm: float) -> nib.Nifti1Image:
    maps = [template(name, resolution_mm=resolution_mm) for name in TISSUES]
    shares = np.stack([np.asanyarray(part.dataobj) for part in maps])
    return nib.Nifti1Image(_contrast(shares), maps[0].affine)


def _on_person(
    names: Sequence[TemplateMap], reference: nib.Nifti1Image, from_template: Path
) -> list[np.ndarray]:
    """Maps of the template moved onto a person's grid."""
    return [
        np.asarray(apply_transform(template(name), reference, [from_template]).dataobj)
        for name in names
    ]


def _tissues(
    flat: np.ndarray,
    mask: np.ndarray,
    priors: np.ndarray,
    settings: AnatPreprocessSettings,
    *,
    trust: float = 1.0,
) -> Segmentation:
    return tissue_posteriors(
        flat,
        mask,
        priors,
        prior_weight=settings.prior_weight,
        trust=trust,
        neighbour_weight=settings.neighbour_weight,
    )


def _finer(
    image: nib.Nifti1Image,
    brightness: nib.Nifti1Image,
    stripped_mask: np.ndarray | None,
    from_template: Path,
    settings: AnatPreprocessSettings,
) -> SegmentedHead:
    """The last segmentation, on the image's own grid, in a box around the brain."""
    if stripped_mask is None:
        outline = _on_person(["mask"], image, from_template)[0]
    else:
        outline = resample_to(
            nib.Nifti1Image(stripped_mask.astype(np.float32), brightness.affine),
            image.shape,
            image.affine,
        ) * (np.asanyarray(image.dataobj) != 0)
    mask = largest_component(outline > 0.5)
    del outline
    box = bounding_box(mask, pad=2)
    part = image.slicer[box]
    priors = np.stack(_on_person(TISSUES, part, from_template))
    light = resample_to(brightness, part.shape, part.affine, outside="edge")
    small = _tissues(np.asanyarray(part.dataobj) / light, mask[box], priors, settings)
    posterior = np.zeros((3, *image.shape), np.float32)
    posterior[(slice(None), *box)] = small.posterior
    tissues = Segmentation(posterior, small.bias, small.mean, small.sd, small.iterations)
    return SegmentedHead(mask, tissues, brightness)


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
) -> None:
    """Write T1w, mask, tissues and probabilities on the image's own grid, with sidecars."""
    native, affine = image.shape, image.affine
    light = resample_to(head.brightness, native, affine, outside="edge")
    save_image(np.asanyarray(image.dataobj) / light, affine, files.preproc)
    del light
    mask, posterior = head.mask, head.tissues.posterior
    if work is not image:
        rough = nib.Nifti1Image(mask.astype(np.float32), work.affine)
        mask = resample_to(rough, native, affine) > 0.5
    box = bounding_box(mask, pad=2)
    part, inside = image.slicer[box], mask[box]
    if work is image:
        shares = posterior[(slice(None), *box)]
    else:
        shares = _normalised(posterior, work.affine, part, inside)
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


def _source(scan: Scan) -> str:
    """BIDS URI of the image in the raw dataset."""
    folders = [f"{k}-{scan.entities[k]}" for k in ("sub", "ses") if scan.entities.get(k)]
    return "bids:raw:" + "/".join([*folders, "anat", scan.path.name])


def _source_name(method: dict) -> str:
    return method["Sources"][0]


def _write_sidecar(path: Path, content: dict) -> None:
    write_json(content, sidecar_path(path))
