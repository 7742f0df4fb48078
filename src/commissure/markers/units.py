"""One marker has one unit."""

from __future__ import annotations

import pandas as pd

from commissure.errors import DatasetError


def check_units(markers: pd.DataFrame) -> None:
    """Refuse a marker that has several units.

    Raises
    ------
    DatasetError
        The marker is named.
    """
    if markers["unit"].nunique() < 2:
        return
    named = markers[["modality", "marker", "region", "unit"]].drop_duplicates()
    by_marker = named.groupby(["modality", "marker", "region"], sort=True)["unit"].unique()
    for names, units in zip(by_marker.index.to_frame().to_numpy(str), by_marker, strict=True):
        if len(units) > 1:
            raise DatasetError(
                f"marker {' '.join(names)}",
                found=f"its units are {' and '.join(sorted(map(str, units)))}",
                wanted="one unit in everybody",
                mend="Compute the markers of all people with the same settings",
            )
