"""``commissure embed``: people in a learnt representation, and where they deviate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def embed(
    encoder: Annotated[Path, typer.Argument(help="Folder of commissure pretrain.")],
    dataset: Annotated[
        Path, typer.Argument(help="Output folder of a run on the data, or its markers.tsv.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("embedding"),
    participants: Annotated[
        Path | None, typer.Option(help="People's table; default: beside the markers.")
    ] = None,
    site: Annotated[str, typer.Option(help="Column of the people with the site.")] = "site",
) -> None:
    """Embed people by an encoder, and map where they deviate from healthy people."""
    with readable():
        from commissure.representation.embed import embed as write

        write(
            encoder, dataset, out=out, participants=participants, site_column=site,
            say=typer.echo,
        )  # fmt: skip
