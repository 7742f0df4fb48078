"""``commissure validate``: what would stop or weaken a run, and what the run would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from commissure.cli.errors import readable

if TYPE_CHECKING:
    from commissure.flow.validation import Finding, Validation

#: Findings of one kind that are written out; of more the count is given.
_SHOWN = 5


def validate(
    bids: Annotated[
        Path | None, typer.Argument(help="BIDS dataset; that of the configuration if not given.")
    ] = None,
    configfile: Annotated[
        list[Path] | None, typer.Option(help="Configuration, as for snakemake; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    bids_validator: Annotated[
        bool, typer.Option("--bids/--no-bids", help="Let the BIDS validator look, too.")
    ] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Write out every finding and every person.")
    ] = False,
) -> None:
    """Say what would stop or weaken a run, and what it would do, before anything is computed.

    The exit status is 0 where nothing stops, and 1 where something does.
    """
    from commissure.flow.validation import read_config
    from commissure.flow.validation import validate as look

    with readable():
        default = Path("config.yaml")
        files = configfile or ([default] if bids is None and default.is_file() else [])
        result = look(read_config(files, bids), bids_validator=bids_validator)
    if as_json:
        typer.echo(json.dumps(result.record(), indent=2))
    else:
        _print(result, everything=everything)
    if result.errors:
        raise typer.Exit(1)


def _print(result: Validation, *, everything: bool) -> None:
    console = Console(soft_wrap=True, highlight=False)
    _print_findings(console, result.findings, everything=everything)
    odd = {
        who: plan
        for who, plan in result.people.items()
        if everything or any(state != "measured" for state in plan.values())
    }
    if odd:
        modalities = list(next(iter(odd.values())))
        table = Table("person", *modalities)
        for who, plan in list(odd.items())[: None if everything else 4 * _SHOWN]:
            table.add_row(who, *("measured" if plan[m] == "measured" else "no" for m in modalities))
        console.print(table)
        rest = len(result.people) - len(odd)
        if rest:
            console.print(f"The other {rest} have every modality.")
    table = Table("modality", "engine", "images", "CPU", "memory of a job", "disk", "read off")
    for modality, cost in result.costs.items():
        if result.images[modality]:
            table.add_row(
                modality, result.engines[modality], str(result.images[modality]),
                f"{max(1, round(cost.cpu_s / 60))} min", f"{cost.memory_mb / 1000:.1f} GB",
                f"{cost.disk_mb / 1000:.1f} GB", cost.basis,
            )  # fmt: skip
    if table.row_count:
        console.print(table)
        console.print(result.disk, markup=False)
    if result.bids_validator:
        console.print(result.bids_validator, markup=False)
    warnings = len(result.findings) - result.errors
    console.print(f"Errors: {result.errors}, warnings: {warnings}.")


def _print_findings(console: Console, findings: list[Finding], *, everything: bool) -> None:
    """Errors before warnings; of many alike the first ones and their number."""
    for level in ("error", "warning"):
        kinds: dict[str, list[Finding]] = {}
        for finding in (f for f in findings if f.level == level):
            # What differs between people is their name, and names of their files begin with it.
            kind = " ".join(w for w in finding.text.split() if not any(c.isdigit() for c in w))
            kinds.setdefault(f"{finding.modality} {kind}", []).append(finding)
        for alike in kinds.values():
            for finding in alike if everything else alike[:_SHOWN]:
                who = "" if finding.text.startswith(finding.who) else f"{finding.who}: "
                console.print(f"{level}: {who}{finding.text}", markup=False)
            if not everything and len(alike) > _SHOWN:
                console.print(f"{level}: ... and {len(alike) - _SHOWN} more like this (--all)")
