"""An error of planning as its one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from commissure.errors import CommissureError


@contextmanager
def readable(*, leave: Callable[[], object] = lambda: None) -> Iterator[None]:
    """End the program with the one sentence of an error, without a traceback.

    An :class:`OSError` is one of the disk: a file that went, a right that is missing, no space.

    Parameters
    ----------
    leave
        Is called before the program ends, as to let go of locks.
    """
    try:
        yield
    except (CommissureError, OSError) as error:
        print(f"\ncommissure: {error}\n", file=sys.stderr, flush=True)
        leave()
        # Snakemake wraps SystemExit of a Snakefile into a traceback of its own.
        os._exit(1)
