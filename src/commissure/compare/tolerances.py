"""What a marker moves by where nothing but the last digit of the input changes.

The tolerance of a marker is derived, not chosen: a few people are measured again with every voxel
and every sample of a spectrum moved by one step of its storage. What the marker then scatters by
is what no comparison of two runs can tell from nothing (Kiar et al. 2021, PLoS ONE 16:e0250755;
Chatelain et al. 2023, arXiv 2307.01373).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.files import write_table
from commissure.outputs import MARKERS, TOLERANCES

#: Share of the differences of two runs that lie within a repeatability coefficient.
COVERAGE = 0.95
# 1.96 sqrt(2): two runs each scatter by the standard deviation within a person.
_REPEATABILITY = 1.959963984540054 * math.sqrt(2)

#: Modality, marker and region.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Tolerance:
    """The tolerance of one marker and region, as a row of ``tolerances.tsv``."""

    people: int
    repeats: int
    within_sd: float
    largest: float
    tolerance: float


def derive(runs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tolerances from runs of the same people whose inputs differ in the last digit.

    Parameters
    ----------
    runs
        Marker tables, two or more.

    Returns
    -------
    pandas.DataFrame
        Columns of :data:`commissure.outputs.TOLERANCES`: the standard deviation within a person,
        the largest difference of any two runs of a person, and the tolerance: the repeatability
        coefficient 1.96 sqrt(2) SD (Bland and Altman 1999, Stat Methods Med Res 8:135), or the
        largest difference where that is more.
    """
    keys = ["modality", "marker", "region", "unit", "participant_id", "session"]
    table = pd.concat(runs, ignore_index=True).dropna(subset=["value"])
    people = table.groupby(keys, sort=True)["value"].agg(["count", "var", "max", "min", "mean"])
    people = people[people["count"] > 1].reset_index()
    rows = []
    for name, values in people.groupby(keys[:4], sort=True):
        freedom = values["count"] - 1
        sd = math.sqrt(float((values["var"] * freedom).sum() / freedom.sum()))
        largest = float((values["max"] - values["min"]).max())
        mean = float(values["mean"].abs().mean())
        tolerance = max(_REPEATABILITY * sd, largest)
        relative = 100 * tolerance / mean if mean > 0 else math.nan
        counts = (len(values), int(values["count"].max()))
        rows.append((*name, *counts, mean, sd, largest, tolerance, relative))
    return TOLERANCES.frame(rows)


def write_tolerances(tables: Sequence[Path], people: Sequence[str], path: Path) -> None:
    """Write ``tolerances.tsv`` from the marker tables of the runs.

    Parameters
    ----------
    tables
        ``markers.tsv`` of the run itself and of its repetitions.
    people
        Who was measured again.
    path
        The table to write.
    """
    runs = [MARKERS.read_file(table) for table in tables]
    chosen = [run[run["participant_id"].isin(list(people))] for run in runs]
    repeated = set().union(*({*run["modality"]} for run in chosen[1:]))
    write_table(derive([run[run["modality"].isin(repeated)] for run in chosen]), path)


def read_tolerances(path: Path) -> dict[Key, Tolerance]:
    """Read ``tolerances.tsv``.

    Raises
    ------
    DatasetError
        The file is absent or is no such table.
    """
    table = TOLERANCES.read_file(path)
    return {
        (row["modality"], row["marker"], row["region"]): Tolerance(
            int(row["people"]),
            int(row["repeats"]),
            row["within_sd"],
            row["largest"],
            row["tolerance"],
        )
        for row in table.to_dict("records")
        if np.isfinite(row["tolerance"])
    }


def widest(*tables: Mapping[Key, Tolerance]) -> dict[Key, Tolerance]:
    """The larger tolerance of each marker: two runs are compared, and either may scatter."""
    merged: dict[Key, Tolerance] = {}
    for table in tables:
        for key, item in table.items():
            if key not in merged or item.tolerance > merged[key].tolerance:
                merged[key] = item
    return merged
