"""What all figures share: same bytes for same data, and slices in radiological order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from commissure.files import atomic

Plane = Literal["sagittal", "coronal", "axial"]

_AXIS = {"sagittal": 0, "coronal": 1, "axial": 2}


def new_figure(
    width_in: float, height_in: float, *, title: str, margins: Mapping[str, float] | None = None
) -> Figure:
    """An empty figure with a title, without pyplot (which costs seconds and holds state).

    Parameters
    ----------
    width_in, height_in
        Size in inches.
    title
        Heading.
    margins
        ``left``, ``right``, ``bottom``, ``top``, ``wspace``, ``hspace`` as matplotlib knows them.
        Without them the layout finds its own, which costs a second where there are many axes.
    """
    figure = Figure(figsize=(width_in, height_in), layout=None if margins else "constrained")
    if margins:
        figure.subplots_adjust(**margins)
    # A title with a place of its own would get no space from the layout.
    place = {"y": 1 - 0.08 / height_in, "va": "top"} if margins else {}
    figure.suptitle(title, fontsize=10, **place)
    return figure


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure as SVG in one step; the same figure gives the same bytes."""
    with (
        matplotlib.rc_context({"svg.hashsalt": "commissure", "svg.fonttype": "none"}),
        atomic(path) as draft,
    ):
        figure.savefig(draft, format="svg", dpi=110, metadata={"Date": None})


def draw_slices(
    axes: Sequence[Axes],
    data: np.ndarray,
    affine: np.ndarray,
    *,
    plane: Plane,
    positions_mm: Sequence[float],
    contours: Sequence[tuple[np.ndarray, float, str]] = (),
    limits: tuple[float, float] | None = None,
    cmap: str = "gray",
) -> None:
    """Draw slices of a 3-D image, one per pair of axes, left of the head on the right.

    Parameters
    ----------
    axes
        As many as there are positions.
    data
        3-D, or 4-D with red, green and blue (0 to 1) along the last axis; brain-masked: faces have
        no place in a figure.
    affine
        4x4, voxel to mm; oblique images are drawn along their array axes.
    plane
        Orientation of the slices.
    positions_mm
        Where to cut, in mm along the axis across the plane.
    contours
        Further images on the same grid, each with the level and the colour of its outline.
    limits
        Intensities of black and white; without them 0 and the 99.5th percentile.
    cmap
        Colour map of the image.
    """
    orientation = nib.orientations.io_orientation(affine)

    def upright(volume: np.ndarray) -> np.ndarray:
        return nib.orientations.apply_orientation(np.asarray(volume), orientation)

    data = upright(data)
    overlays = [(upright(image), level, colour) for image, level, colour in contours]
    straight = affine @ nib.orientations.inv_ornt_aff(orientation, np.asarray(data.shape[:3]))
    size = np.sqrt((straight[:3, :3] ** 2).sum(axis=0))
    axis = _AXIS[plane]
    low, high = limits or (0.0, float(np.percentile(data[data > 0], 99.5)) if data.any() else 1.0)
    across, up = (n for n in range(3) if n != axis)
    aspect = size[up] / size[across]
    for ax, position in zip(axes, positions_mm, strict=True):
        index = round((position - straight[axis, 3]) / straight[axis, axis])
        index = min(max(index, 0), data.shape[axis] - 1)
        cut = _cut(data, axis, index)
        ax.imshow(cut, cmap=cmap, vmin=low, vmax=high, origin="lower", aspect=aspect)
        for image, level, colour in overlays:
            outline = _cut(image, axis, index)
            if outline.min() < level < outline.max():
                ax.contour(outline, levels=[level], colors=colour, linewidths=0.6)
        # Outlines become part of the picture: as paths they would fill half a megabyte.
        ax.set_rasterization_zorder(2.5)
        ax.set_title(f"{'xyz'[axis]} = {position:.0f} mm", fontsize=7, pad=2)
        ax.set(xticks=[], yticks=[])
        ax.set_axis_off()


def _cut(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """One slice of an upright volume, left of the head on the right."""
    flat = volume.take(index, axis=axis).swapaxes(0, 1)
    return flat if axis == _AXIS["sagittal"] else flat[:, ::-1]
