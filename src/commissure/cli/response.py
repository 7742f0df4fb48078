"""``commissure response``: response criteria on a table of lesion measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def response(
    table: Annotated[
        Path,
        typer.Argument(
            help="TSV or CSV, a row for each lesion and visit: participant_id, session, day, "
            "lesion, and diameters or volumes."
        ),
    ],
    criteria: Annotated[
        str, typer.Option(help="recist-1.1, rano-2010, rano-2.0 or rano-bm.")
    ] = "recist-1.1",
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Volumes instead of products (rano-2.0).")
    ] = False,
    non_enhancing: Annotated[
        bool,
        typer.Option("--non-enhancing", help="A tumour that does not enhance (rano-2.0)."),
    ] = False,
    manual: Annotated[
        Path | None,
        typer.Option(help="Another reading: participant_id, session, response; gives kappa."),
    ] = None,
    confirmed_after_days: Annotated[
        float, typer.Option(help="Least days from a response to its confirmation.", min=0)
    ] = 28.0,
    stable_after_days: Annotated[
        float, typer.Option(help="Least days from the baseline for stable disease.", min=0)
    ] = 42.0,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("response"),
) -> None:
    """Judge the response at every follow-up, each with its reason."""
    with readable():
        from commissure.lesion.criteria.rules import chosen_rule
        from commissure.lesion.response_tables import judged_table

        rule = chosen_rule(criteria, volumes=volumes, non_enhancing=non_enhancing)
        responses = judged_table(
            table, rule, out=out, manual=manual,
            confirmed_after_days=confirmed_after_days, stable_after_days=stable_after_days,
        )  # fmt: skip
        for one in responses.assessments:
            typer.echo(f"{one.participant_id} {one.session}  {one.reason}")
            for flag in one.flags:
                typer.echo(f"    flag: {flag}")
        for best in responses.best:
            typer.echo(f"{best.participant_id} best response  {best.reason}")
        for who in responses.without:
            typer.echo(f"{who}  only a baseline, nothing to judge")
        if manual is not None and responses.agreement is not None:
            compared = responses.agreement
            typer.echo(
                f"agreement with {manual.name}: "
                f"{100 * compared.equal:.0f} % of {compared.pairs} visits, kappa "
                f"{compared.kappa.value:.2f} ({compared.kappa.low:.2f} to "
                f"{compared.kappa.high:.2f}), weighted {compared.weighted.value:.2f} "
                f"({compared.weighted.low:.2f} to {compared.weighted.high:.2f})"
            )
        typer.echo(f"written to {out}")
