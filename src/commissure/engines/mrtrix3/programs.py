"""The programs of MRtrix3: whether they are there, and calling them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commissure.errors import ConfigError, DatasetError

#: What is called.
PROGRAMS = ("dwidenoise", "mrdegibbs", "dwi2mask", "dwi2tensor", "tensor2metric")

#: The versions that this was written for: ``dwi2mask`` takes an algorithm's name from 3.1 on.
TESTED = ((3, 0), (3, 0))

#: Status of a program that was killed, as by a job's limit of memory.
_KILLED = (-9, 137)


def version() -> str:
    """Version of MRtrix3 on the path, as ``3.0.3``; empty where it does not say."""
    program = shutil.which(PROGRAMS[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.search(r"== \w+ (\d[\w.]*)", done.stdout)
    return said[1] if said else ""


def check_programs() -> None:
    """Refuse a machine without MRtrix3, or with one that takes other options.

    Raises
    ------
    ConfigError
        A program is not on the path, or does not run, or is of a version that was not tried.
    """
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise ConfigError(
            "dwi.engine",
            found=f"mrtrix3 is to run, and {', '.join(missing)} of MRtrix3 "
            f"{'is' if len(missing) == 1 else 'are'} not on the path",
            wanted=f"{', '.join(PROGRAMS)}",
            mend="Install MRtrix3 3.0 (Debian and Ubuntu: apt install mrtrix3), load its module, "
            "or set dwi.engine: builtin in config.yaml",
        )
    numbers = re.match(r"(\d+)\.(\d+)", version())
    low, high = TESTED
    if numbers is None or not low <= (int(numbers[1]), int(numbers[2])) <= high:
        raise ConfigError(
            "dwi.engine",
            found=f"mrtrix3 is to run, and {PROGRAMS[0]} -version says "
            + (f"{version()}" if version() else "nothing that can be read"),
            wanted=f"MRtrix3 {low[0]}.{low[1]}",
            mend="Load that version, or set dwi.engine: builtin in config.yaml",
        )


def run(interface: Callable[..., Any], folder: Path, *, who: str, **inputs: Any) -> None:
    """Run a program of MRtrix3 in a folder, on one thread.

    Parameters
    ----------
    interface
        Its class in ``nipype.interfaces.mrtrix3``.
    folder
        Where it runs and writes.
    who
        Person and visit, for the error message.
    **inputs
        Of the interface.

    Raises
    ------
    DatasetError
        The program is not there, or failed: with its own last words. One that was killed, or had
        no room, comes from an error of the machine, so that it is tried again.
    """
    # Nipype would ask a server for its latest version.
    os.environ.setdefault("NIPYPE_NO_ET", "1")
    arguments = f"-quiet -force {inputs.pop('args', '')}".strip()
    call = interface(nthreads=1, args=arguments, terminal_output="allatonce", **inputs)
    # The list of its shared libraries, which Nipype would make of every call, is of no use here.
    call._ldd = False
    if shutil.which(call.cmd) is None:
        raise DatasetError(
            who,
            found=f"{call.cmd} of MRtrix3 is not on the path where the job runs",
            mend="Install MRtrix3 there, or load its module before snakemake is started",
        )
    done = call.run(cwd=str(folder), ignore_exception=True).runtime
    status = getattr(done, "returncode", None)
    if status == 0:
        return
    said = last_words(getattr(done, "stderr", "") or getattr(done, "traceback", "") or "")
    raise DatasetError(
        who,
        found=f"{call.cmd} of MRtrix3 {version()} ended with status {status}: {said}",
        mend=f"Look at the series, or leave the step of {call.cmd} out",
    ) from _of_the_machine(status, said)


def last_words(text: str) -> str:
    """What a program of MRtrix3 said last of why it ended.

    Parameters
    ----------
    text
        What it printed on standard error.
    """
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    errors = [line for line in lines if "[ERROR]" in line]
    told = (errors or lines or ["it said nothing"])[-1]
    return re.sub(r"^\w+: \[ERROR\] ", "", told)[:300]


def _of_the_machine(status: int | None, said: str) -> Exception | None:
    """The error of the machine that a program ended by, if it was one."""
    if status in _KILLED or "bad_alloc" in said or "annot allocate memory" in said:
        return MemoryError(said)
    if "No space left" in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None
