"""What engines need of a machine, looked at before anything is computed."""

from __future__ import annotations

from collections.abc import Collection

from commissure.engines.containers.checks import check_before
from commissure.engines.containers.program import Folders
from commissure.engines.containers.registry import PROGRAMS
from commissure.engines.mrtrix3.programs import check_programs
from commissure.engines.registry import MRTRIX3
from commissure.flow.settings import Settings


def check_engines(settings: Settings, engines: Collection[str]) -> list[str]:
    """Refuse what would stop an engine for everybody.

    Parameters
    ----------
    settings
        Those of the study.
    engines
        Names of those that are to run.

    Returns
    -------
    list of str
        What is odd, and does not stop them.

    Raises
    ------
    ConfigError
        A program, an image, a licence or the room for one is missing.
    """
    if MRTRIX3 in engines:
        check_programs()
    return [
        caution
        for name, program in PROGRAMS.items()
        if name in engines
        for caution in check_before(
            program,
            getattr(settings, name),
            Folders.of(name, settings.bids, settings.output_dir),
        )
    ]
