"""Figures of people and markers: quality, distributions, group differences, recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from commissure.markers.intervals import mean_interval
from commissure.report import text
from commissure.report.plots import svg
from commissure.report.plots.svg import INK, PAPER, SERIES, SHAPES, SOFT, Canvas


@dataclass(frozen=True)
class Bar:
    """A value with its interval in a forest plot; ``series`` picks colour and shape."""

    value: float
    low: float | None
    high: float | None
    series: int


# A cross of 7 pixels around where the pen is.
_CROSS = "m-3.5-3.5l7 7m0-7l-7 7"


def quality_strip(
    values: Sequence[np.ndarray],
    failed: Sequence[np.ndarray],
    sites: Sequence[str],
    *,
    limits: Sequence[tuple[str, float]],
    label: str,
    description: str,
) -> str:
    """Values of one quality measure, one row of points per site, with the limit.

    A page holds a hundred of them: they are written directly, in a tenth of Matplotlib's time.

    Parameters
    ----------
    values, failed
        Per site: the values, and whether each one breaks the limit.
    limits
        Comparison sign (``<`` or ``>``, the side where values are good) and place of each limit.
    """
    bottom = 42 if label else 26
    left, right, top, width = 66.0, 286.0, 4.0, 300
    foot = top + 6 + 32 * len(sites)
    everything = np.concatenate([*values, np.array([place for _, place in limits])])
    low, high = svg.spread_limits(everything)

    def across(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    drawn = []
    for sign, place in limits:
        at = across(place)
        start, end = (at, right) if sign == "<" else (left, at)
        drawn.append(
            f'<rect x="{start:.1f}" y="{top}" width="{max(0.0, end - start):.1f}" '
            f'height="{foot - top}" class="beyond"/><path d="M{at:.1f} {top}V{foot}" class="edge"/>'
        )
    ticks = [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    for tick, written in zip(ticks, svg.tick_labels(ticks), strict=True):
        at = across(tick)
        drawn.append(
            f'<path d="M{at:.1f} {top}V{foot}" class="line"/>'
            f'<text x="{at:.1f}" y="{foot + 15}" class="tick">{escape(written)}</text>'
        )
    for row, (in_site, bad) in enumerate(zip(values, failed, strict=True)):
        order = np.argsort(in_site, kind="stable")
        kept = np.concatenate([svg.evenly(order[~bad[order]]), order[bad[order]]])
        order = kept[np.argsort(in_site[kept], kind="stable")]
        middle = top + 19 + 32 * row
        heights = middle + 32 * svg.scatter_offsets(len(order), 0.5)
        points = [
            f"M{across(value):.1f} {height:.1f}{_CROSS if broken else 'h0'}"
            for value, height, broken in zip(in_site[order], heights, bad[order], strict=True)
        ]
        drawn.append(
            f'<text x="{left - 6}" y="{middle + 4}" class="row">'
            f"{escape(_short(sites[row], 9))}</text>"
            f'<path d="{"".join(p for p in points if p.endswith("h0"))}" class="dots"/>'
            f'<path d="{"".join(p for p in points if not p.endswith("h0"))}" class="crosses"/>'
        )
    drawn.append(f'<path d="M{left} {foot}H{right}" class="axis"/>')
    if label:
        drawn.append(
            f'<text x="{(left + right) / 2}" y="{foot + 31}" class="label">{escape(label)}</text>'
        )
    height = foot + bottom - 2
    return (
        f'<svg class="plot drawn" role="img" aria-label="{escape(description)}" '
        f'viewBox="0 0 {width} {height:g}" style="width:{width}px">{"".join(drawn)}</svg>'
    )


def distribution(
    groups: Sequence[tuple[str, int, np.ndarray, np.ndarray]],
    sites: Sequence[str],
    *,
    label: str,
    key: str,
    description: str,
) -> str:
    """Values of one marker by group, with mean and 95 % interval; sites by shape.

    Parameters
    ----------
    groups
        Name, series, values and site numbers of each group.
    """
    canvas = Canvas(300, 216, left=62, right=6, top=8, bottom=38)
    axes = canvas.axes
    factor, power = text.power_of_ten(np.concatenate([numbers for _, _, numbers, _ in groups]))
    for place, (_, series, numbers, sites_of) in enumerate(groups):
        values = numbers * factor
        colour = SERIES[series]
        order = svg.evenly(np.argsort(values, kind="stable"))
        across = place - 0.08 + svg.scatter_offsets(len(order), 0.5)
        for site in range(len(sites)):
            in_site = sites_of[order] == site
            axes.scatter(
                across[in_site], values[order][in_site], s=17, marker=SHAPES[site % len(SHAPES)],
                color=colour, alpha=0.62, linewidths=0, zorder=3,
            )  # fmt: skip
        if len(values) > 1:
            ends = mean_interval(values)
            axes.plot([place + 0.32] * 2, ends, color=INK, linewidth=1.6)
            axes.plot(place + 0.32, values.mean(), "o", color=INK, markersize=5)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    svg.few_ticks(axes, x=0, y=5)
    most = int(232 / len(groups) / 6.2)
    axes.set_xticks(
        range(len(groups)),
        [f"{_short(name, most)}\nn = {len(numbers)}" for name, _, numbers, _ in groups],
    )
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(_scaled(label, power))
    svg.quiet_grid(axes)
    return canvas.svg(key, description)


def forest(
    rows: Sequence[tuple[str, Sequence[Bar]]],
    *,
    reference: float,
    label: str,
    key: str,
    description: str,
    limits: tuple[float, float] | None = None,
    headings: Sequence[tuple[int, str]] = (),
) -> str:
    """Values with intervals, one row each, against a reference line.

    Parameters
    ----------
    rows
        Name and bars of each row, from the top.
    reference
        Where nothing would be: 0 for a difference, 0.5 for an AUC.
    limits
        Ends of the axis; by default what the intervals need.
    headings
        Row number before which a heading stands, and its text.
    """
    names_px = min(200.0, 6.8 * max(len(name) for name, _ in rows) + 14)
    series = max((len(bars) for _, bars in rows), default=1)
    heights, marks, y = _heights(len(rows), 13.0 * series + 9, dict(headings))
    canvas = Canvas(540, y + 46, left=names_px, right=16, top=4, bottom=42)
    axes = canvas.axes
    axes.set_ylim(y, 0)
    ends = [e for _, bars in rows for b in bars for e in (b.value, b.low, b.high) if e is not None]
    axes.set_xlim(*(limits or svg.spread_limits(np.array([reference, *ends]))))
    axes.axvline(reference, color=SOFT, linewidth=1.1)
    for height, (_, bars) in zip(heights, rows, strict=True):
        for number, bar in enumerate(bars):
            _draw_bar(axes, bar, height + (number - (len(bars) - 1) / 2) * 13)
    for place, heading in marks:
        axes.annotate(
            heading, (0, place), xycoords=("figure fraction", "data"), xytext=(4, 0),
            textcoords="offset points", fontweight="bold", va="center", annotation_clip=False,
        )  # fmt: skip
    svg.few_ticks(axes, x=7, y=0)
    axes.set_yticks(heights, [_short(name, int(names_px / 6.5)) for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(label)
    svg.quiet_grid(axes, "x")
    return canvas.svg(key, description)


def _heights(
    n_rows: int, step: float, headings: Mapping[int, str]
) -> tuple[list[float], list[tuple[float, str]], float]:
    """Height of each row, height and text of each heading, and of all together, in pixels."""
    heights, marks, total = [], [], 0.0
    for row in range(n_rows):
        if row in headings:
            marks.append((total + 10, headings[row]))
            total += 24
        heights.append(total + step / 2)
        total += step
    return heights, marks, total


def _draw_bar(axes: Axes, bar: Bar, height: float) -> None:
    left, right = axes.get_xlim()
    colour = SERIES[bar.series]
    if bar.low is not None and bar.high is not None:
        axes.plot(
            [max(bar.low, left), min(bar.high, right)], [height] * 2,
            color=colour, linewidth=2, solid_capstyle="butt",
        )  # fmt: skip
    axes.plot(
        np.clip(bar.value, left, right), height, SHAPES[bar.series % len(SHAPES)],
        color=colour, markersize=9, markeredgecolor=PAPER, markeredgewidth=0.8,
    )  # fmt: skip


def recovery_scatter(
    true: np.ndarray,
    recovered: np.ndarray,
    *,
    slope: float,
    label: str,
    key: str,
    description: str,
) -> str:
    """True against recovered values with the identity line and the fitted line.

    Parameters
    ----------
    slope
        Of the line of recovered on true values, which goes through both means; NaN draws none.
    """
    canvas = Canvas(264, 256, left=64, right=12, top=8, bottom=46)
    axes = canvas.axes
    factor, power = text.power_of_ten(np.concatenate([true, recovered]))
    true, recovered = true * factor, recovered * factor
    low, high = svg.spread_limits(np.concatenate([true, recovered]))
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1.2, dashes=(5, 3))
    if text.is_number(slope):
        ends = np.array([true.min(), true.max()])
        fitted = recovered.mean() + slope * (ends - true.mean())
        axes.plot(ends, fitted, color=SERIES[2], linewidth=1.6)
    shown = svg.evenly(np.argsort(true, kind="stable"))
    axes.scatter(
        true[shown], recovered[shown], s=16, color=SERIES[1], alpha=0.7, linewidths=0, zorder=3
    )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    svg.few_ticks(axes, x=4, y=4)
    suffix = f" ({power}{label})" if label or power else ""
    axes.set_xlabel(f"true{suffix}")
    axes.set_ylabel(f"recovered{suffix}")
    svg.quiet_grid(axes, "both")
    return canvas.svg(key, description)


def share_bar(parts: Sequence[tuple[str, int]], description: str) -> str:
    """A bar divided by state (present, missing, failed), in HTML so that it wraps and prints."""
    total = sum(n for _, n in parts)
    if not total:
        return ""
    spans = "".join(
        f'<span class="share {state}" style="flex-grow:{n}"></span>' for state, n in parts if n
    )
    label = escape(text.sentence(description))
    return f'<span class="shares" role="img" aria-label="{label}">{spans}</span>'


def _scaled(label: str, power: str) -> str:
    """Put a power of ten before the unit of a label, or in brackets where there is none."""
    if not power:
        return label
    return label.replace("(", f"({power}") if "(" in label else f"{label} ({power.strip()})"


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
