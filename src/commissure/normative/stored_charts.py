"""Charts that are kept: learnt in one study, used in another. Stored by skops, never by pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import atomic
from commissure.models.age_spline import AgeSpline
from commissure.models.bayesian_regression import Posterior
from commissure.models.charts import ReferenceCharts, SiteOffset
from commissure.study.design import DesignColumn
from commissure.transport.stored_model import without_addresses

#: Types that stored charts may hold; any other is refused.
TRUSTED = tuple(
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (ReferenceCharts, AgeSpline, Posterior, SiteOffset)
)
STORED = "charts.skops"


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
        "version": __version__,
    }
    with atomic(folder / STORED) as draft:
        draft.write_bytes(without_addresses(skops.io.dumps(content)))


def load_charts(path: Path) -> StoredCharts:
    """Read stored charts.

    Raises
    ------
    DatasetError
        There are none, they hold a type that is not trusted, or another version stored them and
        this one cannot read them.
    """
    file = path / STORED if path.is_dir() else path
    if not file.is_file():
        raise DatasetError(
            str(path), found="there are no stored charts", wanted=f"a folder with {STORED}",
            mend="Name the folder normative/model of a finished run",
        )  # fmt: skip
    try:
        content = skops.io.load(file, trusted=list(TRUSTED))
        stored = StoredCharts(
            content["charts"],
            tuple(DesignColumn(*names) for names in content["columns"]),
            tuple(content["units"]),
            content["about"],
        )
        # A part that this version needs and the file lacks shows here.
        stored.charts.offset_sd(0)
    except UntrustedTypesFoundException as error:
        raise DatasetError(
            file.name, found=f"it holds types that are not trusted ({error})",
            wanted="charts that commissure stored", mend="Do not use this file",
        ) from None  # fmt: skip
    except (zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            file.name, found=f"it cannot be read as charts of version {__version__} "
            f"({type(error).__name__})",
            wanted="charts that this version stored",
            mend="Run the study of the charts again with this version",
        ) from None  # fmt: skip
    return stored
