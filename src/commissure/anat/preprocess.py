"""The built-in engine: from a T1w image to brain, tissues and the way to the template."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.anat.brain import bias_field, check_head, is_stripped, sharp_head
from commissure.anat.settings import AnatSettings
from commissure.anat.tissues import TISSUES, Segmentation, tissue_posteriors
from commissure.images.anatomy import AnatFiles
from commissure.images.grid import coarser, resample_to
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.images.registration import apply_transform, register
from commissure.images.template import TEMPLATE, template
from commissure.names import Scan
from commissure.rows import write_json

HEAD_RESOLUTION_MM = 4.0


def preprocess(scan: Scan, folder: Path, *, settings: AnatSettings) -> None:
    image = load_image(scan.path, who=scan.who, ndim=3)
    check_head(image, who=scan.who, name=scan.path.name)
    said = scan.metadata().get("SkullStripped") if scan.sidecars else None
    stripped = is_stripped(image, wanted=settings.skull_stripped, said=said)
    files = AnatFiles.of(scan, folder)
    folder.mkdir(parents=True, exist_ok=True)

    finest = settings.segmentation_resolution_mm
    work = coarser(image, finest) if min(zooms_mm(image.affine)) < 0.95 * finest else image
    with tempfile.TemporaryDirectory() as scratch:
        to_head, from_head = Path(scratch, "to.h5"), Path(scratch, "from.h5")
        target = template("T1w", resolution_mm=HEAD_RESOLUTION_MM) if stripped else coarser(
            sharp_head(), HEAD_RESOLUTION_MM
        )
        register(target, coarser(work, HEAD_RESOLUTION_MM), kind="syn", forward=to_head, inverse=from_head)
        mask = _carried("mask", work, from_head) > 0.5
    if stripped:
        mask = np.asarray(work.dataobj) > 0
    data = np.asarray(work.dataobj)
    flat = data / bias_field(work, mask)
    brain = nib.Nifti1Image(np.where(mask, flat, 0).astype(np.float32), work.affine)
    res = settings.registration_resolution_mm
    moving = coarser(brain, res) if min(zooms_mm(brain.affine)) < res else brain
    register(
        template("T1w", resolution_mm=res), moving, kind="syn",
        forward=files.to_template, inverse=files.from_template,
    )
    priors = np.stack([_carried(name, work, files.from_template) for name in TISSUES])
    found = tissue_posteriors(flat, mask, priors)
    _write(found, mask, flat, image, work, files)
    for path in (files.preproc, files.mask, files.dseg, files.gm, files.wm, files.csf):
        write_json({"Sources": [scan.path.name], "SkullStripped": stripped}, path.with_name(path.name.replace(".nii.gz", ".json")))


def _carried(name: str, onto: nib.Nifti1Image, inverse: Path) -> np.ndarray:
    return np.asarray(apply_transform(template(name, resolution_mm=2.0), onto, [inverse]).dataobj)


def _write(found, mask, flat, image, work, files):
    grid = image.shape, image.affine
    def native(a, order=1):
        return a if work is image else resample_to(nib.Nifti1Image(a.astype(np.float32), work.affine), *grid, order=order)
    m = native(mask.astype(np.float32)) > 0.5
    posterior = np.stack([native(p) for p in found.posterior]) * m
    total = posterior.sum(axis=0)
    posterior[2][m & (total == 0)] = 1
    posterior /= np.where(m, posterior.sum(axis=0), 1)
    ratio = native(np.asarray(flat) / np.where(np.asarray(work.dataobj) != 0, np.asarray(work.dataobj), 1))
    save_image(np.asarray(image.dataobj) * ratio, image.affine, files.preproc)
    save_image(m, image.affine, files.mask)
    save_image(np.where(m, 1 + posterior.argmax(axis=0), 0), image.affine, files.dseg)
    for p, path in zip(posterior, (files.gm, files.wm, files.csf)):
        save_image(p, image.affine, path)
