"""Pictures of a spectrum: its shots, its fit, and where its voxel lies."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from commissure.mrs.chemical_shift import ppm_axis
from commissure.mrs.derivatives import Curves
from commissure.mrs.metabolites import REPORTED

_GREY, _INK, _RED, _BLUE = "#9a9a9a", "#1c1c1c", "#c0392b", "#2471a3"

_LABELS = {
    **{reported.name: reported.label for reported in REPORTED if reported.label},
    "macromolecules": "macromol.",
}


def _without_frame(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks([])


def fit_figure(curves: Curves, *, title: str, caption: str) -> Figure:
    """Data, model, residual, baseline and main components on a reversed ppm axis."""
    figure = Figure(figsize=(8, 8.4), layout="constrained")
    top, below = figure.subplots(2, 1, height_ratios=(1.15, 1), sharex=True)
    ppm = curves.ppm
    residual = curves.data - curves.model
    lift = max(curves.data.max(), curves.model.max()) + 0.08 + max(0.0, -residual.min())
    top.plot(ppm, curves.data, color=_GREY, lw=1.0, label="data")
    top.plot(ppm, curves.model, color=_RED, lw=1.0, label="model")
    top.plot(ppm, curves.baseline, color=_BLUE, lw=1.0, ls="--", label="baseline")
    top.plot(ppm, residual + lift, color=_INK, lw=0.7, label="residual (raised)")
    top.axhline(lift, color=_GREY, lw=0.4)
    top.legend(loc="center right", fontsize=8, frameon=False)
    top.set_title(title, fontsize=11)
    top.set_ylabel("signal (highest point = 1)", fontsize=9)
    _without_frame(top)
    step = 0.0
    for name, values in curves.components.items():
        step -= max(0.17, 0.05 + float(values.max()))
        below.plot(ppm, values + step, color=_INK, lw=0.8)
        below.axhline(step, color=_GREY, lw=0.3)
        below.annotate(
            _LABELS.get(name, name), (0.995, step), xycoords=("axes fraction", "data"),
            fontsize=8, ha="right", va="bottom", color=_BLUE,
        )  # fmt: skip
        step += min(0.0, float(values.min()))
    below.set_xlabel("chemical shift (ppm)", fontsize=9)
    below.set_ylabel("components, same scale", fontsize=9)
    below.set_xlim(float(ppm.max()), float(ppm.min()))
    _without_frame(below)
    figure.supxlabel(caption, fontsize=8, color=_INK)
    return figure


def shots_figure(
    before: np.ndarray,
    after: np.ndarray,
    kept: np.ndarray,
    *,
    dwell_s: float,
    frequency_mhz: float,
    title: str,
) -> Figure:
    """Each shot's spectrum as a row, before and after alignment, with the averages above.

    Parameters
    ----------
    before, after
        (shots, points).
    kept
        Which shots were averaged, (shots,).
    """
    ppm = ppm_axis(before.shape[1], dwell_s, frequency_mhz)
    band = (ppm > 1.7) & (ppm < 3.5)
    ppm = ppm[band]
    turn = np.exp(-1j * _phase_of_peak(after[kept].mean(axis=0), band))
    figure = Figure(figsize=(8, 5), layout="constrained")
    panels = figure.subplots(2, 2, height_ratios=(1, 2), sharex=True)
    images = []
    for column, (fids, name) in enumerate(((before, "before"), (after, "after"))):
        spectra = np.fft.fftshift(np.fft.fft(fids), axes=-1)[:, band]
        spectra = (spectra * turn).real
        images.append(spectra)
        mean, axes = spectra[kept].mean(axis=0), panels[0, column]
        axes.plot(ppm, mean, color=_INK, lw=0.9)
        axes.set_title(f"{name}: average of {int(kept.sum())} of {len(kept)} shots", fontsize=9)
        _without_frame(axes)
    height = max(panel.get_ylim()[1] for panel in panels[0])
    low = min(panel.get_ylim()[0] for panel in panels[0])
    size = float(np.percentile(np.abs(images[1]), 99.5))
    for column, spectra in enumerate(images):
        panels[0, column].set_ylim(low, height)
        axes = panels[1, column]
        axes.imshow(
            spectra, aspect="auto", cmap="gray_r", vmin=-0.3 * size, vmax=size, origin="lower",
            extent=(float(ppm[0]), float(ppm[-1]), -0.5, len(kept) - 0.5), interpolation="nearest",
        )  # fmt: skip
        rejected = np.flatnonzero(~kept)
        if len(rejected):
            axes.plot(np.full(len(rejected), 1.74), rejected, ls="", marker="<", color=_RED, ms=5)
        axes.set_xlabel("chemical shift (ppm)", fontsize=9)
        axes.set_xlim(3.5, 1.7)
    label = "shot (red: left out)" if (~kept).any() else "shot"
    panels[1, 0].set_ylabel(label, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _phase_of_peak(fid: np.ndarray, band: np.ndarray) -> float:
    spectrum = np.fft.fftshift(np.fft.fft(fid))[band]
    return float(np.angle(spectrum[np.abs(spectrum).argmax()]))


def voxel_figure(
    t1w: nib.Nifti1Image, mask: np.ndarray, share: np.ndarray, *, title: str, caption: str
) -> Figure:
    """The voxel's outline on three slices of the brain through its centre.

    Parameters
    ----------
    t1w
        T1w image; shown within ``mask`` only.
    mask, share
        Brain, and the voxel's share of each image voxel, on the grid of ``t1w``.
    """
    upright = nib.as_closest_canonical(
        nib.Nifti1Image(np.where(mask > 0, np.asanyarray(t1w.dataobj), 0), t1w.affine)
    )
    outline = nib.as_closest_canonical(nib.Nifti1Image(share.astype(np.float32), t1w.affine))
    brain: np.ndarray = np.asanyarray(upright.dataobj)
    where: np.ndarray = np.asanyarray(outline.dataobj)
    inside = np.argwhere(where > 0)
    centre: np.ndarray = np.round((inside * where[where > 0][:, None]).sum(0) / where.sum())
    zooms = np.linalg.norm(upright.affine[:3, :3], axis=0)
    top = float(np.percentile(brain[brain > 0], 99.5)) if (brain > 0).any() else 1.0
    figure = Figure(figsize=(9, 3.6), layout="constrained", facecolor="white")
    for axes, axis in zip(figure.subplots(1, 3), range(3), strict=True):
        index = int(centre[axis])
        rest = [i for i in range(3) if i != axis]
        box = _bounding(np.asarray(np.any(brain, axis=axis)))
        picture = brain.take(index, axis=axis)[box].T
        shadow = where.take(index, axis=axis)[box].T
        ratio = float(zooms[rest[1]] / zooms[rest[0]])
        axes.imshow(picture, cmap="gray", vmin=0, vmax=top, origin="lower", aspect=ratio)
        if shadow.any():
            axes.contour(shadow > 0.5 * shadow.max(), levels=[0.5], colors=[_RED], linewidths=1.3)
        axes.set_axis_off()
        world = upright.affine @ [*centre, 1]
        axes.set_title(f"{'xyz'[axis]} = {world[axis]:.0f} mm", fontsize=9)
        if axis:
            axes.text(0.02, 0.02, "L", color="white", transform=axes.transAxes, fontsize=9)
            axes.text(0.94, 0.02, "R", color="white", transform=axes.transAxes, fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(caption, fontsize=8)
    return figure


def _bounding(inside: np.ndarray) -> tuple[slice, slice]:
    def span(line: np.ndarray) -> slice:
        occupied = np.flatnonzero(line)
        if not len(occupied):
            return slice(0, len(line))
        return slice(max(0, occupied[0] - 3), min(len(line), occupied[-1] + 4))

    return span(np.any(inside, axis=1)), span(np.any(inside, axis=0))
