"""Which files of HALFpipe and XCP-D hold matrices and time series of parcels."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import files_below, task_matches
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import ConfigError, DatasetError
from commissure.tables.delimited import table_text

#: Names of the tools as people write them.
TITLES = {"halfpipe": "HALFpipe", "xcpd": "XCP-D"}

#: Ends of the names, a matrix before a time series.
_ENDS = {
    "halfpipe": ("_desc-correlation_matrix.tsv", "_timeseries.tsv"),
    "xcpd": (
        "_stat-pearsoncorrelation_relmat.tsv",
        "_measure-pearsoncorrelation_conmat.tsv",  # before 0.7
        "_stat-mean_timeseries.tsv",
    ),
}

_SOURCES = {
    "halfpipe": "Waller L et al., Hum Brain Mapp 2022;43:2727-2742",
    "xcpd": "Mehta K et al., Imaging Neurosci 2024;2:1-26",
}


def definitions(tool: str) -> tuple[Definition, ...]:
    """What the markers mean."""
    return (
        Definition(
            f"{tool}_fc", "func", "1", f"{TITLES[tool]}: network connectivity, its correlations of "
            "parcels after Fisher's z transform: mean over all pairs of parcels within one network "
            "(region 'Default'), or between two networks (region 'Vis-SomMot').",
            f"{_SOURCES[tool]}; Schaefer A et al., Cereb Cortex 2018;28:3095-3114",
            given_by="table",
        ),
    )  # fmt: skip


def is_matrix(name: str) -> bool:
    """Whether a file holds correlations, and not a time series."""
    return name.endswith(("_matrix.tsv", "_relmat.tsv", "_conmat.tsv"))


def files(settings: IngressSettings) -> list[str]:
    """Matrices, time series and their sidecars of the tasks and the pattern asked for."""
    folder = Path(settings.folder)
    tables = [
        name
        for name in files_below(folder, _ENDS[settings.tool], depth=6)
        if "desc-confounds" not in name
        and task_matches(name, settings.tasks)
        and (settings.pattern is None or fnmatch.fnmatchcase(name, settings.pattern))
    ]
    sidecars = [re.sub(r"\.tsv$", ".json", name) for name in tables]
    return tables + [name for name in sidecars if (folder / name).is_file()]


def groups(settings: IngressSettings) -> dict[str, list[str]]:
    """Tables by the run, atlas and feature that they are of, a matrix first.

    Raises
    ------
    DatasetError
        Nothing is there.
    ConfigError
        There are several atlases or features, and no pattern chooses one.
    """
    runs: dict[str, list[str]] = defaultdict(list)
    kinds = set()
    for name in files(settings):
        if not name.endswith(".tsv"):
            continue
        end = next(end for end in _ENDS[settings.tool] if name.endswith(end))
        run = name.removesuffix(end)
        kinds.add(" ".join(re.findall(r"(?:feature|atlas|seg|space)-[a-zA-Z0-9]+", run)))
        runs[run].append(name)
    if not runs:
        raise DatasetError(
            Path(settings.folder).name,
            found=f"it has no matrix and no time series of {TITLES[settings.tool]} of the tasks "
            f"{', '.join(settings.tasks)}",
            wanted="files as "
            + " or ".join(f"sub-01_task-rest_..{end}" for end in _ENDS[settings.tool]),
            mend="Correct ingress[].folder, tasks or pattern",
        )
    if len(kinds) > 1:
        raise ConfigError(
            "ingress[].pattern",
            found=f"the folder has several kinds of tables: {', '.join(sorted(kinds))}",
            wanted="one kind, because their means do not compare",
            mend="Choose one by a pattern, as '*atlas-schaefer400*'",
        )
    return {run: sorted(names, key=lambda name: not is_matrix(name)) for run, names in runs.items()}


def label_table(path: Path) -> list[str]:
    """Names of an atlas' parcels in the order of their numbers, from its TSV with or without head.

    Raises
    ------
    DatasetError
        A line is no number and name.
    """
    parcels: dict[int, str] = {}
    for number, line in enumerate(table_text(path).splitlines()):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip() or (number == 0 and not cells[0].isdigit()):
            continue
        if len(cells) < 2 or not cells[0].isdigit():
            raise DatasetError(
                f"{path.name}, line {number + 1}",
                found=f"it is '{line.strip()[:40]}'",
                wanted="the number and the name of a parcel",
            )
        parcels[int(cells[0])] = cells[1]
    return [name for _, name in sorted(parcels.items())]
