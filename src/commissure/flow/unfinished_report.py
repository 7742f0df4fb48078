"""A run that fails still leaves a report of what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from commissure.outputs import UNFINISHED

#: How long the report may take, seconds; beyond it there is none.
LIMIT_S = 50.0


def report_unfinished(output_dir: Path, *, limit_s: float = LIMIT_S) -> str:
    """Write the report of a run that failed, in a process of its own.

    Whatever goes wrong here is told and raises nothing: the run's own failure is what counts.

    Parameters
    ----------
    output_dir
        The run's output folder.
    limit_s
        How long it may take.

    Returns
    -------
    str
        What to tell the user.
    """
    page = output_dir / UNFINISHED
    program = "from commissure.cli import app; app()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "report", str(output_dir), "--unfinished"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit_s,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        done = None
    if done is not None and done.returncode == 0:
        return f"The run did not finish. What is there: {page}"
    return (
        "The run did not finish, and nothing could be reported of it yet. Once a step has ended, "
        f"`commissure report {output_dir}` shows what is there."
    )


def forget_unfinished(output_dir: Path) -> None:
    """Remove the report of an earlier failure, once a run has finished."""
    (output_dir / UNFINISHED).unlink(missing_ok=True)
