"""The marker table of a study, what is left out of it, and what its markers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from commissure.definitions import Definition
from commissure.errors import ConfigError
from commissure.markers.lab_tables import lab_table
from commissure.markers.registry import exclusion_rules
from commissure.markers.settings import MarkersSettings, TableSettings
from commissure.names import participant_label
from commissure.outputs import EXCLUSIONS, MARKERS
from commissure.rows import COLUMNS, read_markers

#: What names a value: its person, visit and marker.
KEYS = MARKERS.names[:5]


def marker_table(files: Iterable[Path], tables: Iterable[TableSettings]) -> pd.DataFrame:
    """Join the rooms' marker rows and a lab's tables into one.

    Several runs of one visit become one row: the mean of their values, ``flag`` if any is flagged.

    Parameters
    ----------
    files
        ``*_markers.tsv`` of the rooms.
    tables
        A lab's own tables.

    Returns
    -------
    pandas.DataFrame
        The columns :data:`commissure.rows.COLUMNS`, sorted; rows without a value are left out:
        what is missing is an absent row.

    Raises
    ------
    ConfigError, DatasetError
        A table cannot be read as its settings say.
    """
    parts = [read_markers(path) for path in files]
    parts += [lab_table(settings) for settings in tables]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = pd.concat(parts, ignore_index=True).dropna(subset=["value"])
    grouped = rows.groupby(KEYS, sort=True, dropna=False)
    joined = grouped.agg(
        value=("value", "mean"),
        unit=("unit", "first"),
        quality=("quality", lambda q: "flag" if (q == "flag").any() else "ok"),
    ).reset_index()
    return joined[list(COLUMNS)]


def exclusions(
    markers: pd.DataFrame, people: Sequence[str], settings: MarkersSettings
) -> pd.DataFrame:
    """Apply the declared exclusion rules, without looking at any label.

    Parameters
    ----------
    markers
        The marker table.
    people
        Everybody in the study.
    settings
        The rules.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.EXCLUSIONS`, one row per person, visit and rule
        that applied; ``modality`` is ``all`` where a person is left out altogether.

    Raises
    ------
    ConfigError
        ``markers.exclude`` names nobody of the study.
    """
    left_out: list[list[object]] = []
    for modality, rule in exclusion_rules():
        limit = getattr(settings, rule.option)
        if limit is None:
            continue
        rows = markers[(markers["modality"] == modality) & (markers["marker"] == rule.marker)]
        values = rows["value"]
        beyond = values > limit if rule.leaves_out == "above" else values < limit
        for row in rows[beyond].itertuples():
            left_out.append(
                [row.participant_id, row.session, modality, rule.option, limit, row.value]
            )
    for item in settings.exclude:
        who, _, modality = item.partition("/")
        person = participant_label(who)
        if person not in set(people):
            raise ConfigError(
                "markers.exclude",
                found=f"'{item}' is nobody of this study",
                wanted="participants as sub-01 or sub-01/func",
                mend="Correct markers.exclude in config.yaml",
            )
        left_out.append([person, "", modality or "all", "markers.exclude", "named", "n/a"])
    table = EXCLUSIONS.frame(left_out)
    table["session"] = table["session"].replace("", None)
    return table.sort_values(EXCLUSIONS.names[:4], ignore_index=True)


def definition_record(
    defined: Mapping[str, Definition], markers: pd.DataFrame
) -> dict[str, dict[str, object]]:
    """The content of ``markers.json``: every marker of the table, with its regions.

    Raises
    ------
    DatasetError
        The table holds a marker that nothing defines (a tidy table of the lab).
    """
    record: dict[str, dict[str, object]] = {}
    for marker, rows in markers.groupby("marker", sort=True):
        definition = defined.get(str(marker))
        if definition is None:
            first = rows.iloc[0]
            definition = Definition(
                str(marker), first["modality"], first["unit"], "Given by a table of the lab.",
                "tables in config.yaml",
            )  # fmt: skip
        entry = {key: value for key, value in vars(definition).items() if key != "marker"}
        record[str(marker)] = {**entry, "regions": sorted(set(rows["region"]))}
    return record
