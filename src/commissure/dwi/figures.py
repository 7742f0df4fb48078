"""Two figures by which a person can judge a diffusion series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from commissure.dwi.tensor import TensorMaps
from commissure.images.figures import draw_slices, new_figure, save_figure

#: Tracts that everybody can place, with the colour of their outline and their run.
_OUTLINED = (
    ("Corpus callosum", ("GCC", "BCC", "SCC"), "#ff5b4d", "left-right"),
    ("Internal capsule, corona, CST", ("PLIC", "ALIC", "RLIC", "SCR", "CST"), "#4da3ff", "up-down"),
    ("Cingulum, SLF", ("CGC", "CGH", "SLF"), "#5fd35f", "front-back"),
)


def draw_tensor(
    maps: TensorMaps,
    shares: Mapping[str, np.ndarray],
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    title: str,
    path: Path,
) -> None:
    """Draw FA with outlines of tracts, and below it the directions of the fibres as colours.

    Parameters
    ----------
    maps
        Tensor maps, zero outside the mask.
    shares
        Share of each voxel that carries a tract's label, by tract; may be empty.
    mask
        3-D brain mask.
    affine
        4x4, voxel to mm.
    title
        Who it is.
    path
        SVG file to write.
    """
    box, affine = _box(mask, affine)
    mask, fa = mask[box], np.where(mask, maps.fa, 0)[box]
    colours = np.clip(np.abs(maps.direction[box]) * fa[..., None] * 1.4, 0, 1)
    outlines = []
    for _, names, colour, _ in _OUTLINED:
        parts = [share[box] for tract, share in shares.items() if tract.partition("_")[0] in names]
        if parts:
            outlines.append((np.clip(np.sum(parts, axis=0), 0, 1), 0.5, colour))
    cuts = _cuts(mask, affine)
    figure = new_figure(10, 5.4, title=f"{title}: fractional anisotropy and fibre directions")
    axes = figure.subplots(2, len(cuts))
    for row, image, contours in ((axes[0], fa, outlines), (axes[1], colours, ())):
        for ax, (plane, position) in zip(row, cuts, strict=True):
            draw_slices(
                [ax],
                image,
                affine,
                plane=plane,
                positions_mm=[position],
                contours=contours,
                limits=(0.0, 0.8),
            )
    _add_legend(figure, with_outlines=bool(outlines))
    for row, text in ((axes[0], "FA\n0 (black) to 0.8 (white)"), (axes[1], "direction × FA")):
        row[0].text(
            -0.08,
            0.5,
            text,
            transform=row[0].transAxes,
            fontsize=7,
            rotation=90,
            va="center",
            ha="center",
        )
    save_figure(figure, path)


def _add_legend(figure: Figure, *, with_outlines: bool) -> None:
    """Name the outlines of tracts, where there are any, and the colours of directions."""
    handles = [
        Line2D([], [], color=colour, label=name)
        for name, _, colour, _ in _OUTLINED
        if with_outlines
    ]
    handles += [
        Line2D([], [], color=colour, marker="s", linestyle="", label=f"fibres {run}")
        for colour, run in (("red", "left-right"), ("lime", "front-back"), ("blue", "up-down"))
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7, frameon=False
    )


def _box(mask: np.ndarray, affine: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray]:
    """The brain's box with a voxel around it, and the affine of what it cuts out."""
    voxels = np.argwhere(mask)
    low = np.maximum(voxels.min(axis=0) - 1, 0)
    high = np.minimum(voxels.max(axis=0) + 2, mask.shape)
    moved = np.array(affine, dtype=float)
    moved[:3, 3] += affine[:3, :3] @ low
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), moved


def _cuts(mask: np.ndarray, affine: np.ndarray) -> list:
    voxels = np.argwhere(mask)
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    low, high = np.percentile(world, [1, 99], axis=0)
    middle = np.median(world, axis=0)
    up = [float(low[2] + part * (high[2] - low[2])) for part in (0.42, 0.55, 0.66)]
    return [
        *(("axial", position) for position in up),
        ("coronal", float(middle[1])),
        ("sagittal", float(middle[0])),
    ]


def draw_motion(
    poses: np.ndarray,
    displacement: np.ndarray,
    dropouts: np.ndarray | None,
    *,
    title: str,
    path: Path,
) -> None:
    """Draw where the head went, how far from volume to volume, and which slices lost signal.

    Parameters
    ----------
    poses
        ``(volumes, 6)``: mm and radians.
    displacement
        ``(volumes,)``, framewise displacement in mm.
    dropouts
        ``(n, 2)`` volume and slice of each dropout; None where the engine did not list them.
    title
        Who it is.
    path
        SVG file to write.
    """
    rows = 3 if dropouts is None else 4
    figure = new_figure(8, 1.6 * rows + 0.6, title=f"{title}: head motion and signal dropout")
    axes: Sequence = figure.subplots(rows, 1, sharex=True)
    volumes = np.arange(len(poses))
    for axis, colour in zip("xyz", ("#c1272d", "#3a7d44", "#1f4e9c"), strict=True):
        k = "xyz".index(axis)
        axes[0].plot(volumes, poses[:, k], color=colour, linewidth=1, label=axis)
        axes[1].plot(volumes, np.degrees(poses[:, 3 + k]), color=colour, linewidth=1, label=axis)
    axes[0].set_ylabel("translation\n(mm)", fontsize=8)
    axes[1].set_ylabel("rotation\n(degrees)", fontsize=8)
    axes[0].legend(fontsize=7, ncols=3, frameon=False, loc="upper left")
    axes[2].bar(volumes, displacement, color="#555555", width=0.8)
    axes[2].set_ylabel("displacement from\nvolume before (mm)", fontsize=8)
    if dropouts is not None:
        places = np.asarray(dropouts, dtype=float).reshape(-1, 2)
        axes[3].scatter(places[:, 0], places[:, 1], marker="s", s=9, color="#c1272d")
        axes[3].set_ylabel(f"slices with\ndropout ({len(places)})", fontsize=8)
        axes[3].set_ylim(-1, max(10.0, places[:, 1].max() + 2 if len(places) else 10.0))
    axes[-1].set_xlabel("volume", fontsize=8)
    axes[-1].set_xlim(-0.8, len(poses) - 0.2)
    for ax in axes:
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
