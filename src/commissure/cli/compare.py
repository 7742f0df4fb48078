"""``commissure compare``: whether two runs give the same numbers, and if not, why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Output folder of a run.")],
    b: Annotated[
        Path | None,
        typer.Argument(metavar="B", help="Output folder of another; not with --plan."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the page to this file: .md or .html.")
    ] = None,
    tolerances: Annotated[
        Path | None,
        typer.Option(help="A tolerances.tsv; default: those of the runs, the larger of each."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Before a run: what would be computed again in run A."),
    ] = False,
    config: Annotated[
        Path, typer.Option(help="With --plan: the configuration of the run to come.")
    ] = Path("config.yaml"),
) -> None:
    """Compare two runs: identical (exit 0), equivalent (3) or different (4)."""
    with readable():
        if plan:
            from commissure.flow.touched import plan_words

            said = plan_words(a, config, as_json=as_json)
            typer.echo(said)
            return
        if b is None:
            raise typer.BadParameter("two runs are compared: name A and B, or A and --plan")
        from commissure.compare.comparison import EXIT
        from commissure.compare.comparison import compare as compare_runs
        from commissure.compare.page import html, markdown
        from commissure.files import as_json as text_of
        from commissure.files import write_text

        comparison = compare_runs(a, b, tolerances=tolerances)
        if out is not None:
            page = html if out.suffix.lower() in (".html", ".htm") else markdown
            write_text(page(comparison), out)
        if as_json:
            typer.echo(text_of(comparison.record()).rstrip())
        else:
            typer.echo(markdown(comparison))
    raise typer.Exit(EXIT[comparison.verdict])
