"""``commissure report``: the report of an output folder, and a copy that may leave the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def report(
    output_dir: Annotated[Path, typer.Argument(help="Output folder of a run, finished or not.")],
    pseudonymise: Annotated[
        Path | None,
        typer.Option(
            help="Write a copy here instead: people, visits and sites under other names, without "
            "days, paths, commands, configuration and comments."
        ),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose page is written, as sub-01; may be given several times. Without it "
            "everybody's, where there are at most report.pages_up_to people."
        ),
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            help="Write report_unfinished.html alone, without pages of people, as a run does that "
            "fails.",
        ),
    ] = False,
) -> None:
    """Write report.html and the pages of people from what a run left, however far it came."""
    from commissure.outputs import REPORT, UNFINISHED
    from commissure.report.from_folder import chosen_for_pages, read_run
    from commissure.report.page import write_report
    from commissure.report.pseudonymise import KEY, write_pseudonymised
    from commissure.report.subjects.page import write_pages

    with readable():
        run = read_run(output_dir)
        if pseudonymise is not None:
            names = write_pseudonymised(run, pseudonymise)
            typer.echo(
                f"{pseudonymise / 'report.html'} and the pages of {len(names.people)} people. "
                f"Who is who stands in {output_dir / KEY}: keep that file in the lab."
            )
            return
        page = output_dir / (UNFINISHED if unfinished else REPORT.path)
        people, pages = ([] if unfinished else chosen_for_pages(run, person)), []
        if not unfinished:
            pages = write_pages(
                people, output_dir, statuses=run.statuses, tables=run.tables,
                settings=run.settings, study=run.study,
            )  # fmt: skip
        write_report(
            output_dir, page, statuses=run.statuses, participants=run.participants,
            settings=run.settings, config_text=run.configuration, ratings=run.ratings,
            study=run.study, unfinished=unfinished,
        )  # fmt: skip
        if unfinished:
            typer.echo(str(page))
            return
        typer.echo(f"{output_dir / 'report.html'} and {len(pages) - 1} pages of people.")
        if not people:
            typer.echo(
                f"They are more than report.pages_up_to ({run.settings.pages_up_to}): --person "
                "names whose page is wanted."
            )
