"""Where a quality value lies among those of the cohort: its rank, and whether it stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from commissure.report import text
from commissure.report.quality_words import check_label, parsed_limit

#: Modified z-score beyond which a value stands out (Iglewicz & Hoaglin 1993).
STANDS_OUT = 3.5

#: Scans that a comparison needs.
LEAST_SCANS = 8

#: From the median absolute deviation to the standard deviation of a normal distribution.
_NORMAL = 1.4826

_WIDTH, _HEIGHT, _EDGE = 220, 26, 8


@dataclass(frozen=True)
class Distribution:
    """The values of one check over the cohort.

    Attributes
    ----------
    values
        Sorted.
    median, spread
        Their median, and their median absolute deviation as a standard deviation; the spread is 0
        where more than half agree or there are too few.
    """

    values: np.ndarray
    median: float
    spread: float

    def z(self, value: float) -> float:
        """Modified z-score of a value; NaN where the cohort gives no spread."""
        return (value - self.median) / self.spread if self.spread > 0 else float("nan")

    def rank(self, value: float) -> tuple[int, int]:
        """How many values are below, and above."""
        below = int(np.searchsorted(self.values, value, "left"))
        return below, len(self.values) - int(np.searchsorted(self.values, value, "right"))


#: Distributions by modality and check.
Distributions = Mapping[tuple[str, str], Distribution]


def distributions(quality: pd.DataFrame) -> dict[tuple[str, str], Distribution]:
    """Distributions of all checks.

    Parameters
    ----------
    quality
        ``quality.tsv``.
    """
    found: dict[tuple[str, str], Distribution] = {}
    finite = quality[np.isfinite(quality["value"].astype(float))]
    for (modality, check), rows in finite.groupby(["modality", "check"], sort=False):
        values = np.sort(rows["value"].to_numpy(float))
        median = float(np.median(values))
        spread = _NORMAL * float(np.median(np.abs(values - median)))
        known = len(values) >= LEAST_SCANS and spread > 1e-9 * max(1.0, abs(median))
        found[str(modality), str(check)] = Distribution(values, median, spread if known else 0.0)
    return found


def with_tools(quality: pd.DataFrame, tools: pd.DataFrame) -> pd.DataFrame:
    """``quality.tsv``, and below it what another tool says of the images (``tool_quality.tsv``)."""
    if tools.empty:
        return quality
    passed = tools["passed"].astype(str).str.lower().map({"true": "yes", "false": "no"}).fillna("")
    added = tools.assign(scan="MRIQC", passed=passed, limit=tools["limit"].fillna(""))
    return pd.concat([quality, added[quality.columns]], ignore_index=True)


def place_in_words(distribution: Distribution, value: float) -> str:
    """Say where a value lies: ``higher than 45 of 47``."""
    below, above = distribution.rank(value)
    others = len(distribution.values) - 1
    if others < 1:
        return "the only scan"
    if below + 1 + above < len(distribution.values) and below == 0 == above:
        return "as all others"
    if below == 0:
        return (
            f"the lowest of {others + 1}"
            if above == others
            else f"among the lowest of {others + 1}"
        )
    if above == 0:
        return (
            f"the highest of {others + 1}"
            if below == others
            else f"among the highest of {others + 1}"
        )
    return f"higher than {text.percent(below, others)} of {others}"


def strip(distribution: Distribution, value: float, limit: str, name: str) -> str:
    """A small drawing: the cohort's range, quartiles and median, the limit, and this value."""
    values = distribution.values
    ends = [values[0], values[-1], value]
    limits = [number for _, number in parsed_limit(limit)]
    # A limit far from every value would press them into one point.
    reach = max(ends) - min(ends) or abs(value) or 1.0
    ends += [number for number in limits if min(ends) - reach <= number <= max(ends) + reach]
    low, high = min(ends), max(ends)
    span = high - low or 1.0

    def x(number: float) -> float:
        return _EDGE + (_WIDTH - 2 * _EDGE) * (number - low) / span

    first, middle, third = np.percentile(values, [25, 50, 75])
    mid = _HEIGHT / 2
    at = x(value)
    drawn = [
        f'<path d="M{x(values[0]):.1f} {mid}H{x(values[-1]):.1f}" class="reach"/>',
        f'<rect x="{x(first):.1f}" y="{mid - 5}" width="{max(1.0, x(third) - x(first)):.1f}" '
        'height="10" class="half"/>',
        f'<path d="M{x(middle):.1f} {mid - 6}v12" class="middle"/>',
        *(
            f'<path d="M{x(number):.1f} 2v{_HEIGHT - 4}" class="limit"/>'
            for number in limits
            if low <= number <= high
        ),
        f'<path d="M{at:.1f} {mid - 6}l5 6l-5 6l-5 -6z" class="here"/>',
    ]
    words = f"{check_label(name)}: {text.number(value)}, {place_in_words(distribution, value)}"
    return (
        f'<svg class="strip" role="img" aria-label="{escape(words)}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(drawn)}</svg>'
    )


@dataclass(frozen=True)
class StandingOut:
    """One value that stands out of the cohort, or breaks its limit.

    Attributes
    ----------
    participant_id, session, modality, check
        Whose value it is, and of what.
    value, limit
        The value, and its limit in words.
    z
        Its modified z-score; NaN where the cohort gives none.
    flagged
        Whether it breaks its limit.
    """

    participant_id: str
    session: str
    modality: str
    check: str
    value: float
    limit: str
    z: float
    flagged: bool


def standing_out(quality: pd.DataFrame, known: Distributions) -> list[StandingOut]:
    """Values that stand out or break a limit, in the order of the table.

    A value that keeps a limit on the side to which it lies is no outlier, however far it is: a
    scan of exceptionally low motion is a good scan.
    """
    rows: list[StandingOut] = []
    words = ["participant_id", "session", "modality", "check", "limit", "passed"]
    columns = [quality[name].astype(str).tolist() for name in words]
    for value, *cells in zip(quality["value"].astype(float).tolist(), *columns, strict=True):
        if not np.isfinite(value):
            continue
        who, session, modality, check, limit, passed = cells
        z, flagged = known[modality, check].z(value), passed == "no"
        if not flagged and (not abs(z) > STANDS_OUT or _on_the_good_side(z, limit)):
            continue
        rows.append(StandingOut(who, session, modality, check, value, limit, z, flagged))
    return rows


def _on_the_good_side(z: float, limit: str) -> bool:
    sides: Sequence[str] = [side for side, _ in parsed_limit(limit)]
    return len(sides) == 1 and sides[0] == ("<" if z < 0 else ">")
