"""Pictures by which a person judges a T1w's segmentation and registration."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from commissure.images.figures import draw_slices, new_figure
from commissure.images.grid import coarser, resample_to
from commissure.images.load import zooms_mm
from commissure.images.template import template

COLOURS = {
    "Hippocampus": "#ffb000",
    "SFG": "#e05a9c",
    "LateralVentricle": "#4cc9f0",
    "GM": "#f4f1bb",
    "WM": "#d1495b",
    "mask": "#66c24a",
}

#: Finer than this, a slice in a report shows no more.
SHOWN_MM = 1.0

_PLANES = ("sagittal", "coronal", "axial")


def draw_segmentation(
    t1w: nib.Nifti1Image,
    mask: np.ndarray,
    white: np.ndarray,
    structures: dict[str, np.ndarray],
    *,
    title: str,
) -> Figure:
    """Slices through the brain with the outlines of mask, white matter and three structures.

    Parameters
    ----------
    t1w
        3-D; only what is inside the mask is shown.
    mask
        (X, Y, Z) bool.
    white
        (X, Y, Z) probability of white matter.
    structures
        (X, Y, Z) bool or share, by the name in :data:`COLOURS`.
    title
        Who and what.
    """
    data = np.where(mask, np.asanyarray(t1w.dataobj), 0)
    maps = {"mask": mask, "WM": white, **structures}
    shown = {name: _upright(values, t1w.affine) for name, values in maps.items()}
    base = _upright(data, t1w.affine)
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
        )
    _legend(figure, [("mask", "brain mask"), ("WM", "white matter"), *((n, n) for n in structures)])
    return figure


def draw_registration(t1w_in_template: nib.Nifti1Image, *, title: str) -> Figure:
    """The person's brain in template space under the outlines of the template's tissues.

    Parameters
    ----------
    t1w_in_template
        3-D, brain-masked, on any grid in template space.
    title
        Who and what.
    """
    grid = t1w_in_template.shape, t1w_in_template.affine
    outlines = [
        (resample_to(template("mask"), *grid), 0.5, COLOURS["mask"]),
        (resample_to(template("WM"), *grid), 0.5, COLOURS["WM"]),
        (resample_to(template("CSF"), *grid), 0.6, COLOURS["LateralVentricle"]),
    ]
    figure = new_figure(7.2, 5.4, title=title)
    axes = figure.subplots(2, 3)
    places = {"sagittal": (-28.0, 4.0), "coronal": (-20.0, 10.0), "axial": (2.0, 30.0)}
    for column, plane in zip(axes.T, _PLANES, strict=True):
        draw_slices(
            column,
            np.asarray(t1w_in_template.dataobj),
            t1w_in_template.affine,
            plane=plane,  # type: ignore[arg-type]
            positions_mm=places[plane],
            contours=outlines,
        )
    _legend(
        figure,
        [("mask", "template mask"), ("WM", "template WM"), ("LateralVentricle", "template CSF")],
    )
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
