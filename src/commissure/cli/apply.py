"""``commissure apply``: a stored model, charts or clusters on new people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def apply(
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder fusion/model of a finished run, normative/model with its charts, or "
            "subtypes/model with its clusters."
        ),
    ],
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
    event: Annotated[
        str | None,
        typer.Option(help="Of a time to an event, the column that says whether it happened."),
    ] = None,
    site: Annotated[str, typer.Option(help="Column of the people with the site.")] = "site",
) -> None:
    """Score new people by a stored model, charts or clusters, and show what differs there."""
    from commissure.normative.apply import apply_charts
    from commissure.normative.stored_charts import CHARTS_FILE
    from commissure.subtypes.stored import CLUSTERS_FILE, assign
    from commissure.transport.apply import apply_model

    with readable():
        if (charts := CHARTS_FILE.is_at(model)) or CLUSTERS_FILE.is_at(model):
            place = apply_charts if charts else assign
            place(
                model,
                dataset,
                out=out,
                participants=participants,
                site_column=site,
                say=typer.echo,
            )
            return
        apply_model(
            model,
            dataset,
            out=out,
            participants=participants,
            label_column=label,
            event_column=event,
            site_column=site,
            say=typer.echo,
        )
