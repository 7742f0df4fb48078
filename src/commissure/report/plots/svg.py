"""Plots as SVG in the style of the page: its colours, its font, its dark mode.

Matplotlib draws with stand-in colours that become CSS variables, text stays text, and every id gets
the figure's own prefix, so that any number of figures fits into one document.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, ScalarFormatter

# Stand-ins for colours of the style sheet; Matplotlib writes them as they are.
INK, SOFT, LINE, PAPER = "#010101", "#010102", "#010103", "#010104"
GOOD, BAD = "#010105", "#010106"
SERIES = ("#010110", "#010111", "#010112", "#010113", "#010114", "#010115")

_VARIABLES = {
    INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", PAPER: "var(--paper)",
    GOOD: "var(--good)", BAD: "var(--bad)",
    **{stand_in: f"var(--series-{number})" for number, stand_in in enumerate(SERIES)},
}  # fmt: skip

#: Shapes that tell sites apart without colour.
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")

#: Points that one series of a figure holds at most: beyond, they hide each other.
POINTS = 400

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "commissure",
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11.5,
    "axes.labelsize": 11.5,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 1.4,
}


class Canvas:
    """One figure with one pair of axes, sized in CSS pixels.

    Parameters
    ----------
    width, height
        Size in pixels.
    left, right, top, bottom
        Margins around the axes in pixels.
    """

    def __init__(
        self,
        width: float,
        height: float,
        *,
        left: float = 48,
        right: float = 10,
        top: float = 8,
        bottom: float = 40,
    ) -> None:
        with mpl.rc_context(_STYLE):
            self.figure: Figure = Figure(figsize=(width / 72, height / 72), dpi=72)
            self.figure.patch.set_visible(False)
            self.axes: Axes = self.figure.add_axes(
                (
                    left / width,
                    bottom / height,
                    (width - left - right) / width,
                    (height - top - bottom) / height,
                )
            )
            self.axes.patch.set_visible(False)

    def svg(self, key: str, description: str) -> str:
        """Write the figure as an inline ``<svg>`` element.

        Parameters
        ----------
        key
            Prefix of the ids, unique in the page.
        description
            What a screen reader says of the figure.
        """
        buffer = io.StringIO()
        # Written by whoever drew, outside the style: a legend, a note.
        for written in self.figure.findobj(Text):
            if written.get_color() == "black":
                written.set_color(INK)
        with mpl.rc_context(_STYLE):
            self.figure.savefig(
                buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None}
            )
        return inline_svg(buffer.getvalue(), key=key, description=description)


def inline_svg(document: str, *, key: str, description: str) -> str:
    """Turn an SVG document by Matplotlib into an element of a page.

    Keys hold names of a lab's own tables: what could end an attribute or a selector is written as
    its code.
    """
    key = re.sub(r"[^A-Za-z0-9.-]", lambda match: f"_{ord(match[0]):x}_", key)
    body = document[document.index("<svg") :]
    view = re.search(r'viewBox="([^"]+)"', body)
    box = view[1] if view else "0 0 100 100"
    width = float(box.split()[2])
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.S)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r"url\(#([^)]+)\)", body)) | set(re.findall(r'href="#([^"]+)"', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{key}-\1"', body)
    body = re.sub(r"font: (\S+) [^;\"]+", r"font: \1 var(--font)", body)
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, variable)
    body = re.sub(r"\n\s*", "\n", body).strip()
    return (
        f'<svg class="plot" role="img" aria-label="{escape(description)}" viewBox="{box}" '
        f'style="width:{width:.0f}px">\n{body}\n</svg>'
    )


def scatter_offsets(n: int, width: float) -> np.ndarray:
    """Sideways places for n sorted points that keep neighbours apart (golden-ratio sequence)."""
    return (((np.arange(n) + 1) * 0.6180339887498949) % 1 - 0.5) * width


def evenly(order: np.ndarray, most: int = POINTS) -> np.ndarray:
    """At most so many of a sequence, evenly spaced, first and last among them."""
    if len(order) <= most:
        return order
    return order[np.linspace(0, len(order) - 1, most).round().astype(int)]


def spread_limits(values: np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Axis limits that leave a margin around the values."""
    low, high = float(np.min(values)), float(np.max(values))
    margin = (high - low) * share or abs(high) * share or 1.0
    return low - margin, high + margin


def quiet_grid(axes: Axes, axis: Any = "y") -> None:
    """Draw thin grid lines behind the data."""
    axes.grid(axis=axis, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Numbers of an axis, all with the same places; powers of ten where they are long."""
    formatter = ScalarFormatter(useMathText=False, useOffset=False)
    formatter.set_powerlimits((-3, 5))
    formatter.create_dummy_axis()
    labels = formatter.format_ticks(list(ticks))
    power = formatter.get_offset()
    return [f"{label}{power.replace('1e', 'e')}" if label.strip("0−.") else label
            for label in labels]  # fmt: skip


def few_ticks(axes: Axes, x: int = 5, y: int = 5) -> None:
    """Limit the ticks of numeric axes; numbers too long for a small panel use powers of ten."""
    for axis, most in ((axes.xaxis, x), (axes.yaxis, y)):
        if most:
            axis.set_major_locator(MaxNLocator(most))
            formatter = ScalarFormatter(useMathText=False, useOffset=False)
            formatter.set_powerlimits((-3, 5))
            axis.set_major_formatter(formatter)
