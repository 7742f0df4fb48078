"""``commissure federate``: hospitals compute together from sums, and no person's value leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def federate(
    sites: Annotated[
        list[Path], typer.Argument(help="Output folder of a run at each site, three or more.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    label: Annotated[str, typer.Option(help="Column of the people with the group.")] = "group",
    positive: Annotated[str, typer.Option(help="Its one value.")] = "resistant",
    negative: Annotated[str, typer.Option(help="Its other value.")] = "responsive",
    covariates: Annotated[
        str, typer.Option(help="Columns that groups are compared at equal values of.")
    ] = "age,sex",
    disorder: Annotated[
        str, typer.Option(help="Whose pattern the vulnerability index compares people with.")
    ] = "schizophrenia",
    ridge: Annotated[float, typer.Option(min=0, help="Penalty of the logistic model.")] = 1.0,
    permutations: Annotated[int, typer.Option(min=0, help="Of the labels, within sites.")] = 999,
    seed: Annotated[int, typer.Option(help="Of the permutations.")] = 0,
    combat: Annotated[
        bool,
        typer.Option("--combat", help="Write each site's markers without its scanner's part."),
    ] = False,
    min_people: Annotated[
        int, typer.Option(min=2, help="No sum over fewer people leaves a site.")
    ] = 10,
) -> None:
    """Compute means, group differences and a model over sites from what may leave them."""
    with readable():
        from commissure.federated.hospital import Question
        from commissure.federated.records import Options
        from commissure.federated.study import federate as together

        names = tuple(name.strip() for name in covariates.split(",") if name.strip())
        together(
            sites, Question(label, positive, negative, names, disorder), out=out,
            options=Options(ridge, permutations, seed, min_people, combat=combat), say=typer.echo,
        )  # fmt: skip
