"""How a command ends when something is wrong with what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from commissure.errors import CommissureError


@contextmanager
def readable() -> Iterator[None]:
    """End the command with the one sentence of a :class:`CommissureError`, exit status 1."""
    try:
        yield
    except CommissureError as error:
        typer.echo(f"commissure: {error}", err=True)
        raise typer.Exit(1) from None
