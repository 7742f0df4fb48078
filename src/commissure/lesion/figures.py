"""Pictures of lesions over time: slices of every visit above the sums."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from commissure.images.figures import draw_slices, new_figure
from commissure.lesion.criteria.assess import Assessment
from commissure.lesion.criteria.burden import burden_of, target_names
from commissure.lesion.criteria.rules import SUMS, Rule
from commissure.lesion.follow_up import FollowUp
from commissure.lesion.marked_image import SOFT_TISSUE_HU, image_suffix, marked_image
from commissure.lesion.matching import Track
from commissure.lesion.patient_files import ReadPatient, ReadVisit

_INK, _GREY, _OUTLINE, _OTHERS = "#1c1c1c", "#9a9a9a", "#e8590c", "#2f9e44"

#: Around the lesion, so much of the slice is shown on each side (mm).
_AROUND_MM = 60.0

#: Most visits in a figure; of more the baseline and the last ones.
_VISITS_MAX = 8


def timeline_figure(
    read: ReadPatient, followed: FollowUp, assessments: Sequence[Assessment], rule: Rule
) -> Figure:
    """One lesion of a person at every visit, and the sum of the targets over time.

    The lesion is the largest target of the baseline, or else the largest lesion. Its slice is the
    one of its longest diameter; of a visit at which it is gone, the place where it was.
    """
    visits = list(range(len(read.visits)))
    if len(visits) > _VISITS_MAX:
        visits = [0, *visits[1 - _VISITS_MAX :]]
    track = _shown_lesion(read, followed)
    width = max(4.2, 2.1 * len(visits))
    who = read.visits[0].scan.participant_id
    title = f"{who}: lesion {track.lesion} over time" if track else f"{who}: lesions over time"
    figure = new_figure(
        width, 4.6, title=title,
        margins={"left": 0.62 / width, "right": 1 - 0.12 / width, "bottom": 0.12, "top": 0.86},
    )  # fmt: skip
    grid = figure.add_gridspec(2, len(visits), height_ratios=(1.25, 1), hspace=0.28, wspace=0.06)
    categories = {one.session: one.response for one in assessments}
    for column, number in enumerate(visits):
        axes = figure.add_subplot(grid[0, column])
        _draw_visit(axes, read, followed, track, number)
        visit = followed.patient.visits[number]
        day = "" if visit.day is None else f", day {visit.day:g}"
        response = categories.get(visit.session, "baseline" if number == 0 else "")
        axes.set_title(f"{visit.session}{day}\n{response}", fontsize=8, pad=3, color=_INK)
    _draw_sums(figure.add_subplot(grid[1, :]), followed, assessments, rule)
    return figure


def _shown_lesion(read: ReadPatient, followed: FollowUp) -> Track | None:
    targets = set(target_names(followed.patient))
    sizes = {lesion.label: lesion.longest_mm for lesion in read.visits[0].mask.lesions}
    seen = [track for track in followed.tracks if track.labels[0]]
    return max(
        seen,
        key=lambda t: (t.lesion in targets, sum(sizes[label] for label in t.labels[0])),
        default=None,
    )


def _draw_visit(
    axes: Axes, read: ReadPatient, followed: FollowUp, track: Track | None, number: int
) -> None:
    visit = read.visits[number]
    image = marked_image(visit.scan)
    labels = track.labels[number] if track else ()
    centre = _centre(read, track, number)
    data, mask = np.asanyarray(image.dataobj), visit.mask.labels
    box, affine = _around(visit, centre, image.affine)
    shown = np.isin(mask[box], labels) if labels else np.zeros(mask[box].shape, bool)
    draw_slices(
        [axes], data[box], affine, plane="axial", positions_mm=[float(centre[2])],
        contours=[
            (((mask[box] > 0) & ~shown).astype(float), 0.5, _OTHERS),
            (shown.astype(float), 0.5, _OUTLINE),
        ],
        limits=SOFT_TISSUE_HU if image_suffix(visit.scan) == "ct" else None,
    )  # fmt: skip


def _centre(read: ReadPatient, track: Track | None, number: int) -> np.ndarray:
    """Where to look at a visit, mm: at the longest diameter, or where the lesion last was."""
    for back in range(number, -1, -1):
        visit = read.visits[back]
        by_label = {lesion.label: lesion for lesion in visit.mask.lesions}
        parts = [by_label[label] for label in (track.labels[back] if track else ())]
        if parts:
            largest = max(parts, key=lambda part: part.longest_mm)
            centre = np.mean(largest.ends_mm, axis=0)
            there = read.visits[number].matrix @ np.linalg.inv(visit.matrix)
            if back and track:
                # The same part of the body at all visits, at the level of this one.
                first = _centre(read, track, 0)
                centre[:2] = nib.affines.apply_affine(visit.matrix, first)[:2]
            return nib.affines.apply_affine(there, centre)
    visit = read.visits[number]
    middle = (np.array(visit.mask.labels.shape) - 1) / 2
    return nib.affines.apply_affine(visit.mask.affine, middle)


def _around(
    visit: ReadVisit, centre: np.ndarray, affine: np.ndarray
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The part of an image around a place, as a box of voxels and its affine."""
    shape = visit.mask.labels.shape
    corners = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T * _AROUND_MM + centre
    voxels = nib.affines.apply_affine(np.linalg.inv(affine), corners)
    low = np.clip(np.floor(voxels.min(axis=0)), 0, np.array(shape) - 2).astype(int)
    high = np.clip(np.ceil(voxels.max(axis=0)), low + 2, shape).astype(int)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    moved = affine.copy()
    moved[:3, 3] = nib.affines.apply_affine(affine, low)
    return box, moved


def _draw_sums(
    axes: Axes, followed: FollowUp, assessments: Sequence[Assessment], rule: Rule
) -> None:
    """The sum of the targets over days, with the category at each follow-up."""
    visits = followed.patient.visits
    targets = target_names(followed.patient)
    known = all(visit.day is not None for visit in visits)
    places = [float(v.day or 0.0) if known else float(n) for n, v in enumerate(visits)]
    burdens = [burden_of(visit, targets, rule) for visit in visits]
    sums = np.array([np.nan if b.missing or not targets else b.total for b in burdens])
    what, unit = SUMS[rule.quantity]
    axes.plot(places, sums, color=_INK, lw=1.2, marker="o", ms=4)
    categories = {one.session: one.response for one in assessments}
    for place, total, visit in zip(places, sums, visits, strict=True):
        if visit.session in categories and np.isfinite(total):
            axes.annotate(
                categories[visit.session], (place, total), xytext=(0, 6),
                textcoords="offset points", ha="center", fontsize=8, color=_OUTLINE,
            )  # fmt: skip
    axes.set_ylim(0, 1.25 * np.nanmax(sums) if np.isfinite(sums).any() and np.nanmax(sums) else 1)
    axes.margins(x=0.08)
    axes.set_xlabel("days since the baseline" if known else "visit", fontsize=8)
    axes.set_ylabel(f"{what} ({unit})", fontsize=8)
    if not known:
        axes.set_xticks(places, [visit.session for visit in visits])
    if not targets:
        axes.text(0.5, 0.5, "no target lesion", ha="center", va="center", fontsize=8,
                  color=_GREY, transform=axes.transAxes)  # fmt: skip
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
