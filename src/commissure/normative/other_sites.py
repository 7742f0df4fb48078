"""Charts of another study at sites, and for markers, that they may not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.models.charts import ReferenceCharts
from commissure.normative.matrix import MarkerMatrix
from commissure.normative.stored_charts import StoredCharts


def charts_with_sites(
    charts: ReferenceCharts, matrix: MarkerMatrix, control: np.ndarray, folds: int
) -> np.ndarray:
    """Scores of people of sites that the charts may not know, by these sites' own controls.

    Each control is scored by an offset of the others of their site.

    Parameters
    ----------
    charts
        Learnt elsewhere; they learn the sites.
    matrix
        Everybody, in the charts' columns.
    control
        Who is a control, shape (people,).
    folds
        Parts of each site's controls.
    """
    scores = np.full(matrix.values.shape, np.nan)
    sites = matrix.people.site.astype(str)
    for site in sorted(set(sites)):
        there = np.flatnonzero(sites == site)
        known = there[control[there]]
        part = np.arange(len(known)) % min(folds, max(2, len(known)))
        for number in sorted(set(part)) if len(known) > 1 and site not in charts.sites_ else ():
            others, out = known[part != number], known[part == number]
            charts.learn_site(site, matrix.values[others], matrix.people.some(others))
            scores[out] = charts.scores(matrix.values[out], matrix.people.some(out))
        rest = there[np.isnan(scores[there]).all(axis=1)]
        charts.learn_site(site, matrix.values[known], matrix.people.some(known))
        scores[rest] = charts.scores(matrix.values[rest], matrix.people.some(rest))
    return scores


def same_sites(charts: ReferenceCharts, matrix: MarkerMatrix) -> list[str]:
    """A sentence on sites that charts from elsewhere know by the same name."""
    known = sorted(set(matrix.people.site.astype(str)) & set(charts.sites_))
    if not known:
        return []
    return [
        f"{', '.join(known)} counts as the site of that name in the charts. Rename it where it is "
        "another scanner."
    ]


def refuse_other_units(stored: StoredCharts, units: Mapping[Any, str]) -> None:
    """Refuse markers that are in another unit than the charts.

    Raises
    ------
    DatasetError
        The first of them is named.
    """
    for column, unit in zip(stored.columns, stored.units, strict=True):
        if column in units and units[column] != unit:
            raise DatasetError(
                name_of(column), found=f"it is in {units[column]}, and its chart in {unit}",
                wanted="one unit", mend="Convert the table, or use charts of that unit",
            )  # fmt: skip


def name_of(column: Any) -> str:
    """Modality, region and marker of a column, as far as it has them."""
    return " ".join(part for part in (column.modality, column.region, column.marker) if part)
