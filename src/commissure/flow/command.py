"""The snakemake command of a run with its configuration, to be typed again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from commissure.paths import without_paths


def command_of(argv: Sequence[str]) -> str:
    """The command that repeats a run, from the command line of its main process."""
    kept: list[str] = []
    keeping = False
    for word in argv[1:]:
        if word.startswith("-"):
            keeping = word.split("=")[0] in ("--configfile", "--configfiles", "--config", "-C")
        if keeping:
            kept.append(shlex.quote(word))
    here = f"{Path.cwd()}{os.sep}"
    command = " ".join(["snakemake --cores all", *(word.replace(here, "") for word in kept)])
    # What lies elsewhere keeps its last part: the tables that say this travel.
    return without_paths(command)
