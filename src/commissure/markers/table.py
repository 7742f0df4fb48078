"""The marker table of a study, and the tables that say what is missing or left out, and why."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from commissure.definitions import Definition
from commissure.errors import ConfigError, DatasetError
from commissure.files import read_table
from commissure.markers.registry import exclusion_rules
from commissure.markers.settings import MarkersSettings, TableSettings
from commissure.names import participant_label
from commissure.outputs import COMPLETENESS, EXCLUSIONS, MARKERS
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


def lab_table(settings: TableSettings) -> pd.DataFrame:
    """Read a lab's table as marker rows.

    Parameters
    ----------
    settings
        Where it is and how it is laid out.

    Returns
    -------
    pandas.DataFrame
        The columns :data:`commissure.rows.COLUMNS`.

    Raises
    ------
    ConfigError
        A column that the settings name is not in the file, or none matches.
    DatasetError
        The file cannot be read, or names a person (and visit) twice.
    """
    path = Path(settings.file)
    if settings.layout == "tidy":
        rows = read_markers(path)
        rows["participant_id"] = rows["participant_id"].map(participant_label)
        return rows
    text = [settings.participant] + ([settings.session] if settings.session else [])
    table = read_table(path, text=text)
    for key, name in (("participant", settings.participant), ("session", settings.session)):
        if name is not None and name not in table:
            raise ConfigError(
                f"tables ({path.name}).{key}",
                found=f"the file has no column '{name}'",
                wanted=f"one of {[str(c) for c in table][:12]}",
                mend=f"Change tables[].{key} in config.yaml",
            )
    columns = [str(c) for c in table.select_dtypes("number") if c not in text]
    if settings.columns is not None:
        columns = [c for c in columns if any(fnmatch.fnmatchcase(c, p) for p in settings.columns)]
    if not columns:
        raise ConfigError(
            f"tables ({path.name}).columns",
            found=f"no numeric column matches {settings.columns}",
            wanted=f"patterns for some of {[str(c) for c in table][:12]}",
            mend="Change tables[].columns in config.yaml",
        )
    table = table.dropna(subset=[settings.participant])
    people = table[settings.participant].map(participant_label)
    sessions = (
        table[settings.session].fillna("").map(lambda s: f"ses-{s}" if s and s[:4] != "ses-" else s)
        if settings.session
        else pd.Series("", index=table.index)
    )
    twice = pd.DataFrame({"p": people, "s": sessions}).duplicated()
    if twice.any():
        raise DatasetError(
            path.name,
            found=f"{people[twice].iloc[0]} {sessions[twice].iloc[0]} has several rows",
            wanted="one row per person and visit",
            mend=f"Remove the rows that are too many from {path.name}",
        )
    wide = table[columns].set_axis(
        pd.MultiIndex.from_arrays([people, sessions], names=["participant_id", "session"])
    )
    rows = wide.rename(columns=lambda c: c.removeprefix(settings.prefix)).melt(
        var_name="region", value_name="value", ignore_index=False
    )
    rows = rows.reset_index().assign(
        modality=settings.modality, marker=settings.marker, unit=settings.unit, quality="ok"
    )
    rows["value"] = rows["value"].astype(float)
    return rows[list(COLUMNS)]


def completeness(
    outcomes: pd.DataFrame,
    *,
    people: Sequence[str],
    products: Mapping[str, Sequence[str]],
    command: str,
) -> pd.DataFrame:
    """Say of every expected product whether it is there, and if not, why.

    Parameters
    ----------
    outcomes
        One row per image and step: ``participant_id session modality scan step state cause qc
        status``, where ``qc`` is the path of the quality record and ``status`` the file whose
        renewal reruns the step.
    people
        Everybody in the study, with or without images.
    products
        What an image of each modality yields; the first is the preprocessing.
    command
        The snakemake command of the run, to which the file to renew is added.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.COMPLETENESS`; state is ``present``, ``missing`` or
        ``failed``.
    """
    rows: list[list[str]] = []
    used = outcomes[outcomes["state"] != "unused"]
    for keys, steps in used.groupby(["participant_id", "session", "modality", "scan"], sort=True):
        person, session, modality, scan = map(str, keys)
        by_step = {row["step"]: row for row in steps.to_dict("records")}
        first, *others = products[modality]
        for product in (first, *others):
            row = by_step.get("preprocess" if product == first else "measure")
            state, cause = (
                (row["state"], row["cause"]) if row else ("missing", "the step did not run")
            )
            if row and product != first and state == "present":
                record = json.loads(Path(row["qc"]).read_text(encoding="utf-8"))
                cause = record["missing"].get(product, "")
                state = "missing" if cause else "present"
            rerun = f"{command} --forcerun {row['status']}" if state == "failed" and row else ""
            rows.append([person, session, modality, scan, product, state, cause, rerun])
    visits = {(r[0], r[1]) for r in rows}
    for person in people:
        own = sorted({s for p, s in visits if p == person}) or [""]
        for session in own:
            for modality in sorted(set(used["modality"])):
                if not any(r[:3] == [person, session, modality] for r in rows):
                    left = outcomes[
                        (outcomes["participant_id"] == person)
                        & (outcomes["session"] == session)
                        & (outcomes["modality"] == modality)
                    ]
                    cause = (
                        left["cause"].iloc[0]
                        if len(left)
                        else "the dataset has no image of this modality"
                    )
                    rows.append([person, session, modality, "", "image", "missing", cause, ""])
    table = COMPLETENESS.frame(rows).replace("", None)
    order = ["participant_id", "session", "modality", "scan"]
    return table.sort_values(order, kind="stable", na_position="first", ignore_index=True)


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
