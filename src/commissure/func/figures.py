"""Figures by which a person judges a BOLD run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

from commissure.func.denoising import detrended
from commissure.func.parcels import Parcels
from commissure.images.anat_files import AnatFiles
from commissure.images.coil_brightness import evened_brightness
from commissure.images.connectivity_sets import NETWORKS
from commissure.images.figures import Plane, draw_slices, new_figure, save_figure
from commissure.images.grid import resample_to
from commissure.images.load import load_image
from commissure.images.registration import apply_transform
from commissure.images.template import TemplateMap, template

#: Voxels at which outlines are drawn: those of the run would make steps of them.
_SHOWN_MM = 1.5

#: Of a network that is none of Yeo's seven.
OTHER_COLOUR = "#444444"

#: Yeo's colours of the seven networks.
COLOURS = {
    "Vis": "#781286", "SomMot": "#4682B4", "DorsAttn": "#00760E", "SalVentAttn": "#C43AFA",
    "Limbic": "#B8C47A", "Cont": "#E69422", "Default": "#CD3E4E", "Subcortex": "#555555",
}  # fmt: skip


def by_network(parcels: Parcels) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Order of the parcels by network, subcortex last, and where each group starts and ends."""
    network = [
        *parcels.labels["network"],
        *["Subcortex"] * (len(parcels.names) - len(parcels.labels)),
    ]
    order: list[int] = []
    groups: list[tuple[str, int, int]] = []
    others = [name for name in dict.fromkeys(network) if name not in (*NETWORKS, "Subcortex")]
    for name in (*NETWORKS, *others, "Subcortex"):
        members = [k for k, each in enumerate(network) if each == name]
        groups.append((name, len(order), len(order) + len(members)))
        order += members
    return np.array(order), groups


def draw_run(
    confounds: pd.DataFrame,
    before: np.ndarray,
    after: np.ndarray | None,
    parcels: Parcels,
    *,
    tr_s: float,
    fd_threshold_mm: float | None,
    title: str,
    path: Path,
) -> None:
    """Movement, framewise displacement and DVARS over a carpet of parcels, before and after.

    Parameters
    ----------
    confounds
        fMRIPrep's columns.
    before, after
        Shape (T, P): parcel series raw and denoised (None where they could not be).
    parcels
        What the columns are.
    tr_s
        Repetition time.
    fd_threshold_mm
        Drawn as a line; None where nothing is censored.
    title, path
        Heading and file.
    """
    rows = 5 if after is not None else 4
    height_in = 7.6 if after is not None else 5.6
    figure = new_figure(
        8.0,
        height_in,
        title=f"{title}: movement and signal",
        margins={
            "left": 0.15,
            "right": 0.98,
            "bottom": 0.5 / height_in,
            "top": 1 - 0.55 / height_in,
            "hspace": 0.3,
        },
    )
    heights = [1, 0.8, 0.8, 2.6, 2.6][:rows]
    axes = figure.subplots(rows, 1, sharex=True, gridspec_kw={"height_ratios": heights})
    time = np.arange(len(confounds)) * tr_s
    _position(axes[0], confounds, time)
    _displacement(axes[1], confounds, time, fd_threshold_mm)
    if "std_dvars" in confounds:
        axes[2].plot(time, confounds["std_dvars"], color="black", lw=0.9)
        axes[2].axhline(1, color="grey", lw=0.6, ls=":")
    axes[2].set_ylabel("DVARS\n(standardised)", fontsize=7)
    _carpet(axes[3], detrended(before), parcels, tr_s, "parcels, detrended")
    if after is not None:
        _carpet(axes[4], after, parcels, tr_s, "parcels, denoised (grey: censored)")
    axes[-1].set_xlabel("time (s)", fontsize=8)
    axes[-1].set_xlim(-tr_s / 2, time[-1] + tr_s / 2)
    for ax in axes:
        ax.tick_params(labelsize=7)
    figure.align_ylabels(list(axes))
    save_figure(figure, path)


def _position(ax: Axes, confounds: pd.DataFrame, time: np.ndarray) -> None:
    for name, colour in zip("xyz", ("#0072B2", "#D55E00", "#009E73"), strict=True):
        if f"trans_{name}" in confounds:
            ax.plot(time, confounds[f"trans_{name}"], color=colour, lw=0.9, label=f"{name} (mm)")
            ax.plot(
                time,
                np.degrees(confounds[f"rot_{name}"]),
                color=colour,
                lw=0.9,
                ls=":",
                label=f"about {name} (°)",
            )
    ax.set_ylabel("position\n(mm, °)", fontsize=7)
    ax.legend(
        fontsize=6, ncols=6, loc="lower right", bbox_to_anchor=(1, 0.97), frameon=False, borderpad=0
    )


def _displacement(
    ax: Axes, confounds: pd.DataFrame, time: np.ndarray, fd_threshold_mm: float | None
) -> None:
    displacement = confounds["framewise_displacement"].to_numpy(float)
    ax.plot(time, displacement, color="black", lw=0.9)
    words = f"mean {np.nanmean(displacement[1:]):.2f} mm"
    top = 1.05 * float(np.nanmax(displacement))
    if fd_threshold_mm is not None:
        ax.axhline(fd_threshold_mm, color="#CD3E4E", lw=0.8, ls="--")
        over = int(np.nansum(displacement > fd_threshold_mm))
        words += f"; {over} of {len(time)} volumes above {fd_threshold_mm:g} mm"
        top = max(1.2 * fd_threshold_mm, top)
    ax.set_title(words, fontsize=7, loc="right", pad=2)
    ax.set_ylim(0, top)
    ax.set_ylabel("framewise\ndisplacement\n(mm)", fontsize=7)


def _carpet(ax: Axes, series: np.ndarray, parcels: Parcels, tr_s: float, label: str) -> None:
    order, groups = by_network(parcels)
    shown = series[:, order].T
    known = np.isfinite(shown)
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    spread = np.sqrt(np.where(known, shown**2, 0).sum(axis=1, keepdims=True) / counts)
    shown = shown / np.where(spread > 0, spread, np.nan)
    cmap = colormaps["gray"].with_extremes(bad="#9fb4c7")
    end = (series.shape[0] - 0.5) * tr_s
    ax.imshow(
        shown,
        aspect="auto",
        cmap=cmap,
        vmin=-2.5,
        vmax=2.5,
        interpolation="nearest",
        extent=(-tr_s / 2, end, len(order) - 0.5, -0.5),
    )
    for name, start, stop in groups:
        ax.plot(
            [-tr_s / 2, -tr_s / 2],
            [start - 0.5, stop - 0.5],
            color=COLOURS.get(name, OTHER_COLOUR),
            lw=5,
            solid_capstyle="butt",
            clip_on=False,
        )
    ax.set_yticks([(start + stop - 1) / 2 for _, start, stop in groups])
    ax.set_yticklabels([name for name, _, _ in groups], fontsize=6)
    ax.tick_params(axis="y", length=0, pad=5)
    ax.set_title(label, fontsize=7, loc="right", pad=2)


def draw_connectivity(z: np.ndarray, parcels: Parcels, *, title: str, path: Path) -> None:
    """Connectivity matrix ordered by network.

    Parameters
    ----------
    z
        Fisher's z, shape (P, P).
    parcels
        What its rows are.
    title, path
        Heading and file.
    """
    order, groups = by_network(parcels)
    margins = {"left": 0.15, "right": 1.0, "bottom": 0.14, "top": 0.93}
    figure = new_figure(6.2, 5.6, title=f"{title}: connectivity", margins=margins)
    ax = figure.subplots()
    cmap = colormaps["RdBu_r"].with_extremes(bad="#bbbbbb")
    image = ax.imshow(z[np.ix_(order, order)], cmap=cmap, vmin=-1, vmax=1, interpolation="nearest")
    middles = [(start + stop - 1) / 2 for _, start, stop in groups]
    names = [name for name, _, _ in groups]
    ax.set_xticks(middles, names, rotation=45, ha="right", fontsize=7)
    ax.set_yticks(middles, names, fontsize=7)
    for tick, name in zip([*ax.get_xticklabels(), *ax.get_yticklabels()], names * 2, strict=True):
        tick.set_color(COLOURS.get(name, OTHER_COLOUR))
    for _, start, _ in groups[1:]:
        ax.axhline(start - 0.5, color="black", lw=0.4)
        ax.axvline(start - 0.5, color="black", lw=0.4)
    ax.tick_params(length=0)
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("Fisher z of the correlation (grey: missing)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    save_figure(figure, path)


def draw_registration(
    boldref: nib.Nifti1Image,
    brain: np.ndarray,
    outlines: HeadOutlines,
    *,
    title: str,
    path: Path,
) -> None:
    """Mean BOLD volume in template space with the outlines of brain, white matter and mask.

    Parameters
    ----------
    boldref
        3-D, in template space.
    brain
        Brain mask on its grid.
    outlines
        The head whose brain and white matter are outlined.
    title, path
        Heading and file.
    """
    grid = outlines.brain
    (x, y, z), affine = grid.shape[:3], grid.affine
    inside, white = (np.asanyarray(image.dataobj) for image in (grid, outlines.white))
    mask = resample_to(nib.Nifti1Image(brain.astype(np.float32), boldref.affine), (x, y, z), affine)
    # A face has no place in a figure: nothing is shown beyond the head's and the run's brain.
    shown = (mask > 0.5) | (inside > 0.5)
    # The shading of the coils would hide what lies deep in the head.
    even = evened_brightness(np.asarray(boldref.dataobj), brain, boldref.affine)
    data = resample_to(nib.Nifti1Image(even, boldref.affine), (x, y, z), affine) * shown
    figure = new_figure(
        8.0,
        5.4,
        title=f"{title}: mean BOLD in template space",
        margins={
            "left": 0.01,
            "right": 0.99,
            "bottom": 0.06,
            "top": 0.91,
            "wspace": 0.04,
            "hspace": 0.1,
        },
    )
    axes = figure.subplots(3, 6)
    contours = [(white, 0.5, "#56B4E9"), (inside, 0.5, "#E69F00"), (mask, 0.5, "#CD3E4E")]
    cuts: dict[Plane, tuple[int, ...]] = {
        "axial": (-30, -14, 2, 18, 34, 52),
        "coronal": (-80, -56, -32, -8, 16, 40),
        "sagittal": (-48, -28, -8, 8, 28, 48),
    }
    for row, (plane, positions) in zip(axes, cuts.items(), strict=True):
        draw_slices(row, data, affine, plane=plane, positions_mm=positions, contours=contours)
    figure.supxlabel(
        f"orange: brain of {outlines.whose}; blue: its white matter; red: brain mask of the run "
        "(left of the head on the right)",
        fontsize=7,
    )
    save_figure(figure, path)


@dataclass(frozen=True)
class HeadOutlines:
    """Whose brain and white matter are outlined on a mean volume.

    Attributes
    ----------
    brain, white
        3-D in template space, 0 to 1, on one grid.
    whose
        In words.
    """

    brain: nib.Nifti1Image
    white: nib.Nifti1Image
    whose: str


def head_outlines(anat: AnatFiles | None, space: str, *, who: str) -> HeadOutlines:
    """Outlines of a person's brain and white matter, or of the template's where there are none.

    Parameters
    ----------
    anat
        Derivatives of the T1w image; None where there is none.
    space
        Template space that they are wanted in.
    who
        Person and visit, for error messages.
    """
    names: tuple[TemplateMap, TemplateMap] = ("mask", "WM")
    brain, white = (template(name, resolution_mm=_SHOWN_MM) for name in names)
    if anat is None or not anat.serves(space):
        return HeadOutlines(brain, white, "the template")

    def carried(source: Path) -> nib.Nifti1Image:
        return apply_transform(load_image(source, who=who, ndim=3), brain, [anat.to_template])

    return HeadOutlines(carried(anat.mask), carried(anat.wm), "this person's T1w image")
