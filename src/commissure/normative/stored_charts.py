"""Charts that are kept: learnt in one study, used in another. Stored by skops, never by pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import Posterior
from commissure.models.charts import ReferenceCharts, SiteOffset
from commissure.study.design import DesignColumn
from commissure.transport.stored_file import StoredFile, type_names

CHARTS_FILE = StoredFile(
    "charts.skops",
    things="charts",
    none="there are no stored charts",
    mend="Name the folder normative/model of a finished run",
    trusted=type_names(ReferenceCharts, AgeSpline, Posterior, SiteOffset),
)


@dataclass(frozen=True)
class StoredCharts:
    """Charts and what they are of.

    Attributes
    ----------
    charts
        Learnt from controls; they hold no person's values.
    columns
        The markers, in their order.
    units
        Unit of each of them.
    about
        Numbers of people and sites, how well they did on held-out controls.
    """

    charts: ReferenceCharts
    columns: tuple[DesignColumn, ...]
    units: tuple[str, ...]
    about: Mapping[str, Any]


def store_charts(stored: StoredCharts, folder: Path) -> None:
    """Write charts into a folder, in one step."""
    content = {
        "charts": stored.charts,
        "columns": [[column.modality, column.region, column.marker] for column in stored.columns],
        "units": list(stored.units),
        "about": dict(stored.about),
    }
    CHARTS_FILE.write(CHARTS_FILE.dumped(content), folder)


def load_charts(path: Path) -> StoredCharts:
    """Read stored charts.

    Raises
    ------
    DatasetError
        There are none, they hold a type that is not trusted, or another version stored them and
        this one cannot read them.
    """
    return CHARTS_FILE.read(path, _charts)


def _charts(content: Mapping[str, Any]) -> StoredCharts:
    stored = StoredCharts(
        content["charts"],
        tuple(DesignColumn(*names) for names in content["columns"]),
        tuple(content["units"]),
        content["about"],
    )
    # A part that this version needs and the file lacks shows here.
    stored.charts.offset_sd(0)
    return stored
