"""Figures of response: waterfall, spider and swimmer plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from commissure.report.plots import svg
from commissure.report.plots.svg import BAD, GOOD, INK, LINE, SERIES, SOFT, Canvas

#: Colour and sign of each category, the best first.
CATEGORIES = {
    "CR": (GOOD, "*"), "PR": (GOOD, "o"), "MR": (SERIES[2], "o"), "SD": (SERIES[0], "s"),
    "NON-CR/NON-PD": (SERIES[0], "D"), "PD": (BAD, "X"), "NE": (SOFT, "|"),
}  # fmt: skip

#: Changes beyond this are drawn here, and written.
MOST_PERCENT = 150.0


@dataclass(frozen=True)
class Course:
    """A person in the figures.

    Attributes
    ----------
    name
        The person.
    best
        Category of the best response.
    changes
        At each follow-up day (or number of the visit), change of the sum since the baseline in
        percent (NaN where it is not known), and category.
    """

    name: str
    best: str
    changes: Sequence[tuple[float, float, str]]

    @property
    def lowest(self) -> float:
        """The best change, NaN where none is known."""
        known = [change for _, change, _ in self.changes if np.isfinite(change)]
        return min(known, default=float("nan"))


def waterfall(
    courses: Sequence[Course], limits: tuple[float, float], *, key: str, description: str
) -> str:
    """Best change of every person, the largest growth first, with the limits of the criteria."""
    shown = sorted(courses, key=lambda course: -course.lowest)
    canvas = Canvas(300, 270, left=60, right=10, top=30, bottom=58)
    axes = canvas.axes
    for place, course in enumerate(shown):
        height = min(course.lowest, MOST_PERCENT)
        axes.bar(place, height, color=_colour(course.best), width=0.78)
        if course.lowest > MOST_PERCENT:
            axes.annotate(f"+{course.lowest:.0f}", (place, height), ha="center", va="bottom",
                          fontsize=9)  # fmt: skip
    _limits(axes, limits)
    axes.axhline(0, color=INK, linewidth=0.8)
    if len(shown) <= 24:
        axes.set_xticks(range(len(shown)), [course.name for course in shown], rotation=90)
        axes.tick_params(axis="x", length=0, labelsize=8.5)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(shown)} people")
    axes.set_xlim(-0.7, len(shown) - 0.3)
    low, high = svg.spread_limits(np.array([-35.0, 25.0, *(_shown(c.lowest) for c in shown)]))
    axes.set_ylim(max(low, -105), high)
    axes.set_ylabel("best change (%)")
    svg.quiet_grid(axes)
    _legend(axes, {course.best for course in shown})
    return canvas.svg(key, description)


def spider(
    courses: Sequence[Course],
    limits: tuple[float, float],
    *,
    days: bool,
    key: str,
    description: str,
) -> str:
    """Change of every person over time."""
    canvas = Canvas(300, 254, left=60, right=12, top=30, bottom=42)
    axes = canvas.axes
    heights = [0.0]
    for course in courses:
        known = [(day, _shown(change), category) for day, change, category in course.changes
                 if np.isfinite(change)]  # fmt: skip
        places, values = [0.0, *(d for d, _, _ in known)], [0.0, *(v for _, v, _ in known)]
        axes.plot(places, values, color=_colour(course.best), linewidth=1.2)
        for day, value, category in known:
            axes.plot(day, value, CATEGORIES.get(category, (SOFT, "|"))[1],
                      color=_colour(category), markersize=4.5)  # fmt: skip
        heights += values
    _limits(axes, limits)
    axes.axhline(0, color=INK, linewidth=0.8)
    low, high = svg.spread_limits(np.array([-35.0, 25.0, *heights]))
    axes.set_ylim(max(low, -105), high)
    svg.few_ticks(axes, x=6, y=5)
    axes.set_xlabel("days since the baseline" if days else "follow-up")
    axes.set_ylabel("change of the sum (%)")
    svg.quiet_grid(axes)
    _legend(axes, {course.best for course in courses})
    return canvas.svg(key, description)


def swimmer(courses: Sequence[Course], *, days: bool, key: str, description: str) -> str:
    """How long every person was followed, with the category at each visit."""
    shown = sorted(courses, key=lambda course: max(day for day, _, _ in course.changes))
    canvas = Canvas(300, 74 + 17 * len(shown), left=60, right=12, top=30, bottom=42)
    axes = canvas.axes
    for row, course in enumerate(shown):
        last = max(day for day, _, _ in course.changes)
        axes.barh(row, last, color=LINE, height=0.62)
        for day, _, category in course.changes:
            colour, shape = CATEGORIES.get(category, (SOFT, "|"))
            axes.plot(day, row, shape, color=colour, markersize=6, clip_on=False)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlim(0, None)
    svg.few_ticks(axes, x=6, y=0)
    axes.set_yticks(range(len(shown)), [course.name for course in shown])
    axes.tick_params(axis="y", length=0, labelsize=9.5)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("days since the baseline" if days else "follow-up")
    seen = [name for name in CATEGORIES if any(name == c for x in shown for _, _, c in x.changes)]
    for name in seen:
        axes.plot([], [], CATEGORIES[name][1], color=CATEGORIES[name][0], label=name)
    _legend_above(axes)
    return canvas.svg(key, description)


def _colour(category: str) -> str:
    return CATEGORIES.get(category, (SOFT, ""))[0]


def _shown(change: float) -> float:
    return min(change, MOST_PERCENT)


def _limits(axes: Axes, limits: tuple[float, float]) -> None:
    for level in limits:
        axes.axhline(level, color=SOFT, linewidth=1, dashes=(4, 3))


def _legend(axes: Axes, categories: set[str]) -> None:
    for name, (colour, _) in CATEGORIES.items():
        if name in categories:
            axes.plot([], [], color=colour, linewidth=5, label=name)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, fontsize=9.5,
                borderaxespad=0.1, columnspacing=1.0, handletextpad=0.4, handlelength=1.0,
                frameon=False)  # fmt: skip
