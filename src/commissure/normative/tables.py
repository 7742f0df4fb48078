"""The tables of the charts: deviations, people, centiles over age."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from commissure.models.charts import People
from commissure.normative.matrix import MarkerMatrix
from commissure.normative.stored_charts import StoredCharts
from commissure.outputs import NORMATIVE_CURVES

#: Ages at which centiles are written, and the centiles.
AGES, CENTILES = 25, (5, 25, 50, 75, 95)


def deviation_table(scores: np.ndarray, matrix: MarkerMatrix) -> pd.DataFrame:
    """One row for each deviation that is known.

    Parameters
    ----------
    scores
        Shape (people, markers).
    matrix
        The people and their markers.
    """
    person, column = np.nonzero(np.isfinite(scores))
    z = scores[person, column]
    names = np.array(
        [[c.modality, c.region, c.marker] for c in matrix.columns], dtype=object
    ).reshape(-1, 3)
    return pd.DataFrame(
        {
            "participant_id": matrix.participants[person],
            "modality": names[column, 0],
            "region": names[column, 1],
            "marker": names[column, 2],
            "value": matrix.values[person, column],
            "z": z,
            "centile": stats.norm.cdf(z) * 100,
        }
    )


def people_table(
    scores: np.ndarray, matrix: MarkerMatrix, control: np.ndarray, extreme: float
) -> pd.DataFrame:
    """Counts of extreme markers, with the share of held-out controls who have fewer.

    Parameters
    ----------
    scores
        Shape (people, markers); of controls by charts of the others.
    matrix
        The people.
    control
        Who is a control, shape (people,).
    extreme
        Deviation beyond which a marker counts.
    """
    known = np.isfinite(scores)
    count = known.sum(axis=1)
    low = (np.where(known, scores, 0) < -extreme).sum(axis=1)
    high = (np.where(known, scores, 0) > extreme).sum(axis=1)
    divisor = np.maximum(count, 1)
    part = (low + high) / divisor
    of_controls = np.sort(part[control & (count > 0)])
    sites = matrix.people.site.astype(str)
    local = pd.Series(control).groupby(sites).transform("sum").to_numpy(int)
    table = pd.DataFrame(
        {
            "participant_id": matrix.participants,
            "n_markers": count,
            "n_low": low,
            "n_high": high,
            "mean_z": np.where(known, scores, 0).sum(axis=1) / divisor,
            "rms_z": np.sqrt((np.where(known, scores, 0) ** 2).sum(axis=1) / divisor),
            "extreme_centile": (
                np.searchsorted(of_controls, part) / len(of_controls) * 100
                if len(of_controls)
                else np.nan
            ),
            "site_controls": local,
        }
    )
    return table[table["n_markers"] > 0].reset_index(drop=True)


def curves(stored: StoredCharts) -> pd.DataFrame:
    """Centiles of every chart over age for both sexes, head size at its mean."""
    charts = stored.charts
    age = np.linspace(charts.low_age_, charts.high_age_, AGES)
    levels = [float(stats.norm.ppf(centile / 100)) for centile in CENTILES]
    parts = []
    for sex, female in (("F", 1.0), ("M", 0.0)):
        people = People(age, np.full(AGES, female), np.full(AGES, "", dtype=object))
        values = charts.centiles(people, levels, average_site=True)
        for index, column in enumerate(stored.columns):
            if charts.charted_[index]:
                parts.append(
                    pd.DataFrame(
                        {
                            "modality": column.modality, "region": column.region,
                            "marker": column.marker, "sex": sex, "age": age,
                            **{
                                f"p{centile}": values[number, :, index]
                                for number, centile in enumerate(CENTILES)
                            },
                        }
                    )
                )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else NORMATIVE_CURVES.frame()
