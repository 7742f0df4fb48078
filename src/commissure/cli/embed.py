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
    work: Annotated[
        Path | None,
        typer.Option(help="Folder in which maps are kept; default: work/grey_matter of the run."),
    ] = None,
) -> None:
    """Embed people by an encoder, and map where they deviate from healthy people."""
    with readable():
        from commissure.models.encoders.stored_map_encoder import is_of_maps
        from commissure.representation.embed import embed as write
        from commissure.representation.embed_maps import embed_maps

        if is_of_maps(encoder):
            embed_maps(
                encoder, dataset, out=out, participants=participants, site_column=site, work=work,
                say=typer.echo,
            )  # fmt: skip
            return
        write(
            encoder, dataset, out=out, participants=participants, site_column=site,
            say=typer.echo,
        )  # fmt: skip
