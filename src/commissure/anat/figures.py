"""Pictures by which a person judges a T1w's segmentation and registration."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import distance_transform_edt

from commissure.images.figures import draw_slices, new_figure
from commissure.images.grid import bounding_box, coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.template import template

COLOURS = {
    "Hippocampus": "#ffb000",
    "SFG": "#e05a9c",
    "LateralVentricle": "#4cc9f0",
    "GM": "#f4f1bb",
    "WM": "#d1495b",
    "mask": "#66c24a",
    "lesion": "#ff4df0",
}

#: Finer than this, a slice in a report shows no more.
SHOWN_MM = 1.0

#: What lies this far outside the mask is shown: fluid, the inner side of bone, and brain that was
#: cut off. Scalp and face lie farther out.
AROUND_MM = 3.0

#: Colours of the thickness, and the thickness at their ends.
THICKNESS_COLOURS = "turbo"
THICKNESS_MM = (1.0, 4.5)

_PLANES = ("sagittal", "coronal", "axial")


def draw_segmentation(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    white: np.ndarray,
    structures: dict[str, np.ndarray],
    *,
    title: str,
) -> Figure:
    """Slices through the brain with the outlines of mask, white matter and structures.

    What lies within :data:`AROUND_MM` of the mask is shown too, so that the border can be judged
    and a brain that was cut off is seen. Nobody is recognised by that.

    Parameters
    ----------
    t1w
        3-D, with what is around the brain.
    mask
        (X, Y, Z) bool.
    white
        (X, Y, Z) probability of white matter.
    structures
        (X, Y, Z) bool or share, by the name in :data:`COLOURS`.
    title
        Who and what.
    """
    box = bounding_box(mask, pad=[int(AROUND_MM / mm) + 1 for mm in zooms_mm(t1w.affine)])
    affine = t1w.slicer[box].affine
    base = _upright(brain_alone(t1w, mask, box), affine)
    maps = {"WM": white, **structures, "mask": mask}
    shown = {name: _upright(values[box], affine) for name, values in maps.items()}
    # Fat at the border is brighter than any tissue, and would leave the brain in the dark.
    inside = np.asanyarray(t1w.dataobj)[white > 0.9 if (white > 0.9).any() else mask]
    brightest = 1.25 * float(np.median(inside))
    centre = _centre(shown["mask"])
    places = [(-26.0, 2.0, 26.0), (-35.0, -15.0, 15.0), (-18.0, 5.0, 35.0)]
    figure = new_figure(7.2, 7.6, title=title)
    axes = figure.subplots(3, 3)
    outlines = [(np.asarray(image.dataobj), 0.5, COLOURS[name]) for name, image in shown.items()]
    for row, plane, offsets, middle in zip(axes, _PLANES, places, centre, strict=True):
        draw_slices(
            row,
            np.asarray(base.dataobj),
            base.affine,
            plane=plane,  # type: ignore[arg-type]
            positions_mm=[middle + offset for offset in offsets],
            contours=outlines,
            limits=(0.0, brightest),
        )
    _legend(figure, [("mask", "brain mask"), ("WM", "white matter"), *((n, n) for n in structures)])
    return figure


def brain_alone(t1w: nib.Nifti1Image, mask: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """A box of an image, 0 farther than :data:`AROUND_MM` from the brain, (X, Y, Z).

    Parameters
    ----------
    t1w
        3-D.
    mask
        (X, Y, Z) bool.
    box
        Slices of both.
    """
    near = distance_transform_edt(~mask[box], sampling=zooms_mm(t1w.affine)) <= AROUND_MM
    return np.where(near, np.asanyarray(t1w.dataobj)[box], 0)


def draw_registration(mask: nib.Nifti1Image, white: nib.Nifti1Image, *, title: str) -> Figure:
    """The template under the outlines of the person's own brain and white matter.

    Parameters
    ----------
    mask, white
        3-D, the person's brain mask and probability of white matter moved to the template, on one
        grid there.
    title
        Who and what.
    """
    grid = white.shape, white.affine
    outlines = [
        (np.asarray(white.dataobj), 0.5, COLOURS["WM"]),
        (np.asarray(mask.dataobj), 0.5, COLOURS["mask"]),
    ]
    base = resample_to(template("T1w"), *grid)
    figure = new_figure(7.2, 5.4, title=title)
    axes = figure.subplots(2, 3)
    places = {"sagittal": (-28.0, 4.0), "coronal": (-20.0, 10.0), "axial": (2.0, 30.0)}
    for column, plane in zip(axes.T, _PLANES, strict=True):
        draw_slices(
            column,
            base,
            white.affine,
            plane=plane,  # type: ignore[arg-type]
            positions_mm=places[plane],
            contours=outlines,
            limits=(0.1, 1.1),
        )
    _legend(figure, [("mask", "the person's brain mask"), ("WM", "the person's white matter")])
    return figure


def draw_thickness(t1w: nib.Nifti1Image, thickness: np.ndarray, *, title: str) -> Figure:
    """Slices through the brain with the thickness of the cortex in colours.

    Parameters
    ----------
    t1w
        3-D, 0 outside the brain.
    thickness
        (X, Y, Z) in mm, 0 where there is no cortex.
    title
        Who and what.
    """
    image, known, thick = (
        _upright(values, t1w.affine)
        for values in (np.asanyarray(t1w.dataobj), thickness > 0, thickness)
    )
    share = np.asarray(known.dataobj)
    colour = Normalize(*THICKNESS_MM)
    shown = colormaps[THICKNESS_COLOURS](
        colour(np.asarray(thick.dataobj) / np.maximum(share, 1e-3))
    )
    base = np.asarray(image.dataobj)
    brightest = max(float(np.percentile(base[base > 0], 99)), 1e-6) if base.any() else 1.0
    grey = np.clip(base / brightest, 0, 1)[..., None].repeat(3, axis=-1)
    blend = np.where(share[..., None] > 0.5, shown[..., :3], grey)
    centre = _centre(nib.Nifti1Image((base > 0).astype(np.float32), image.affine))
    places = [(-40.0, -26.0, -6.0), (-35.0, 0.0, 35.0), (-15.0, 10.0, 40.0)]
    figure = new_figure(7.2, 7.6, title=title)
    axes = figure.subplots(3, 3)
    for row, plane, offsets, middle in zip(axes, _PLANES, places, centre, strict=True):
        draw_slices(
            row,
            blend,
            image.affine,
            plane=plane,  # type: ignore[arg-type]
            positions_mm=[middle + offset for offset in offsets],
        )
    scale = ScalarMappable(colour, THICKNESS_COLOURS)
    bar = figure.colorbar(
        scale, ax=axes, location="bottom", pad=0.01, shrink=0.5, aspect=40, extend="both"
    )
    bar.set_label("mm", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _upright(values: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """The nearest RAS+ orientation, cropped to the field handed in and no finer than needed."""
    image = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(values, np.float32), affine))
    size = zooms_mm(image.affine)
    if max(size) > 1.05 * min(size) or min(size) < 0.9 * SHOWN_MM:
        image = coarser(image, max(SHOWN_MM, min(size)))
    return image


def _centre(mask: nib.Nifti1Image) -> np.ndarray:
    """Centre of the brain's bounding box in mm; slices are placed relative to it."""
    place = np.argwhere(np.asarray(mask.dataobj) > 0.5)
    corners = nib.affines.apply_affine(mask.affine, [place.min(axis=0), place.max(axis=0)])
    return corners.mean(axis=0)


def _legend(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    handles = [Line2D([], [], color=COLOURS[key], label=text) for key, text in entries]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7)
