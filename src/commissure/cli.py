"""The command ``commissure``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from commissure import __version__
from commissure.errors import CommissureError

# Before any numerical library is imported: parallelism is over people, not inside a person.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(_name, "1")

app = typer.Typer(
    help="BIDS datasets with T1w, BOLD, diffusion and spectroscopy to one table of markers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except CommissureError as error:
        typer.echo(f"commissure: {error}", err=True)
        raise typer.Exit(1) from None


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the new BIDS dataset.")],
    preset: Annotated[str, typer.Option(help="Protocol: demo, or tiny for tests.")] = "demo",
    controls: Annotated[int, typer.Option(min=0, help="Healthy controls.")] = 14,
    responsive: Annotated[int, typer.Option(min=0, help="Patients who respond.")] = 17,
    resistant: Annotated[int, typer.Option(min=0, help="Treatment-resistant patients.")] = 17,
    sites: Annotated[int, typer.Option(min=1, help="Scanners.")] = 2,
    missing: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of modalities that a person lacks.")
    ] = 0.08,
    effects: Annotated[
        float, typer.Option(min=0, help="Factor on all group effects; 0 is a null cohort.")
    ] = 1.0,
    site_balance: Annotated[
        float,
        typer.Option(min=0, max=1, help="How far the share of resistant people differs by site."),
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    jobs: Annotated[
        int, typer.Option(min=0, help="People simulated at a time; 0: one per core.")
    ] = 0,
) -> None:
    """Simulate a BIDS cohort with four modalities and known truth."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    from commissure.phantom.simulate import simulate as write_cohort

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with _readable(), Progress(*columns) as bar:
        task = bar.add_task(f"simulating into {out}", total=controls + responsive + resistant)
        write_cohort(
            out,
            preset=preset,
            controls=controls,
            responsive=responsive,
            resistant=resistant,
            sites=sites,
            missing=missing,
            effects=effects,
            site_balance=site_balance,
            seed=seed,
            jobs=jobs or len(os.sched_getaffinity(0)),
            progress=lambda: bar.advance(task),
        )


@app.command()
def index(
    bids: Annotated[Path, typer.Argument(help="BIDS dataset.")],
) -> None:
    """Show who has what in a dataset, and which images would not be used, with the reason."""
    from rich.console import Console
    from rich.table import Table

    from commissure.errors import DatasetError
    from commissure.flow.index import build_index, tree_of
    from commissure.rows import MODALITIES

    with _readable():
        if not bids.is_dir():
            raise DatasetError(str(bids), found="there is no such folder", wanted="a BIDS dataset")
        entries = build_index(bids, tree_of(bids))
    table = Table("participant", "session", *MODALITIES)
    for who in sorted({(e.participant_id, e.session) for e in entries}):
        own = [e for e in entries if (e.participant_id, e.session) == who]
        counts = [sum(e.modality == m and e.used for e in own) for m in MODALITIES]
        table.add_row(*who, *(str(n) if n else "-" for n in counts))
    console = Console()
    console.print(table)
    for entry in entries:
        if not entry.used:
            console.print(f"not used: {entry.scan}: {entry.note}", highlight=False)


@app.command()
def apply(
    model: Annotated[Path, typer.Argument(help="Folder fusion/model of a finished run.")],
    dataset: Annotated[
        Path, typer.Argument(help="Output folder of a run on the new data, or its markers.tsv.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("apply"),
    participants: Annotated[
        Path | None, typer.Option(help="People's table; default: beside the markers.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of the people with the outcome, if it is known.")
    ] = None,
    site: Annotated[str, typer.Option(help="Column of the people with the site.")] = "site",
) -> None:
    """Score new people by a frozen model, and show what differs in the new place."""
    from commissure.fusion.apply import apply_model

    with _readable():
        apply_model(
            model,
            dataset,
            out=out,
            participants=participants,
            label_column=label,
            site_column=site,
            say=typer.echo,
        )


if __name__ == "__main__":
    app()
