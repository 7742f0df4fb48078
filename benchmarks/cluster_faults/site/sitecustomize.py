"""Faults of a cluster, inside the jobs: Python imports this by itself where it is on its path.

The file that COMMISSURE_FAULTS names says which, as JSON:

``images``  list of ``{"scan": "sub-02", "do": ..., "times": 1, "seconds": 30}``: a job that begins
            to preprocess the image, or a step of the whole study by that name, does something:
            ``hang``, ``memory`` (takes more and more), ``kill`` (itself)
``late_s``  what another job has written is not there yet for so many seconds
``ahead_s`` the clock of every second job is so far ahead: its files have such times

Beside the file, ``work.log`` says what was begun and ended.
"""

import atexit
import builtins
import hashlib
import io
import json
import os
import signal
import sys
import time

_HERE = os.path.dirname(os.environ.get("COMMISSURE_FAULTS", ""))
_ME = os.environ.get("SLURM_JOB_ID") or os.environ.get("JOB_ID", "login")
_REPLACE, _STAT, _LSTAT, _OPEN = os.replace, os.stat, os.lstat, builtins.open


def _script() -> str:
    """Name of the workflow's script that this process runs."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return name.partition(".")[2].removesuffix(".py") if ".snakemake/scripts" in sys.argv[0] else ""


def _note(*words: str) -> None:
    line = " ".join((f"{time.time():.2f}", _ME, str(os.getpid()), *words)) + "\n"
    number = os.open(f"{_HERE}/work.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(number, line.encode())
    os.close(number)


def _seen(path: object) -> str:
    """Where is noted who wrote a file, and when."""
    name = hashlib.sha1(os.path.abspath(os.fspath(path)).encode()).hexdigest()
    return f"{_HERE}/written/{name}"


def _happens(fault: dict, number: int) -> bool:
    """Whether a fault is due once more."""
    for time_ in range(fault.get("times", 1)):
        try:
            os.close(os.open(f"{_HERE}/fault-{number}-{time_}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return True
    return False


def _do(fault: dict) -> None:
    if fault["do"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    kept, until = [], time.monotonic() + fault.get("seconds", 300)
    while time.monotonic() < until:
        if fault["do"] == "memory" and len(kept) < 75:
            kept.append(bytearray(os.urandom(1) * (100 * 2**20)))
        time.sleep(0.1)


def _install(faults: dict) -> None:
    os.makedirs(f"{_HERE}/written", exist_ok=True)
    late, ahead = faults.get("late_s", 0), faults.get("ahead_s", 0)

    def replace(source, target, **named):
        _REPLACE(source, target, **named)
        name = os.fspath(target)
        if late:
            with _OPEN(_seen(target), "w") as file:
                file.write(f"{_ME} {time.time()}")
        if ahead and _ME.isdigit() and int(_ME) % 2:
            os.utime(target, (time.time() + ahead,) * 2)
        if "/work/attempts/" in name:
            with _OPEN(target) as file:
                scan = json.load(file)["image"]
            step = name.split("/")[-2]
            if scan:
                if step != "study":
                    _note("work", step, scan)
                due = step == "study" or "preprocess" in step
                for number, fault in enumerate(faults.get("images", ())):
                    if fault["scan"] in scan and due and _happens(fault, number):
                        _note("fault", fault["do"], scan)
                        _do(fault)

    def hidden(path) -> bool:
        if isinstance(path, int):
            return False
        try:
            with _OPEN(_seen(path)) as file:
                who, when = file.read().split()
        except (OSError, ValueError, TypeError):
            return False
        return who != _ME and time.time() - float(when) < late

    def late_stat(real):
        def stat(path, **named):
            if hidden(path):
                raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
            return real(path, **named)

        return stat

    def late_open(path, *arguments, **named):
        if hidden(path):
            raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
        return _OPEN(path, *arguments, **named)

    os.replace = replace
    if late:
        os.stat, os.lstat = late_stat(_STAT), late_stat(_LSTAT)
        builtins.open = io.open = late_open
    if script := _script():
        _note("begin", script)
        atexit.register(_note, "end", script)


if _HERE:
    with _OPEN(os.environ["COMMISSURE_FAULTS"]) as _file:
        _install(json.load(_file))
