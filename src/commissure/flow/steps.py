"""When each job of a run began and ended, as Snakemake itself wrote it down."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def steps(folder: Path, output_dir: Path) -> list[dict[str, str]]:
    """Jobs of a run that have ended.

    Snakemake keeps a record for each output in ``.snakemake/metadata``; its name is the path of
    the output in base64.

    Parameters
    ----------
    folder
        Where Snakemake runs.
    output_dir
        Output folder of the run, as the configuration names it: other runs may keep their records
        in the same place.

    Returns
    -------
    list of dict
        ``rule``, ``part`` (``batch-0001``, or empty), ``start`` and ``end`` (UTC), in the order of
        their start. Empty where Snakemake kept no records.
    """
    records = folder / ".snakemake" / "metadata"
    jobs: dict[tuple[str, str], dict[str, str]] = {}
    for path in records.rglob("*") if records.is_dir() else ():
        output = _output(str(path.relative_to(records)))
        if output is None or not path.is_file() or not output.is_relative_to(output_dir):
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            start, end = (_utc(content[key]) for key in ("starttime", "endtime"))
            rule = str(content["rule"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        part = output.stem if output.stem.startswith(("batch-", "part-")) else ""
        jobs[rule, part] = {"rule": rule, "part": part, "start": start, "end": end}
    return sorted(jobs.values(), key=lambda job: (job["start"], job["rule"], job["part"]))


def _output(name: str) -> Path | None:
    # A long name stands in folders, each with an @ before it.
    encoded = "".join(part.removeprefix("@") for part in name.split("/"))
    try:
        return Path(base64.urlsafe_b64decode(encoded).decode("utf-8"))
    except (binascii.Error, ValueError):
        return None


def _utc(seconds: Any) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="seconds")
