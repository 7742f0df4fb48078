"""What the batches left: which image came how far, and where its results are."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.markers.status import STATUS
from commissure.modalities import MODALITIES
from commissure.names import bids_name, parse_name
from commissure.outputs import DWI_QUALITY, QUALITY

_TEXT = STATUS[: STATUS.index("cpu_s")]
_CNR = re.compile(r"cnr_b(\d+)")
_COLUMNS = [*_TEXT, "cpu_s", "wall_s"]


def outcomes(statuses: Iterable[Path | str], output_dir: Path | str) -> pd.DataFrame:
    """Read the status tables of all batches.

    Parameters
    ----------
    statuses
        Tables of :mod:`commissure.markers.status`.
    output_dir
        The run's output folder.

    Returns
    -------
    pandas.DataFrame
        One row per image and step: ``participant_id session modality scan step state cause cpu_s
        wall_s status markers qc``; the last three are paths, empty strings stand for nothing. The
        name of an image that is refused may be of any kind, and gives no paths.
    """
    parts = [
        pd.read_csv(
            status, sep="\t", usecols=_COLUMNS, dtype=dict.fromkeys(_TEXT, str),
            na_values=["n/a"], keep_default_na=False, quoting=csv.QUOTE_NONE,
        ).assign(status=str(status))
        for status in statuses
    ]  # fmt: skip
    columns = [*_COLUMNS, "status"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table[list(_TEXT)] = table[list(_TEXT)].fillna("")
    for name, extension in (("markers", ".tsv"), ("qc", ".json")):
        table[name] = [
            ""
            if row["state"] == "refused"
            else str(_result(Path(output_dir), row, name, extension))
            for row in table.to_dict("records")
        ]
    return table


def _result(output_dir: Path, row: Mapping[Hashable, str], suffix: str, extension: str) -> Path:
    entities, _, _ = parse_name(row["scan"].rsplit("/", 1)[-1])
    # What a network marks is named as a drawn mask is, also where the image has no label.
    if label := MODALITIES[row["modality"]].label:
        entities = {**entities, "label": label}
    folder = output_dir / row["participant_id"] / row["session"] / row["modality"]
    return folder / bids_name(entities, suffix, extension)


def marker_files(table: pd.DataFrame) -> list[Path]:
    """Marker rows of every image whose measurement is there.

    Parameters
    ----------
    table
        Of :func:`outcomes`.
    """
    measured = table[(table["step"] == "measure") & (table["state"] == "present")]
    return [Path(path) for path in measured["markers"]]


def dwi_quality(done: pd.DataFrame) -> pd.DataFrame:
    """Gather the quality records of diffusion series.

    Parameters
    ----------
    done
        Of :func:`commissure.markers.outcomes.outcomes`.

    Returns
    -------
    pandas.DataFrame
        With the columns of :data:`commissure.outputs.DWI_QUALITY`; without rows where no series was
        measured.
    """
    measured = done[
        (done["modality"] == "dwi") & (done["step"] == "measure") & (done["state"] == "present")
    ]
    rows = []
    for row in measured.to_dict("records"):
        record = json.loads(Path(row["qc"]).read_text(encoding="utf-8"))
        image = {key: row[key] or None for key in ("participant_id", "session", "scan")}
        rows.append({**image, **_values(record)})
    table = DWI_QUALITY.frame(rows)
    return table.sort_values(["participant_id", "scan"], kind="stable", ignore_index=True)


def quality_table(done: pd.DataFrame) -> pd.DataFrame:
    """Gather the quality values of all scans.

    Parameters
    ----------
    done
        Of :func:`commissure.markers.outcomes.outcomes`.

    Returns
    -------
    pandas.DataFrame
        With the columns of :data:`commissure.outputs.QUALITY`, in the order of the records.
    """
    measured = done[(done["step"] == "measure") & (done["state"] == "present")]
    measured = measured.sort_values(["participant_id", "session", "modality", "scan"])
    words = {True: "yes", False: "no"}
    rows = []
    for row in measured.to_dict("records"):
        path = Path(row["qc"])
        record = json.loads(path.read_text(encoding="utf-8"))
        image = (row["participant_id"], row["session"] or None, row["modality"])
        scan = path.name.removesuffix("_qc.json")
        rows += [
            (*image, scan, check["name"], check["value"], check["limit"] or None,
             words.get(check["passed"]))
            for check in record["checks"]
        ]  # fmt: skip
    return QUALITY.frame(rows)


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    checks = {check["name"]: check["value"] for check in record["checks"]}
    contrasts = {int(match[1]): checks[name] for name in checks if (match := _CNR.fullmatch(name))}
    values = {name: checks[name] for name in DWI_QUALITY.names if name in checks}
    return {
        **values,
        "runs": record.get("runs"),
        "volumes": record.get("volumes"),
        "b_values": " ".join(f"{b:g}" for b in record.get("b_values", [])),
        "cnr_lowest_shell": contrasts[min(contrasts)] if contrasts else None,
        "cnr_highest_shell": contrasts[max(contrasts)] if contrasts else None,
        "susceptibility": record.get("susceptibility") or None,
        "flags": " ".join(record["flags"]) or None,
    }
