r"""Limits of MRIQC's measures: quantiles of the images that raters accepted.

    python benchmarks/anat_limits.py ../shared/data/derivatives/mriqc/abide-rated/abide.tsv

The table has MRIQC's measures of T1w images and the verdicts of three raters (-1 excluded, 0 doubtful, 1 accepted).
Accepted is who no rater excluded and one accepted; refused, who most raters refused. Prints the quantiles, how many on
either side lie beyond the limit of ``commissure.anat.quality``, and whether this package's formulas give MRIQC's own
values from MRIQC's intensities.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.anat.image_quality import Summary, cjv, cnr, snrd
from commissure.anat.quality import CJV_MAX, CNR_MIN, INU_RANGE_MAX, SNRD_MIN

#: The side on which a measure is bad, and its limit.
LIMITS = {
    "cjv": ("above", CJV_MAX),
    "cnr": ("below", CNR_MIN),
    "snrd_total": ("below", SNRD_MIN),
    "inu_range": ("above", INU_RANGE_MAX),
    "efc": ("above", float("nan")),
    "fber": ("below", float("nan")),
    "qi_1": ("above", float("nan")),
    "wm2max": ("below", float("nan")),
}

#: Share of accepted images that may lie beyond a limit.
BEYOND = 0.005


def verdicts(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Which images were accepted, and which refused."""
    raters = table[["rater_1", "rater_2", "rater_3"]]
    accepted = (raters.fillna(1) >= 0).all(axis=1) & (raters > 0).any(axis=1)
    return accepted, raters.median(axis=1) < 0


def own_values(row: pd.Series) -> dict[str, float]:
    """The measures by this package's formulas from MRIQC's sums of an image."""

    def part(name: str) -> Summary:
        value = {key: float(row[f"summary_{name}_{key}"]) for key in ("median", "mad", "stdv")}
        return Summary(**value, n=int(row[f"summary_{name}_n"]))

    white, grey, fluid, air = (part(name) for name in ("wm", "gm", "csf", "bg"))
    total = float(np.mean([snrd(tissue, air) for tissue in (white, grey, fluid)]))
    return {"cjv": cjv(white, grey), "cnr": cnr(white, grey, air), "snrd_total": total}


def main() -> int:
    """Print the quantiles; 1 where a formula gives another value than MRIQC."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    table = pd.read_csv(parser.parse_args().table, sep="\t")
    accepted, refused = verdicts(table)
    print(f"{accepted.sum()} accepted, {refused.sum()} refused by most raters")
    for name, (side, limit) in LIMITS.items():
        good, bad = table.loc[accepted, name], table.loc[refused, name]
        edge = good.quantile(1 - BEYOND if side == "above" else BEYOND)
        beyond = [((x > limit) if side == "above" else (x < limit)).mean() for x in (good, bad)]
        shares = "" if np.isnan(limit) else (
            f"  limit {limit:g}: beyond it {100 * beyond[0]:.1f} % of the accepted, "
            f"{100 * beyond[1]:.1f} % of the refused"
        )  # fmt: skip
        print(f"{name:11s} median {good.median():.3g}, {side} {edge:.3g} lie 0.5 %{shares}")
    own = pd.DataFrame([own_values(row) for _, row in table.iterrows()])
    apart = ((own - table[own.columns]) / table[own.columns]).abs().max()
    for name, value in apart.items():
        print(f"{name}: largest difference from MRIQC's own value {value:.1e} of it")
    return int(bool((apart > 1e-3).any()))


if __name__ == "__main__":
    sys.exit(main())
