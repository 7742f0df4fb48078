"""What the groups look like: means and standard deviations, or counts, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.report import text
from commissure.report.cohort import Cohort


def characteristics(people: Cohort, *, most: int = 12) -> dict[str, Any]:
    """The groups side by side: means and standard deviations, or counts.

    Returns
    -------
    dict
        ``columns`` (group names with sizes) and ``rows`` (name, then one text per group);
        at most ``most`` variables, ``left_out`` names the others.
    """
    table = people.people
    hidden = {"group", "role", "site", "listed"}
    names = [str(name) for name in table.columns if name not in hidden]
    rows: list[list[str]] = []
    if people.known_sites:
        for site in people.sites:
            rows.append(
                [f"site {site}"]
                + [
                    f"{n} ({text.percent(n, group.n)})"
                    for group in people.groups
                    for n in [int(((table["site"] == site) & (table["group"] == group.name)).sum())]
                ]
            )
    shown = 0
    left_out = []
    for name in names:
        lines = _characteristic(table[name], [table["group"] == g.name for g in people.groups])
        if not lines:
            continue
        if shown == most:
            left_out.append(name)
            continue
        shown += 1
        rows += [[f"{text.variable(name)}{level}", *cells] for level, cells in lines]
    columns = [f"{group.name} (n = {group.n})" for group in people.groups]
    return {"columns": columns, "rows": rows, "left_out": left_out}


def _characteristic(column: pd.Series, masks: Sequence[Any]) -> list[tuple[str, list[str]]]:
    known = column.dropna()
    if known.empty:
        return []
    if known.dtype.kind in "fiu" and known.nunique() > 2:
        cells = []
        for mask in masks:
            values = column[mask].dropna().to_numpy(float)
            if not len(values):
                cells.append(text.ABSENT)
                continue
            sd = f" ({text.number(np.std(values, ddof=1))})" if len(values) > 1 else ""
            n_unknown = int(mask.sum()) - len(values)
            unknown = f", {n_unknown} unknown" if n_unknown else ""
            cells.append(f"{text.number(values.mean())}{sd}{unknown}")
        return [(", mean (SD)", cells)]
    levels = sorted(known.astype(str).unique())
    if len(levels) > 6:
        return []
    lines = []
    for level in levels:
        counts = [int((column[mask].astype(str) == level).sum()) for mask in masks]
        sizes = [int(mask.sum()) for mask in masks]
        cells = [f"{n} ({text.percent(n, of)})" for n, of in zip(counts, sizes, strict=True)]
        lines.append((f" {level}", cells))
    return lines
