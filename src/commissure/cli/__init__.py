"""The command ``commissure``: one file per command.

No command imports a numerical library before it runs: what computes is imported in its body.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from commissure import __version__
from commissure.cli.apply import apply
from commissure.cli.compare import compare
from commissure.cli.convert import convert
from commissure.cli.embed import embed
from commissure.cli.federate import federate
from commissure.cli.index import index
from commissure.cli.init import init
from commissure.cli.predict_visits import predict_visits
from commissure.cli.pretrain import pretrain
from commissure.cli.release import release
from commissure.cli.renamed_options import SimulateCommand
from commissure.cli.report import report
from commissure.cli.response import response
from commissure.cli.segment_lesion import segment_lesion
from commissure.cli.simulate import simulate
from commissure.cli.train_lesion import train_lesion
from commissure.cli.validate import validate

# Before any numerical library is imported: parallelism is over people, not inside a person.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(_name, "1")

app = typer.Typer(
    help="BIDS datasets with T1w, BOLD, diffusion and spectroscopy to one table of markers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=SimulateCommand)(simulate)
for _command in (
    init, index, validate, apply, compare, convert, embed, federate, pretrain, release, report,
    response, train_lesion, segment_lesion, predict_visits,
):  # fmt: skip
    app.command()(_command)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
