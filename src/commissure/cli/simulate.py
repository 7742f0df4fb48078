"""``commissure simulate``: a BIDS cohort with known truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commissure.cli.errors import readable


def _setting(text: str) -> tuple[str, Any]:
    """Read ``dwi.voxel_mm=2``: the name of a setting, and its value as YAML."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"'{text}' is not SETTING=VALUE, as dwi.voxel_mm=2")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise typer.BadParameter(f"'{text}': the value is not YAML") from None


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the new BIDS dataset.")],
    preset: Annotated[
        str, typer.Option(help="demo (fast), clinical, null (no effects) or tiny (for tests).")
    ] = "demo",
    subjects: Annotated[
        int | None, typer.Option(help="People in all; 48 if nothing else is set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="SETTING=VALUE, as dwi.voxel_mm=2; see docs/phantom.md."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Scans at a time; 0: one per core.")] = 0,
) -> None:
    """Simulate a BIDS cohort with four modalities and known truth."""
    from commissure.phantom.request import chosen_request
    from commissure.phantom.simulate import simulate as write_cohort

    changes = {"cohort.seed": seed, **dict(map(_setting, settings or ()))}
    if subjects is not None:
        changes["cohort.subjects"] = subjects
    jobs = jobs or len(os.sched_getaffinity(0))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with readable(), Progress(*columns, TimeElapsedColumn()) as bar:
        request = chosen_request(preset, changes)
        task = bar.add_task(f"simulating into {out}", total=None)
        write_cohort(
            out, request, jobs=jobs, progress=lambda scans: bar.update(task, advance=1, total=scans)
        )
