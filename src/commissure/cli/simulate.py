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
    lesions: Annotated[
        str | None,
        typer.Option(help="liver (CT) or head (T1w): patients with lesions over time, instead."),
    ] = None,
    follow_ups: Annotated[
        int, typer.Option(min=0, help="Visits after the baseline, of patients with lesions.")
    ] = 3,
) -> None:
    """Simulate a BIDS cohort with four modalities and known truth, or patients with lesions."""
    if lesions is not None:
        _simulate_lesions(out, lesions, subjects, follow_ups + 1, seed, settings)
        return
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


def _simulate_lesions(
    out: Path,
    organ: str,
    subjects: int | None,
    visits: int,
    seed: int,
    settings: list[str] | None,
) -> None:
    from typing import get_args

    from commissure.errors import ConfigError
    from commissure.phantom.lesions.dataset import Organ, write_follow_ups

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with readable(), Progress(*columns, TimeElapsedColumn()) as bar:
        if organ not in get_args(Organ) or settings:
            raise ConfigError(
                "simulate --lesions",
                found=f"'{organ}'" if organ not in get_args(Organ) else "--set beside it",
                wanted=f"{' or '.join(get_args(Organ))}, with --subjects, --follow-ups and --seed",
            )
        task = bar.add_task(f"simulating into {out}", total=None)
        write_follow_ups(
            out, organ=organ, patients=12 if subjects is None else subjects,  # type: ignore[arg-type]
            visits=visits, seed=seed,
            progress=lambda patients: bar.update(task, advance=1, total=patients),
        )  # fmt: skip
