"""Running a program in a container for one person, once."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from commissure.engines.containers.program import Folders, Offered, Person, Program, read_json
from commissure.files import write_json

#: Lines of a program's log that are looked through for its last words.
_LOG_LINES = 400

#: Lines that are never a program's last words: our own, and what fMRIPrep's wrapper always says.
_NOT_WORDS = ("$", "fMRIPrep: Please report errors")

_LAST_WORDS = re.compile(r"(?:Error|Exception|Killed|No space left|Cannot|FATAL)", re.IGNORECASE)

#: What changes how a program runs, and not what it leaves.
_OF_THE_MACHINE = {"threads", "mem_mb", "disk_mb", "runtime_min", "gpus"}


def run_person(
    program: Program,
    person: Person,
    settings: Any,
    folders: Folders,
    offered: Offered,
    *,
    inputs: object,
    scratch: Path | None = None,
) -> str:
    """Run a program for a person, unless it has been run to its end with the same.

    Parameters
    ----------
    program, person, settings, folders, offered
        What is run, for whom, how, where, and with what.
    inputs
        Fingerprints of the person's images: another run is made where they change.
    scratch
        Where the program works instead of below the run's output folder; a run that broke off then
        begins again.

    Returns
    -------
    str
        Why it failed, with the program's own last words; empty where it came to its end.
    """
    asked = {"settings": settings.model_dump(exclude=_OF_THE_MACHINE), "inputs": inputs,
             "asked": sorted(person.asked)}  # fmt: skip
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    stamp = folders.work / f"{person.name}.json"
    if read_json(stamp).get("key") == key and (folders.tree / person.name).is_dir():
        return ""
    places = folders if scratch is None else replace(folders, work=scratch)
    for folder in (places.tree, places.work / person.name, folders.work, places.log):
        folder.mkdir(parents=True, exist_ok=True)
    words = program.command(person, settings, places, offered)
    log = folders.log / f"{person.name}.log"
    with log.open("w", encoding="utf-8") as file:
        print("$", " ".join(words), file=file, flush=True)
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            kind = type(error).__name__
            return f"{program.title} could not be started ({kind}: {error.strerror})"
    if done.returncode == 0:
        write_json({"key": key, "device": "gpu" if offered.gpus else "cpu"}, stamp)
        # What a run that broke off goes on with is of no use to one that ended: up to 100 GB.
        shutil.rmtree(places.work / person.name, ignore_errors=True)
        return ""
    said = last_words(log, folders.tree / person.name)
    return (
        f"{program.title} ended with status {done.returncode}: {said} "
        f"(logs/{program.name}/{log.name})"
    )


def last_words(log: Path, person: Path) -> str:
    """What the program said last of why it ended: of its crash files, else of its log.

    Parameters
    ----------
    log
        What it printed.
    person
        The person's folder in the tree, with crash files in ``log``.
    """
    texts = [*sorted(person.glob("log/**/crash-*.txt"))[-1:], log]
    for path in texts:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            continue
        lines = [line.strip() for line in lines if line.strip() and not line.startswith(_NOT_WORDS)]
        told = next((line for line in reversed(lines) if _LAST_WORDS.search(line)), "")
        if told or lines:
            return (told or lines[-1])[:300]
    return "it said nothing"
