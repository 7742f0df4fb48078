"""The template's putamen, redrawn on the template's own brightness.

The network that segmented the template draws the putamen over the external capsule, and in its
lower and hinder part up to the claustrum. Here its outer border lies between putamen and the bright
sheet of the capsule: a watershed of the template's gradient from the putamen's core and from the
sheet's middle. Elsewhere, voxels that are clearly brighter than the core are white matter. What is
taken away from the putamen is the network's white matter, as in FreeSurfer's ``aseg``; nothing else
changes.

    python resources/atlases/build/icbm2009a_structures.py
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import (
    affine_transform,
    distance_transform_edt,
    gaussian_filter,
    gaussian_gradient_magnitude,
    watershed_ift,
)
from scipy.ndimage import label as components

from commissure.images.grid import bounding_box
from commissure.images.template import template

FOLDER = Path(__file__).resolve().parents[1] / "icbm2009a-structures"
NETWORK = "icbm2009a_sym_structures18_dseg.nii.gz"
REDRAWN = "icbm2009a_sym_structures18_desc-redrawn_dseg.nii.gz"

#: Classes of the network.
WHITE, PUTAMEN, PALLIDUM = 1, 9, 10

#: Voxels of the watershed, in mm; the template has 1 mm.
FINE_MM = 0.5

#: The putamen's core lies this deep inside of the network's label.
CORE_MM = 2.0

#: Smoothness (SD) of the gradient, and of the curvature that the capsule is found by.
GRADIENT_MM, CURVATURE_MM = 0.6, 0.7

#: The capsule is looked for from so far inside of the label to so far outside.
CAPSULE_MM = (3.0, 4.0)

#: The middle of a bright sheet: its least curvature, and its brightness over the core's. The
#: template's white matter has 0.85, its putamen 0.76.
SHEET = (-0.008, 0.015)

#: Brighter than the core by this, a voxel is white matter.
BRIGHTER = 0.04


def main() -> None:
    """Write the redrawn classes."""
    image = nib.Nifti1Image.from_filename(FOLDER / NETWORK)
    classes = np.asanyarray(image.dataobj)
    result = nib.Nifti1Image(redrawn(classes, image.affine), image.affine, image.header)
    nib.save(result, FOLDER / REDRAWN)


def redrawn(classes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The classes, each side's putamen without the capsule beside it.

    Parameters
    ----------
    classes
        (X, Y, Z), symmetrical about x = 0, on the template's grid.
    affine
        4x4, voxels of 1 mm along RAS+.
    """
    middle = round(-affine[0, 3])
    right = classes.copy()
    right[:middle] = 0
    box = bounding_box(right == PUTAMEN, pad=6)
    brightness = np.asanyarray(template("T1w").dataobj)[box].astype(float)
    part = right[box]
    white = _is_white(brightness, part)
    result = classes.copy()
    result[box][white] = WHITE
    result[:middle] = result[middle + 1 :][::-1]
    return result


def _is_white(brightness: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Voxels of the right putamen's label that are white matter."""
    putamen = classes == PUTAMEN
    depth = distance_transform_edt(putamen)
    core = depth > CORE_MM
    typical = _local_mean(brightness, core, 4.0)
    taken = putamen & ~_inside(brightness, classes, typical)
    kept = putamen & ~taken
    place = distance_transform_edt(~kept, return_distances=False, return_indices=True)
    away = np.indices(putamen.shape) - place
    lateral = (away[0] > 0) & (away[0] >= np.abs(away[1:]).max(axis=0))
    white = (taken & lateral) | (taken & (brightness > typical + BRIGHTER))
    parts, _ = components(putamen & ~white)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return putamen & (parts != sizes.argmax())


def _inside(brightness: np.ndarray, classes: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Where the watershed leaves the putamen."""
    shape = tuple(int((size - 1) / FINE_MM) + 1 for size in classes.shape)
    fine, mean = (
        affine_transform(
            part, np.diag([FINE_MM] * 3), output_shape=shape, order=order, mode="nearest"
        )
        for part, order in ((brightness, 3), (typical, 1))
    )
    label = affine_transform(
        classes, np.diag([FINE_MM] * 3), output_shape=shape, order=0, mode="nearest"
    )
    putamen = label == PUTAMEN
    inner, outer = (distance_transform_edt(m, sampling=FINE_MM) for m in (putamen, ~putamen))
    band = (inner < CAPSULE_MM[0]) & (outer < CAPSULE_MM[1]) & (label != PALLIDUM)
    sheet = band & (_least_curvature(fine, band) < SHEET[0]) & (fine > mean + SHEET[1])
    seeds = np.zeros(shape, np.int32)
    seeds[outer > CORE_MM] = 2
    seeds[inner > CORE_MM] = 1
    seeds[sheet] = 2
    gradient = gaussian_gradient_magnitude(fine, GRADIENT_MM / FINE_MM)
    height = np.round(gradient / gradient.max() * 3e4).astype(np.uint16)
    step = round(1 / FINE_MM)
    return watershed_ift(height, seeds)[::step, ::step, ::step] == 1


def _least_curvature(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Least eigenvalue of the Hessian: negative in the middle of a bright sheet."""
    sd = CURVATURE_MM / FINE_MM
    hessian = np.zeros((int(where.sum()), 3, 3))
    for i in range(3):
        for j in range(i, 3):
            order = [(i == k) + (j == k) for k in range(3)]
            part = gaussian_filter(image, sd, order=order)[where] * sd**2
            hessian[:, i, j] = hessian[:, j, i] = part
    result = np.zeros(image.shape)
    result[where] = np.linalg.eigvalsh(hessian)[:, 0]
    return result


def _local_mean(image: np.ndarray, where: np.ndarray, sd: float) -> np.ndarray:
    weight = gaussian_filter(where.astype(float), sd)
    return gaussian_filter(image * where, sd) / np.maximum(weight, 1e-6)


if __name__ == "__main__":
    main()
