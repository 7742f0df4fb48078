"""The tables of lesions of all visits, put together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from commissure.outputs import Output


def gathered(done: pd.DataFrame, suffix: str, output: Output) -> pd.DataFrame:
    """Rows of one kind of table of every visit that was measured.

    Parameters
    ----------
    done
        Of :func:`commissure.markers.outcomes.outcomes`.
    suffix
        How the names of the tables end: ``lesions``, ``response`` or ``bestresponse``.
    output
        What the table of the study is; it says the columns.

    Returns
    -------
    pandas.DataFrame
        In the order of people and visits.
    """
    measured = done[(done["step"] == "measure") & (done["state"] == "present")]
    parts = []
    for markers in sorted(measured["markers"]):
        path = Path(markers)
        table = path.with_name(path.name.replace("_markers.tsv", f"_{suffix}.tsv"))
        if table.is_file():
            parts.append(output.read_file(table)[output.names])
    rows = pd.concat(parts, ignore_index=True) if parts else output.frame()
    return rows.replace("", None)
