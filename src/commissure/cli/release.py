"""``commissure release``: a stored model without digests of whom it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def release(
    model: Annotated[Path, typer.Argument(help="Folder fusion/model of a finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the copy.")],
) -> None:
    """Copy a model so that nobody sees by it on whom it was trained: before it leaves."""
    with readable():
        from commissure.transport.released import release as copied

        copied(model, out)
        typer.echo(f"{out}: the model without digests of its training people")
