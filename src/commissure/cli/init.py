"""``commissure init``: the workflow laid into a folder, so that a study runs without a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable
from commissure.flow.workflow_files import lay_workflow


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the study; it is made if absent.")],
    update: Annotated[
        bool,
        typer.Option("--update", help="Replace another version; keep config.yaml and site.yaml."),
    ] = False,
) -> None:
    """Lay Snakefile, config.yaml, rules and cluster profiles into a folder."""
    with readable():
        written = lay_workflow(folder, update=update)
    if not written:
        typer.echo(f"{folder}: everything is there already, and of this version.")
        return
    typer.echo(f"{folder}: {len(written)} files written.")
    typer.echo("Next: name bids_dir and output_dir in its config.yaml, and there run")
    typer.echo("  snakemake -n                  what would be computed")
    typer.echo("  snakemake --cores all         on this computer")
    typer.echo(
        "  snakemake --profile slurm     on a Slurm cluster; name its partition in site.yaml"
    )
