"""HALFpipe and XCP-D: network connectivity from their matrices and time series of parcels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from commissure.engines.ingress.parcel_files import groups, is_matrix, label_table
from commissure.engines.ingress.results import Absence, Ingested, number_of, person_of, text_of
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import DatasetError
from commissure.func.connectivity import LARGEST_R, mean_between
from commissure.rows import Marker

#: A parcel of which the tool saw a smaller share is left out, as with the built-in engine.
COVERAGE_MIN = 0.5

#: Fewer parcels of a network give no mean.
PARCELS_MIN = 2

_NETWORK = re.compile(r"(?:^|_)(?:LH|RH)_([A-Za-z]+)_")


def read(settings: IngressSettings) -> Ingested:
    """Mean Fisher z within and between the networks that the parcels' names say.

    Parameters
    ----------
    settings
        Folder, table of the atlas, tasks and pattern.

    Returns
    -------
    Ingested
        ``halfpipe_fc`` or ``xcpd_fc`` by network and pair of networks. A matrix counts before a
        time series of the same run.

    Raises
    ------
    DatasetError
        Nothing is there, several atlases or features are, no name says a network, or the number
        of parcels is not that of their names.
    """
    ingested = Ingested()
    folder = Path(settings.folder)
    runs = groups(settings)
    labels = label_table(Path(settings.labels)) if settings.labels else None
    for run, names in sorted(runs.items()):
        who = person_of(run, settings.session)
        if who is None:
            raise DatasetError(
                run, found="its name says no person", wanted="a name as sub-01_task-rest"
            )
        name = next((name for name in names if is_matrix(name)), names[0])
        try:
            parcels, r = _matrix(folder / name, labels)
        except DatasetError as error:
            ingested.absences.append(Absence(*who, "connectivity", "failed", str(error)))
            continue
        coverage = _coverage(folder, names, len(parcels))
        r[coverage < COVERAGE_MIN] = np.nan
        r[:, coverage < COVERAGE_MIN] = np.nan
        ingested.rows += _rows(who, parcels, r, settings.tool)
        ingested.versions.setdefault(who, "")
    if not ingested.rows and not ingested.absences:
        raise DatasetError(
            folder.name,
            found="no parcel's name says a network",
            wanted="names of Schaefer's parcels, as 7Networks_LH_Default_PFC_1",
            mend="Name the atlas' table under ingress[].labels, or take another atlas",
        )
    return ingested


def _matrix(path: Path, labels: Sequence[str] | None) -> tuple[list[str], np.ndarray]:
    """Names of the parcels, and the correlations of all pairs, NaN where there is none."""
    lines = [line.split("\t") for line in text_of(path).splitlines() if line.strip()]
    if not lines:
        raise _odd(path, "it is empty", "a matrix or time series")
    headed = any(
        re.search("[A-Za-z]", cell) and cell.lower() not in ("n/a", "nan") for cell in lines[0]
    )
    names = lines[0] if headed else list(labels or [])
    rows = lines[1:] if headed else lines
    if headed and names[0] in ("Node", ""):
        names, rows = names[1:], [row[1:] for row in rows]
    widths = {len(row) for row in rows}
    if not names:
        raise DatasetError(
            path.name,
            found=f"its {max(widths)} parcels have no names",
            wanted="the table of its atlas",
            mend="Name it under ingress[].labels",
        )
    if widths != {len(names)}:
        raise _odd(
            path, f"it has {' or '.join(map(str, sorted(widths)))} columns", f"{len(names)} parcels"
        )
    values = np.array(
        [[_value(cell, path, name) for cell, name in zip(row, names, strict=True)] for row in rows]
    )
    if is_matrix(path.name):
        if values.shape[0] != values.shape[1] or not np.allclose(
            values, values.T, atol=1e-6, equal_nan=True
        ):
            raise _odd(path, "it is no symmetrical square", "correlations of all pairs of parcels")
        if np.nanmax(np.abs(values)) > 1 + 1e-6:
            raise _odd(
                path,
                f"its largest value is {np.nanmax(np.abs(values)):g}",
                "correlations, at most 1",
            )
        return names, values
    with np.errstate(divide="ignore", invalid="ignore"):
        return names, np.corrcoef(values.T)


def _value(cell: str, path: Path, name: str) -> float:
    return (
        float("nan")
        if cell in ("", "n/a")
        else number_of(cell, path=path, what=f"a value of {name}")
    )


def _odd(path: Path, found: str, wanted: str) -> DatasetError:
    return DatasetError(
        path.name, found=found, wanted=wanted, mend=f"Let the tool make {path.name} again"
    )


def _coverage(folder: Path, names: Sequence[str], count: int) -> np.ndarray:
    """Share of each parcel that the run saw; 1 where the tool does not say it."""
    for name in names:
        sidecar = folder / re.sub(r"\.tsv$", ".json", name)
        if not sidecar.is_file():
            continue
        try:
            told = json.loads(text_of(sidecar)).get("Coverage")
        except ValueError:
            continue
        if isinstance(told, list) and len(told) == count:
            return np.array([np.nan if c is None else float(c) for c in told])
    return np.ones(count)


def _rows(who: tuple[str, str], parcels: Sequence[str], r: np.ndarray, tool: str) -> list[Marker]:
    """Means within each network and between each pair, as the markers of the built-in engine."""
    z = np.arctanh(np.clip(r, -LARGEST_R, LARGEST_R))
    np.fill_diagonal(z, np.nan)
    found = [_NETWORK.search(name) for name in parcels]
    networks = np.array([match[1] if match else "" for match in found])
    order = [str(name) for name in dict.fromkeys(networks.tolist()) if name]
    rows = []
    for first, second in combinations_with_replacement(order, 2):
        inside, others = (np.flatnonzero(networks == name) for name in (first, second))
        value = mean_between(z, inside, others)
        paired = np.isfinite(z[np.ix_(inside, others)]).any(axis=1).sum()
        if not np.isfinite(value) or (first == second and paired < PARCELS_MIN):
            continue
        region = first if first == second else f"{first}-{second}"
        rows.append(Marker(*who, "func", region, f"{tool}_fc", value, "1"))
    return rows
