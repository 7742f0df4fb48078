"""How far the values of two runs agree, marker by marker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from commissure.compare.tolerances import COVERAGE, Key, Tolerance
from commissure.intraclass import icc_a1
from commissure.markers.intervals import Z_95

#: The three answers, from best to worst.
IDENTICAL, EQUIVALENT, DIFFERENT = VERDICTS = ("identical", "equivalent", "different")
#: What names a value of a marker within a run.
WHO = ("participant_id", "session")
WHAT = ("modality", "marker", "region")
# More values beyond the tolerance than this probability allows are no chance.
_CHANCE = 0.99


@dataclass(frozen=True)
class MarkerAgreement:
    """One marker and region in two runs.

    Attributes
    ----------
    modality, marker, region, unit
        As in ``markers.tsv``.
    verdict
        ``identical``: every value equal to its last digit; ``equivalent``: within the tolerance;
        else ``different``.
    n
        Values that both runs have.
    only_a, only_b
        Values that one of them has alone.
    quality_changed
        Values whose quality is another.
    largest
        Largest absolute difference, in the marker's unit.
    icc
        ICC(A,1) of the two runs; NaN for fewer than three values.
    bias, low, high
        Bland-Altman: mean of B - A and its 95 % limits of agreement.
    tolerance
        What the marker moves by where nothing but the last digit of the input changes; None where
        it was not measured.
    beyond
        Values whose difference exceeds it.
    reason
        Why the verdict is not better.
    """

    modality: str
    marker: str
    region: str
    unit: str
    verdict: str
    n: int
    only_a: int
    only_b: int
    quality_changed: int
    largest: float
    icc: float
    bias: float
    low: float
    high: float
    tolerance: float | None
    beyond: int
    reason: str

    @property
    def name(self) -> str:
        """The marker as ``modality marker/region``."""
        return f"{self.modality} {self.marker}/{self.region}"

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def agreements(
    a: pd.DataFrame, b: pd.DataFrame, tolerances: Mapping[Key, Tolerance]
) -> list[MarkerAgreement]:
    """Compare two marker tables.

    Parameters
    ----------
    a, b
        Tables with the columns of :data:`commissure.outputs.MARKERS`.
    tolerances
        By modality, marker and region.

    Returns
    -------
    list of MarkerAgreement
        In the order of modality, marker and region.
    """
    keys = [*WHAT, *WHO]
    both = a.merge(b, on=keys, how="outer", suffixes=("_a", "_b"), indicator=True)
    rows = []
    for (modality, marker, region), values in both.groupby(list(WHAT), sort=True):
        key = (str(modality), str(marker), str(region))
        rows.append(_agreement(key, values, tolerances.get(key)))
    return rows


def _agreement(key: Key, values: pd.DataFrame, tolerance: Tolerance | None) -> MarkerAgreement:
    pairs = values[values["_merge"] == "both"]
    x, y = (pairs[f"value_{run}"].to_numpy(float) for run in "ab")
    gap = y - x
    known = gap[np.isfinite(gap)]
    largest = float(np.abs(known).max()) if len(known) else math.nan
    bias = float(known.mean()) if len(known) else math.nan
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    only_a, only_b = (int((values["_merge"] == side).sum()) for side in ("left_only", "right_only"))
    quality = int((pairs["quality_a"] != pairs["quality_b"]).sum())
    units = pd.concat([values["unit_a"], values["unit_b"]]).dropna().unique()
    limit = tolerance.tolerance if tolerance else None
    beyond = int((np.abs(known) > (limit or 0.0)).sum())
    unequal_nan = int((np.isnan(x) != np.isnan(y)).sum())
    reason = ""
    if len(units) > 1:
        reason = f"the unit is {units[0]} in one run and {units[1]} in the other"
    elif only_a or only_b or unequal_nan:
        reason = f"{only_a + only_b + unequal_nan} values stand in one run alone"
    elif quality:
        reason = f"the quality of {quality} values changed"
    if reason:
        verdict = DIFFERENT
    elif not len(known) or largest == 0:
        verdict = IDENTICAL
    else:
        verdict, reason = _within(known, limit, beyond)
    return MarkerAgreement(
        *key, str(units[0]) if len(units) else "", verdict, len(pairs), only_a, only_b, quality,
        largest, icc_a1(np.column_stack([x, y])) if len(known) == len(pairs) else math.nan,
        bias, bias - Z_95 * spread, bias + Z_95 * spread, limit, beyond, reason,
    )  # fmt: skip


def _within(gap: np.ndarray, limit: float | None, beyond: int) -> tuple[str, str]:
    """Whether differences are those of the last digit, although some exceed the tolerance.

    A tolerance covers 95 of 100 differences, so of many values some lie beyond it. They are too
    many where a binomial of that share would give as many in less than one case of a hundred. And
    the mean difference of n values must lie within three of its standard errors, which the
    tolerance tells.
    """
    if limit is None:
        return DIFFERENT, "no tolerance of this marker was measured"
    allowed = int(binom.ppf(_CHANCE, len(gap), 1 - COVERAGE))
    if beyond > allowed:
        return DIFFERENT, f"{beyond} of {len(gap)} values differ by more than the tolerance"
    reach = limit * 3 / Z_95 / math.sqrt(len(gap))
    if len(gap) > 1 and abs(float(gap.mean())) > reach:
        return DIFFERENT, "the values differ to one side by more than the tolerance explains"
    return EQUIVALENT, ""
